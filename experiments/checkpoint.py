"""A run's state in one safetensors file: no code runs when it is loaded, and it is replaced as a whole."""

import importlib.metadata
import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from encoders.cache import write_atomically
from encoders.errors import Failure, UsageError
from envs.interface import Tensors
from envs.simulator import Simulator, fingerprint_of
from experiments.names import canonical_tables
from experiments.plain import to_json
from experiments.settings import FREE, RunSettings

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
    # A copy each: safetensors refuses tensors that share memory.
    copies = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    content = safetensors.torch.save(copies, metadata={"slatelab": to_json(asdict(header))})
    write_atomically(path, content)


def load_checkpoint(path: Path) -> tuple[Tensors, Header]:
    """Read a checkpoint.

    Raises:
        Failure: it cannot be read, or is broken.
        UsageError: another version of slatelab wrote it, in another format.
    """
    return _read(path, with_tensors=True)


def read_header(path: Path) -> Header:
    """Read what a checkpoint says of itself, without its tensors.

    Raises:
        Failure: it cannot be read, or is broken.
        UsageError: another version of slatelab wrote it, in another format.
    """
    return _read(path, with_tensors=False)[1]


def _read(path: Path, with_tensors: bool) -> tuple[Tensors, Header]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            raw = json.loads((file.metadata() or {})["slatelab"])
            names = file.keys() if with_tensors else ()
            tensors = {name: file.get_tensor(name) for name in names}
    except FileNotFoundError as error:
        run = shlex.quote(str(path.parents[1]))
        raise Failure(f"there is no checkpoint {path}; finish the run with slatelab train --resume {run}") from error
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise Failure(f"the checkpoint {path} is broken ({error}); start the run anew with --overwrite") from error
    if raw.get("format") != FORMAT:
        raise UsageError(
            f"the checkpoint {path} was written by slatelab {raw.get('version')} "
            f"in format {raw.get('format')}; this version reads format {FORMAT}"
        )
    return tensors, Header(**raw)


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
        theirs, ours = made_with["train"][name], tables["train"][name]
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
