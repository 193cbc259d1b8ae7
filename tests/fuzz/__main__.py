"""Try every way in with seeded damage for a bounded time: ``python tests/fuzz --seconds 60 --seed 0``.

Nothing that comes in may end in a traceback, leave something half-written or hang: it is taken, or refused in a
sentence. Exit code 1 after a fault, with the line that repeats it.
"""

import argparse
import itertools
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from cases import Case, Way, run  # noqa: E402 (after the path)
from ways import WAYS  # noqa: E402


def main() -> int:
    """Take turns among the ways in until time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long, over all ways")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--way", choices=WAYS, action="append", help="which; all without it")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--cases", type=int, default=10**9, help="how many of each way")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    ways = {name: WAYS[name] for name in asked.way or WAYS}
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SLATELAB_CACHE"] = str(Path(folder) / "cache")
        counts = fuzz(ways, asked, Path(folder))
    for name, (tried, failed) in counts.items():
        print(f"{name}: {tried} cases, {failed} faults")
        faults += failed
    return 1 if faults else 0


def fuzz(ways: dict[str, Way], asked: argparse.Namespace, folder: Path) -> dict[str, tuple[int, int]]:
    """Return how many cases of each way were tried, and how many ended in a fault."""
    counts = dict.fromkeys(ways, (0, 0))
    until = time.monotonic() + asked.seconds
    for number in itertools.islice(itertools.count(asked.first), asked.cases):
        for name, way in ways.items():
            if time.monotonic() > until:
                return counts
            with tempfile.TemporaryDirectory(dir=folder) as own:
                fault = run(way, Case(name, asked.seed, number, Path(own)))
            if fault:
                print(fault, flush=True)
            tried, failed = counts[name]
            counts[name] = (tried + 1, failed + bool(fault))
    return counts


if __name__ == "__main__":
    sys.exit(main())
