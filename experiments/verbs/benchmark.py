"""``slatelab benchmark``."""

import inspect
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from encoders.errors import Failure
from experiments.benchmark.settings import BenchmarkSettings


@dataclass(frozen=True, kw_only=True)
class _Flags:
    # Under no name of their own, so that what they refuse is the one sentence of every other mistake.
    settings: Annotated[BenchmarkSettings, tyro.conf.arg(name="")]


def main(arguments: Sequence[str]) -> int:
    """Run what is not there yet, write the scoreboard and print its short form."""
    flags = tyro.cli(
        _Flags, prog="slatelab benchmark", args=list(arguments), description=inspect.getdoc(BenchmarkSettings)
    )
    return _benchmark(flags.settings, shlex.join(["slatelab", "benchmark", *arguments]))


def _benchmark(settings: BenchmarkSettings, command: str) -> int:
    from experiments.benchmark.driver import benchmark
    from experiments.benchmark.page import write_scoreboard
    from experiments.progress import log_to_stderr, say
    from experiments.report.writing import check_out
    from experiments.verbs.tables import print_scores

    failures: list[str] = []
    if settings.only_table:
        check_out(settings.out)
        board = write_scoreboard(settings.out)
    else:
        log_to_stderr()
        watcher = sys.stderr  # as it is now: what a single training prints goes elsewhere
        board, failures = benchmark(settings, command, lambda line: print(line, file=watcher, flush=True))
    print_scores(board)
    print(f"{settings.out / 'scoreboard.md'} has returns and differences, {settings.out / 'results.csv'} every run")
    for failure in failures:
        say(f"failed: {failure}")
    if failures:
        raise Failure(f"{len(failures)} run(s) failed, see above; the others are done, repeat the command to try again")
    return 0
