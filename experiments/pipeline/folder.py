"""The folder of a pipeline: what it was made with, and where its stages lie."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.errors import UsageError
from encoders.files import sweep_parts, write_atomically
from experiments.plain import to_json

CONTENT = ("settings.json", "stages", "models", "tensorboard", "ladder.json", "ladder.md")


@dataclass(frozen=True)
class PipelineFolder:
    """Where a pipeline keeps what it makes."""

    path: Path

    @property
    def made_with(self) -> Path:
        """Return the path of what all stages were made with."""
        return self.path / "settings.json"

    @property
    def tensorboard(self) -> Path:
        """Return the folder of TensorBoard's files."""
        return self.path / "tensorboard"

    @property
    def ladder(self) -> Path:
        """Return the path of the ladder, for machines."""
        return self.path / "ladder.json"

    @property
    def page(self) -> Path:
        """Return the path of the ladder, for people."""
        return self.path / "ladder.md"

    def result(self, scenario: str, rung: str) -> Path:
        """Return the path of what a rung did."""
        return self.path / "stages" / scenario / f"{rung}.safetensors"

    def models(self, scenario: str, rung: str) -> Path:
        """Return the folder of what a rung learnt."""
        return self.path / "models" / scenario / rung

    def claim(self, made_with: Mapping[str, Any], overwrite: bool) -> None:
        """Take the folder for stages that are made with something; clear away other ones if that is asked for.

        Raises:
            UsageError: it holds stages that were made with something else.
        """
        former = self._former()
        if former != {}:
            differs = f"no {self.made_with.name}" if former is None else first_difference(former, made_with)
            if differs is not None and not overwrite:
                raise UsageError(
                    f"the stages in {self.path} were made with {differs}; replace them with --overwrite, or name "
                    "another --out"
                )
            if differs is not None:
                self._clear()
        sweep_parts(self.path)
        write_atomically(self.made_with, (to_json(made_with, indent=2) + "\n").encode())

    def _former(self) -> dict[str, Any] | None:
        """Return what the stages there were made with; empty where there are none, None where nothing tells."""
        if not any((self.path / name).exists() for name in CONTENT):
            return {}
        try:
            former = json.loads(self.made_with.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return former if isinstance(former, dict) and former else None

    def _clear(self) -> None:
        for name in CONTENT:
            path = self.path / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def first_difference(former: Mapping[str, Any], now: Mapping[str, Any], place: str = "") -> str | None:
    """Return the first value that differs, in words; None where all are equal."""
    plain: Mapping[str, Any] = json.loads(to_json(now))
    for name in sorted({*former, *plain}):
        before, after = former.get(name), plain.get(name)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            return first_difference(before, after, f"{place}{name}.")
        return f"{place}{name} {json.dumps(before)}, not {json.dumps(after)}"
    return None
