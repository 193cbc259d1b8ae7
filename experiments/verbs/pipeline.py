"""``slatelab pipeline``."""

import inspect
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from encoders.errors import Failure
from experiments.pipeline.settings import PipelineSettings

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class _Flags:
    # Under no name of their own, so that what they refuse is the one sentence of every other mistake.
    settings: Annotated[PipelineSettings, tyro.conf.arg(name="")]


def main(arguments: Sequence[str]) -> int:
    """Do what is not done yet, write the ladder and print it."""
    flags = tyro.cli(
        _Flags, prog="slatelab pipeline", args=list(arguments), description=inspect.getdoc(PipelineSettings)
    )
    return _pipeline(flags.settings, shlex.join(["slatelab", "pipeline", *arguments]))


def _pipeline(settings: PipelineSettings, command: str) -> int:
    from experiments.pipeline.driver import climb
    from experiments.progress import log_to_stderr, say
    from experiments.verbs.terminal import console

    log_to_stderr()
    watcher = sys.stderr
    ladder, failures = climb(settings, command, lambda line: print(line, file=watcher, flush=True))
    plain = ladder.plain()
    out = console()
    for scenario in ladder.rungs:
        out.print(_table(plain, scenario))
    print(f"{settings.out / 'ladder.md'} has paired differences and costs, {settings.out / 'ladder.json'} everything")
    for failure in failures:
        say(f"failed: {failure}")
    if failures:
        raise Failure(
            f"{len(failures)} rung(s) failed, see above; the others are done, repeat the command to try again"
        )
    return 0


def _table(plain: Mapping[str, Any], scenario: str) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from experiments.pipeline.page import HEADS, rows, title

    table = Table(title=title(plain, scenario), title_justify="left", box=box.SIMPLE_HEAD)
    for name in HEADS:
        first = name == HEADS[0]
        table.add_column(name, justify="left" if first else "right", no_wrap=not first, overflow="fold")
    for row in rows(plain, scenario):
        table.add_row(*map(escape, row))
    return table
