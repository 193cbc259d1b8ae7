"""The folder of a run: what it holds and how it comes into being."""

import hashlib
import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from encoders.cache import write_atomically
from encoders.errors import Failure, UsageError
from experiments.config import resolve, short_name
from experiments.locking import locked
from experiments.plain import to_json
from experiments.settings import RunSettings, TrainSettings

CONTENT = {"config.toml", "metrics.csv", "tensorboard", "checkpoint", "summary.json"}
HALF_WRITTEN = re.compile(r"\..*\.part$")
"""What a killed process leaves of a file."""
NAMELESS = {"out", "device", "checkpoint_seconds", "seed"}
"""Settings of [train] that the usual name of a run's folder does not tell apart otherwise."""


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what it makes."""

    path: Path

    @property
    def config(self) -> Path:
        """Return the path of all settings."""
        return self.path / "config.toml"

    @property
    def metrics(self) -> Path:
        """Return the path of the table of training metrics."""
        return self.path / "metrics.csv"

    @property
    def tensorboard(self) -> Path:
        """Return the folder of TensorBoard's files."""
        return self.path / "tensorboard"

    @property
    def checkpoint(self) -> Path:
        """Return the path of the last checkpoint."""
        return self.path / "checkpoint" / "state.safetensors"

    @property
    def summary(self) -> Path:
        """Return the path of the final result."""
        return self.path / "summary.json"

    @property
    def quoted(self) -> str:
        """Return the path as a command line takes it."""
        return shlex.quote(str(self.path))

    @property
    def busy(self) -> str:
        """Return the sentence for a second process that would write here."""
        return f"another slatelab is at work in {self.path}; wait until it ends, or stop it"

    def untouched(self, stranger: str) -> str:
        """Return the sentence for a folder that is no run's alone."""
        return (
            f"{self.path} holds what no run made ({stranger}), so --overwrite does not touch it; choose another --out"
        )

    def check_free(self, overwrite: bool) -> None:
        """Refuse a folder that exists, unless it may be overwritten, holds nothing but a run, and nobody works in it.

        Raises:
            UsageError: with what to do about it.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise UsageError(f"{self.path} is a file; choose another --out")
        if not any(self.path.iterdir()):
            return
        with locked(self.path, self.busy):
            pass
        if not overwrite:
            cure = f"go on with --resume {self.quoted}, " if self.config.is_file() else ""
            raise UsageError(
                f"the run folder {self.path} exists: {cure}replace it with --overwrite or name another --out"
            )
        stranger = self.stranger()
        if stranger is not None:
            raise UsageError(self.untouched(stranger))

    def entries(self) -> list[Path]:
        """Return what a run made in the folder, and what a killed process left half-written."""
        return [entry for entry in self.path.iterdir() if entry.name in CONTENT or HALF_WRITTEN.match(entry.name)]

    def stranger(self) -> str | None:
        """Return the name of something in the folder that no run made; None if it holds nothing but a run."""
        if not self.config.is_file():
            return "no config.toml"
        strangers = {entry.name for entry in self.path.iterdir()} - {entry.name for entry in self.entries()}
        return min(strangers, default=None)

    def write_config(self, run: RunSettings) -> None:
        """Write config.toml; where data lie and the run is computed may change when it goes on."""
        tables = run.tables()
        # The folder says where the run is; a copied configuration must not point back to it.
        tables["train"].pop("out")
        write_atomically(self.config, tomli_w.dumps(tables).encode())

    def check_is_run(self) -> None:
        """Refuse a folder that is no run.

        Raises:
            UsageError: there is none, or it has no config.toml.
        """
        if not self.path.is_dir():
            raise UsageError(f"there is no run folder {self.path}")
        if not self.config.is_file():
            raise UsageError(f"{self.path} is no run folder: it holds no config.toml")

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write summary.json."""
        write_atomically(self.summary, (to_json(summary, indent=2) + "\n").encode())

    def read_summary(self) -> dict[str, Any]:
        """Read summary.json.

        Raises:
            Failure: there is none yet, or it is broken.
        """
        try:
            summary: dict[str, Any] = json.loads(self.summary.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise Failure(
                f"{self.path} has no summary yet; finish it with slatelab train --resume {self.quoted}"
            ) from error
        except ValueError as error:
            raise Failure(
                f"{self.summary} is broken ({error}); make it anew with slatelab evaluate {self.quoted}"
            ) from error
        return summary


def folder_name(train: TrainSettings) -> str:
    """Return ``ENV--AGENT--seedSEED``, the usual name of a run's folder."""
    return f"{short_name(train.env)}--{short_name(train.agent)}--seed{train.seed}"


def default_folder(run: RunSettings) -> RunFolder:
    """Return where a run is kept: ``out``, else its usual name in ``runs``, with a mark of what is not as usual."""
    if run.train.out is not None:
        return RunFolder(run.train.out)
    usual = resolve({"train": {"env": run.train.env, "agent": run.train.agent}}).tables()
    unusual = {
        f"{table}.{name}": value
        for table, values in run.tables().items()
        for name, value in values.items()
        if usual[table][name] != value and (table, name) not in {("train", name) for name in NAMELESS}
    }
    digest = hashlib.sha256(json.dumps(unusual, sort_keys=True).encode()).hexdigest()[:8]
    return RunFolder(Path("runs") / (folder_name(run.train) + (f"--{digest}" if unusual else "")))


def find_runs(paths: Iterable[Path]) -> list[RunFolder]:
    """Return the runs that are, or lie in, some folders, each once.

    Raises:
        UsageError: a folder does not exist, or there is no run in it.
    """
    found: dict[Path, RunFolder] = {}
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"there is no run folder {path}")
        configs = [config.resolve() for config in sorted(path.rglob("config.toml"))]
        # Hidden is what is being made or deleted.
        runs = [RunFolder(config.parent) for config in configs if not config.parent.name.startswith(".")]
        if not runs:
            raise UsageError(f"{path} holds no run; slatelab train makes one")
        found |= {run.path: run for run in runs}
    return list(found.values())
