"""The folder of a run: what it holds and how it comes into being."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from encoders.cache import write_atomically
from encoders.errors import Failure, UsageError
from experiments.config import short_name
from experiments.settings import RunSettings, TrainSettings

CONTENT = {"config.toml", "metrics.csv", "tensorboard", "checkpoint", "summary.json"}


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

    def check_free(self, overwrite: bool) -> None:
        """Refuse a folder that exists, unless it may be overwritten and holds nothing but a run.

        Raises:
            UsageError: with what to do about it.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise UsageError(f"{self.path} is a file; choose another --out")
        names = {entry.name for entry in self.path.iterdir()} - {leftover.name for leftover in self.leftovers()}
        if not names:
            return
        if not overwrite:
            cure = f"go on with --resume {self.path}, " if "config.toml" in names else ""
            raise UsageError(
                f"the run folder {self.path} exists: {cure}replace it with --overwrite or name another --out"
            )
        if "config.toml" not in names or names - CONTENT:
            stranger = min(names - CONTENT, default="and no config.toml")
            raise UsageError(
                f"{self.path} holds what no run made ({stranger}), "
                "so --overwrite does not touch it; choose another --out"
            )

    def leftovers(self) -> list[Path]:
        """Return the files that a killed process left half-written."""
        return list(self.path.rglob(".*.part"))

    def create(self, run: RunSettings) -> None:
        """Make the folder anew with its config.toml; what a former run left in it is removed."""
        if self.path.exists():
            shutil.rmtree(self.path)
        self.write_config(run)

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
        write_atomically(self.summary, (json.dumps(summary, indent=2) + "\n").encode())

    def read_summary(self) -> dict[str, Any]:
        """Read summary.json.

        Raises:
            Failure: there is none yet, or it is broken.
        """
        try:
            summary: dict[str, Any] = json.loads(self.summary.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise Failure(f"{self.path} has no summary yet; finish it with slatelab train --resume") from error
        except ValueError as error:
            raise Failure(f"{self.summary} is broken ({error}); make it anew with slatelab evaluate") from error
        return summary


def folder_name(train: TrainSettings) -> str:
    """Return ``ENV--AGENT--seedSEED``, the usual name of a run's folder."""
    return f"{short_name(train.env)}--{short_name(train.agent)}--seed{train.seed}"


def default_folder(train: TrainSettings) -> RunFolder:
    """Return where a run is kept: ``out``, else its usual name in ``runs``."""
    return RunFolder(train.out or Path("runs") / folder_name(train))


def find_runs(paths: Iterable[Path]) -> list[RunFolder]:
    """Return the runs that are, or lie in, some folders, each once.

    Raises:
        UsageError: a folder does not exist, or there is no run in it.
    """
    found: dict[Path, RunFolder] = {}
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"there is no run folder {path}")
        runs = [RunFolder(config.parent.resolve()) for config in sorted(path.rglob("config.toml"))]
        if not runs:
            raise UsageError(f"{path} holds no run; slatelab train makes one")
        found |= {run.path: run for run in runs}
    return list(found.values())
