"""Tell what an agent gains by one encoder over another, paired over users, as a Markdown table.

    slatelab benchmark --encoders ENCODER minilm world --envs Movies-v0 --agents slateq --seeds 3 --out runs/encoders
    python benchmarks/encoder_gain.py runs/encoders ENCODER [--frozen minilm] [--agent slateq]

Users are the same whatever encoder they are seen through, so differences are paired. The share is how much of the way
from the frozen encoder to the world's own vectors the other one goes. Intervals are 95 % percentile bootstrap over
raters or personas, the same resamples for every encoder, crossed with the seeds of each.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from encoders.errors import Failure, UsageError
from experiments.benchmark.scoreboard import Arena, read_scoreboard
from experiments.benchmark.standings import Earned
from experiments.config import short_name
from experiments.statistics import Floats, percentile_interval

RESAMPLES = 4_000


def main() -> int:
    """Read, resample and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", type=Path, help="the folder of a benchmark (its --out)")
    parser.add_argument("encoder", help="the encoder that is asked about, as the scoreboard names it")
    parser.add_argument("--frozen", default="minilm", help="what it is compared with")
    parser.add_argument("--agent", default="slateq")
    arguments = parser.parse_args()
    try:
        arenas = read_scoreboard(arguments.benchmark).arenas
        print("| environment | − frozen | − world | share of the way from frozen to world |\n|---|---:|---:|---:|")
        for env in dict.fromkeys(arena.env for arena in arenas):
            seen = {arena.encoder or arguments.frozen: arena for arena in arenas if arena.env == env}
            lacking = {arguments.encoder, arguments.frozen, "world"} - seen.keys()
            if lacking:
                raise UsageError(f"{env} was not seen through {', '.join(sorted(lacking))} (there: {', '.join(seen)})")
            names = (arguments.encoder, arguments.frozen, "world")
            print(f"| {short_name(env)} | {' | '.join(gains([seen[name] for name in names], arguments.agent))} |")
    except (Failure, UsageError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def gains(arenas: list[Arena], agent: str) -> list[str]:
    """Return the cells of one environment, of its arenas under the encoder, the frozen one and the world."""
    generator = np.random.default_rng(0)
    earned = [measured(arena, agent) for arena in arenas]
    runs = [np.stack([each.returns for each in seeds]) for seeds in earned]
    clusters_C, which_n = np.unique(earned[0][0].cluster, return_inverse=True)
    sums = [np.stack([np.bincount(which_n, run_n, len(clusters_C)) for run_n in runs_Sn]) for runs_Sn in runs]
    users_C = np.bincount(which_n, minlength=len(clusters_C))
    means_Eb = np.empty((len(runs), RESAMPLES))
    for resample in range(RESAMPLES):
        times_C = np.bincount(generator.integers(0, len(clusters_C), len(clusters_C)), minlength=len(clusters_C))
        for place, sums_SC in enumerate(sums):
            seeds_S = generator.integers(0, len(sums_SC), len(sums_SC))
            means_Eb[place, resample] = (sums_SC[seeds_S] @ times_C).mean() / (times_C @ users_C)
    point_E1 = np.array([[runs_Sn.mean()] for runs_Sn in runs])
    return [cell(*both) for both in zip(asked(point_E1), asked(means_Eb), strict=True)]


def measured(arena: Arena, agent: str) -> list[Earned]:
    """Return what each run of an agent earned."""
    found = [cell.earned for cell in arena.cells if cell.agent == agent and cell.earned is not None]
    if not found:
        raise UsageError(f"no run of {agent} is finished in {arena.title}")
    return found


def asked(means: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the two differences, and the share."""
    tuned, frozen, world = means
    return tuned - frozen, tuned - world, (tuned - frozen) / (world - frozen)


def cell(point: Floats, resampled_b: Floats) -> str:
    """Return an estimate with its interval."""
    low, high = percentile_interval(resampled_b)
    return f"{point.item():.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    sys.exit(main())
