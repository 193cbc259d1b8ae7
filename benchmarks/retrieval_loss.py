"""Tell what the choice of candidates loses apart from what the choice among them loses, as a Markdown table.

    python benchmarks/retrieval_loss.py [--envs Movies-v0] [--sources random cosine] [--users 1000]

Reference policies play one panel of test users with candidates of each source. The near-oracle over the whole catalogue
is the ceiling. What a policy earns less than it, its regret, has two parts: what retrieval loses, which is the ceiling
less the near-oracle within the candidates, and what ranking loses, which is the rest. Recall is the share of steps of
the myopic oracle at which the candidates hold the item of the catalogue that is likeliest clicked. Intervals are 95 %
bootstrap over the raters or personas that users are drawn around, the same resamples for all.
"""

import argparse
import dataclasses
from collections.abc import Mapping

import numpy as np
import torch

from encoders.errors import UsageError
from envs.candidates import SOURCES
from envs.simulator import Simulator
from experiments import statistics
from experiments.config import simulator_class
from experiments.evaluation import Panel, baselines, play_panel
from experiments.statistics import Floats, Ints, Sample, mean_sample

ENVS = ("Movies-v0", "Shop-v0", "News-v0", "Feed-v0")
WHOLE = "all"
RECALL = "recall"
RANKINGS = ("random", "hand_rule")
"""Policies whose regret is shared out between retrieval and ranking."""
POLICIES = (*RANKINGS, "myopic_oracle", "near_oracle")
COLUMNS = (
    "environment and source",
    "recall of the best item",
    *(name.replace("_", " ") for name in POLICIES),
    "retrieval loses",
    *(f"share of the regret of {name.replace('_', ' ')}" for name in RANKINGS),
)


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", nargs="+", default=list(ENVS), help="environments with a setting candidate_source")
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--users", type=int, default=1_000, help="test users that every policy meets")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    panel = Panel(users=arguments.users)
    try:
        for env in arguments.envs:
            check(env)
    except UsageError as error:
        parser.error(str(error))
    print(f"{panel.users:,} {panel.split} users\n")
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"|---|{'---:|' * (len(COLUMNS) - 1)}", flush=True)
    for env in arguments.envs:
        # The whole catalogue is the ceiling of every row, and so it is played first.
        sources = [WHOLE, *(source for source in arguments.sources if source != WHOLE)]
        samples: dict[str, dict[str, Sample]] = {}
        for source in sources:
            samples[source], cluster_n = played(simulator_of(env, source), panel)
            told = row(samples[WHOLE], samples[source], cluster_n)
            print(f"| {env}, {source} | {' | '.join(told)} |", flush=True)


def check(env: str) -> None:
    """Refuse what has no candidate source.

    Raises:
        UsageError: no such environment, or none with that setting.
    """
    settings = simulator_class(f"slatelab/{env}").Settings
    if "candidate_source" not in {field.name for field in dataclasses.fields(settings)}:
        raise UsageError(f"{env} has no candidate_source; choose among {', '.join(ENVS)} and their controls")


def simulator_of(env: str, source: str) -> Simulator:
    """Build an environment whose candidates come from a source."""
    cls = simulator_class(f"slatelab/{env}")
    simulator: Simulator = cls(cls.Settings(candidate_source=source), device="cpu")
    return simulator


def played(simulator: Simulator, panel: Panel) -> tuple[dict[str, Sample], Ints]:
    """Return what each policy earns with each user, and how often the myopic oracle is offered the best; and clusters.

    The clusters, the same for every source, are whom the users are drawn around.
    """
    acts = baselines(simulator, panel)
    ended = play_panel(simulator, {name: acts[name] for name in POLICIES}, panel)
    oracle = ended["myopic_oracle"]
    returns = {name: mean_sample(sessions.totals["reward"].numpy()) for name, sessions in ended.items()}
    return returns | {RECALL: Sample(oracle.totals["recall"].numpy(), oracle.length.numpy())}, oracle.cluster.numpy()


def row(whole: Mapping[str, Sample], offered: Mapping[str, Sample], cluster_n: Ints) -> list[str]:
    """Return the cells of a source, beside the whole catalogue."""
    samples = {**offered, "ceiling": whole["near_oracle"]}
    points = {name: np.array([statistics.ratio(sample)]) for name, sample in samples.items()}
    resampled = statistics.bootstrap_ratios(samples, cluster_n, np.random.default_rng(0))
    told = [interval(points[name], resampled[name], percent=name == RECALL) for name in (RECALL, *POLICIES)]
    if offered is whole:
        return [*told, *[""] * (1 + len(RANKINGS))]
    told.append(interval(lost(points), lost(resampled)))
    return told + [interval(share(points, name), share(resampled, name), percent=True) for name in RANKINGS]


def lost(means: Mapping[str, Floats]) -> Floats:
    """Return what retrieval loses: the near-oracle over the catalogue less the one within the candidates."""
    return means["ceiling"] - means["near_oracle"]


def share(means: Mapping[str, Floats], policy: str) -> Floats:
    """Return the part of a policy's regret that retrieval causes; the rest is the policy's own."""
    return lost(means) / (means["ceiling"] - means[policy])


def interval(point: Floats, resampled_b: Floats, percent: bool = False) -> str:
    """Return an estimate with its 95 % percentile interval."""
    low, high = statistics.percentile_interval(resampled_b)
    values = point.item(), low, high
    if percent:
        return "{:.0%} [{:.0%}, {:.0%}]".format(*values).replace("%", " %")
    return "{:.2f} [{:.2f}, {:.2f}]".format(*values)


if __name__ == "__main__":
    main()
