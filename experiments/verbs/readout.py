"""``slatelab readout``."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

if TYPE_CHECKING:
    from rich.table import Table

    from envs.text.readout import Explained

DOMAINS = ("slatelab/Movies-v0", "slatelab/Shop-v0", "slatelab/News-v0", "slatelab/Feed-v0")
READERS = ("random", "tiny", "tfidf", "minilm", "world")


@dataclass(frozen=True, kw_only=True)
class ReadoutFlags:
    """Say how much of a hidden world the texts of its items tell, as each encoder reads them.

    A ridge regression reads the world's vectors, and each attribute planted in the items, out of the texts' vectors; R²
    is of items held out, in five folds. In brackets: out of the principal components that the environment shows.
    """

    envs: tuple[str, ...] = DOMAINS
    """Environments over texts, each an id or module:Id of your own."""
    encoders: tuple[str, ...] = READERS
    """Encoders, each a name, a local folder or a hub name; world is the world's own vectors, a ceiling."""
    data: Path | None = None
    """Folder of your own ratings, for slatelab/Ratings-v0."""
    device: str = "auto"
    """Torch device."""
    out: Path | None = None
    """File for the figures, as JSON."""


def main(arguments: Sequence[str]) -> int:
    """Print a table for each environment; write the figures if asked to."""
    flags = tyro.cli(ReadoutFlags, prog="slatelab readout", args=list(arguments))
    return _readout(flags, shlex.join(["slatelab", "readout", *arguments]))


def _readout(flags: ReadoutFlags, command: str) -> int:
    from encoders.files import write_atomically
    from experiments.names import canonical_encoder
    from experiments.plain import to_json
    from experiments.progress import log_to_stderr, say
    from experiments.verbs.terminal import console

    log_to_stderr()
    out, figures = console(), {}
    for env, cls in _domains(flags.envs).items():
        found = {}
        for encoder in map(canonical_encoder, flags.encoders):
            say(f"{env}: {encoder} …")
            found[encoder] = _explained(cls, encoder, flags)
        figures[env] = {
            encoder: {name: asdict(share) for name, share in shares.items()} for encoder, shares in found.items()
        }
        out.print(_table(env, found))
    if flags.out is not None:
        write_atomically(flags.out, (to_json({"command": command, "r2": figures}, indent=2) + "\n").encode())
        print(f"{flags.out} has the figures")
    return 0


def _domains(envs: Sequence[str]) -> dict[str, Any]:
    """Return the classes of text domains, by id; refuse what is none."""
    from encoders.errors import UsageError
    from envs.text.domain import TextDomain
    from experiments.config import simulator_class
    from experiments.names import canonical_env

    found = {env: simulator_class(env) for env in map(canonical_env, envs)}
    for env, cls in found.items():
        if not (isinstance(cls, type) and issubclass(cls, TextDomain)):
            raise UsageError(f"{env} has no texts that an encoder could read; name text domains, such as Movies-v0")
    return found


def _explained(cls: Any, encoder: str, flags: ReadoutFlags) -> "Mapping[str, Explained]":
    from envs.text.readout import explained
    from experiments.config import build

    asked = {"encoder": encoder}
    if flags.data is not None and hasattr(cls.Settings, "data"):
        asked["data"] = str(flags.data)
    return explained(cls(build(cls.Settings, "env", {"env": asked}), device=flags.device))


def _table(env: str, found: Mapping[str, Mapping[str, "Explained"]]) -> "Table":
    from rich import box
    from rich.table import Table

    from experiments.report.numbers import two_decimals

    table = Table(title=f"{env}: held-out R²", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("what is hidden", overflow="fold")
    for encoder in found:
        table.add_column(encoder, justify="right", overflow="fold")
    for name in next(iter(found.values()), {}):
        shares = [found[encoder][name] for encoder in found]
        table.add_row(name, *(f"{two_decimals(each.texts)} ({two_decimals(each.view)})" for each in shares))
    return table
