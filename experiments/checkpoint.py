"""A run's state in one safetensors file: no code runs when it is loaded, and it is replaced as a whole."""

import importlib.metadata
import json
import math
import shlex
import typing
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from encoders.errors import Failure, UsageError
from envs.interface import Tensors
from envs.simulator import Simulator, fingerprint_of
from experiments.names import canonical_tables
from experiments.progress import say
from experiments.sealed import Sealed, read_sealed, write_sealed
from experiments.settings import FREE, TABLES, RunSettings
from experiments.sizes import read_spec

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a checkpoint says of itself, as JSON in the file's metadata."""

    settings: dict[str, dict[str, Any]]
    """The tables of config.toml."""
    step_count: int
    """Steps that all users took together."""
    train_seconds: float
    wall_seconds: float
    version: str
    """Of slatelab."""
    fingerprint: str = ""
    """Of what the environment's settings only name, see `envs.simulator.fingerprint_of`."""
    spec: dict[str, Any] | None = None
    """The sizes that the agent was built for, see `experiments.sizes`; None in a checkpoint of before."""
    format: int = FORMAT


def save_checkpoint(path: Path, tensors: Tensors, header: Header) -> None:
    """Replace the checkpoint; a kill at any moment leaves the old one or the new one.

    Raises:
        Failure: a full disk.
    """
    write_sealed(path, asdict(header), tensors)


def load_checkpoint(path: Path) -> tuple[Tensors, Header]:
    """Read a checkpoint; one of an earlier version, which has no checksum, is told.

    Raises:
        Failure: it cannot be read, or is broken.
        UsageError: another version of slatelab wrote it, in another format.
    """
    sealed, header = _read(path, with_tensors=True)
    if not sealed.checked:
        say(f"{path} is of a version before checkpoints had a checksum: damage to it would not be noticed")
    return sealed.tensors, header


def read_header(path: Path) -> Header:
    """Read what a checkpoint says of itself, without its tensors.

    Raises:
        Failure: it cannot be read, or is broken.
        UsageError: another version of slatelab wrote it, in another format.
    """
    return _read(path, with_tensors=False)[1]


def _read(path: Path, with_tensors: bool) -> tuple[Sealed, Header]:
    try:
        sealed = read_sealed(path, with_tensors)
    except FileNotFoundError as error:
        run = shlex.quote(str(path.parents[1]))
        raise Failure(f"there is no checkpoint {path}; finish the run with slatelab train --resume {run}") from error
    except ValueError as error:
        raise broken(path, str(error)) from error
    raw = sealed.header
    if isinstance(raw, dict) and raw.get("format") != FORMAT:
        raise UsageError(
            f"the checkpoint {path} was written by slatelab {raw.get('version')} "
            f"in format {raw.get('format')}; this version reads format {FORMAT}"
        )
    wrong = _wrong(raw)
    if wrong is not None:
        raise broken(path, f"its header {wrong}")
    return sealed, Header(**raw)


def _wrong(raw: Any) -> str | None:
    """Return what is wrong with a header, or None if each entry is there and of its type."""
    if not isinstance(raw, dict):
        return "is no table"
    hints = typing.get_type_hints(Header)
    for entry in fields(Header):
        if entry.name not in raw and entry.default is MISSING:
            return f'has no "{entry.name}"'
    for name, value in raw.items():
        if name not in hints:
            return f'has a "{name}", which is not known'
        if not _fits(value, hints[name]):
            return f"says {name} = {json.dumps(value)[:40]}"
    return None


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value of the header is of its type; counts and seconds are finite and not negative."""
    if hint is str:
        return isinstance(value, str)
    if hint in (int, float):
        return type(value) in (int, hint) and 0 <= value < math.inf
    if type(None) in typing.get_args(hint):
        return value is None or _is_spec(value)
    tables = isinstance(value, dict) and value.keys() == set(TABLES)
    return tables and all(isinstance(table, dict) for table in value.values())


def _is_spec(value: Any) -> bool:
    try:
        read_spec(value)
    except ValueError:
        return False
    return True


def broken(path: Path, why: str) -> Failure:
    """Return what is raised where a checkpoint cannot be used."""
    return Failure(f"the checkpoint {path} is broken ({why}); start the run anew with --overwrite")


def check_same(header: Header, run: RunSettings, path: Path) -> None:
    """Refuse a checkpoint that was made with other settings.

    Where data and encoder lie may differ; `check_content` finds out whether they are the same.

    Raises:
        UsageError: naming the first setting that differs.
    """
    tables = run.tables()
    free = {("train", name) for name in FREE}
    if header.fingerprint:
        free |= {("env", name) for name in getattr(run.env, "PLACES", ())}
    made_with = canonical_tables(header.settings)
    for name in ("env", "agent"):
        theirs, ours = made_with["train"].get(name), tables["train"][name]
        if theirs != ours:
            raise UsageError(
                f'the checkpoint in {path} was made with {name} "{theirs}", not "{ours}"; '
                f"resume it without --{name}, or start another run with another --out"
            )
    for table, ours in tables.items():
        theirs = made_with[table]
        for name in sorted(ours.keys() | theirs.keys()):
            if (table, name) in free or ours.get(name) == theirs.get(name):
                continue
            raise UsageError(
                f"the checkpoint in {path} was made with [{table}] {name} = {theirs.get(name)}, "
                f"not {ours.get(name)}; "
                "resume it without that setting, or start another run with another --out"
            )
    if header.step_count > run.train.num_steps:
        raise broken(path, f"it says that {header.step_count:,} of {run.train.num_steps:,} steps are done")


def check_content(header: Header, simulator: Simulator, path: Path) -> None:
    """Refuse a checkpoint that was made with other data or another encoder, wherever they lie.

    Raises:
        UsageError: the fingerprints differ.
    """
    ours = fingerprint_of(simulator)
    if header.fingerprint and header.fingerprint != ours:
        raise UsageError(
            f"the checkpoint in {path} was made with other data, texts or another encoder than are there now "
            f"(fingerprint {header.fingerprint}, not {ours}); bring them back, name the folder where they lie with "
            "--env.data or --encoder (--data of slatelab evaluate), or start another run with another --out"
        )


def installed_version() -> str:
    """Return the version of slatelab, or ``unknown`` where it was not installed."""
    try:
        return importlib.metadata.version("slatelab")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
