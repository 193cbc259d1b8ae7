"""Names that come from a file run no code of a stranger's."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from encoders.errors import UsageError


def foreign(tables: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield what tables of settings name that is none of ours, as (kind, name): to use it imports its module."""
    train, env = tables.get("train", {}), tables.get("env", {})
    yield from ((kind, train[kind]) for kind in ("env", "agent") if _is_path(train.get(kind)))
    # A benchmark's file may have a table for one environment within that for all.
    for table in (env, *(value for value in env.values() if isinstance(value, Mapping))):
        encoder = table.get("encoder")
        if _is_path(encoder) and not Path(encoder).is_dir():
            yield "encoder", encoder


def _is_path(name: Any) -> TypeGuard[str]:
    return isinstance(name, str) and ":" in name


def check_trusted(tables: Mapping[str, Mapping[str, Any]], source: Path, typed: set[str]) -> None:
    """Refuse a file whose names would import what is none of ours, such as the configuration of a shared run.

    Args:
        tables: what it says.
        source: the file.
        typed: kinds that the user has named on the command line: what the file says of them is not used, or the same.

    Raises:
        UsageError: it names an environment, agent or encoder that was not typed.
    """
    for kind, name in foreign(tables):
        if kind not in typed:
            raise UsageError(
                f'{source} names the {kind} "{name}", which is none of slatelab\'s: to use it runs the code of '
                f'"{name.rpartition(":")[0]}", whoever wrote it; if you trust it add --trust, in Python trust=True'
            )


def resuming(path: Path, tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the command line that goes on with a run whose names were typed, or trusted, here."""
    trust = ["--trust"] if any(foreign(tables)) else []
    return shlex.join(["slatelab", "train", "--resume", str(path), *trust])
