"""``slatelab list``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import tyro

Kind = Literal["envs", "agents", "encoders"]


@dataclass(frozen=True, kw_only=True)
class ListFlags:
    """List what there is; `list envs` also imports the environments to show slate, candidates and anchors."""

    kind: tyro.conf.Positional[Kind | None] = None
    """Which; all without it."""


def main(arguments: Sequence[str]) -> int:
    """Print the tables."""
    flags = tyro.cli(ListFlags, prog="slatelab list", args=list(arguments))
    from experiments.verbs.listing import tables
    from experiments.verbs.terminal import console

    out = console()
    for table in tables(flags.kind):
        out.print(table)
    return 0
