"""One run of a benchmark: its settings, its files, and what tells it from others."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from envs.simulator import resolve_device
from experiments import config
from experiments.checkpoint import installed_version
from experiments.evaluation import Panel
from experiments.folder import RunFolder, folder_name
from experiments.settings import FREE, SAME_VARIANT, TABLES, RunSettings

RETURNS = "returns"
"""The folder of what was earned, user by user."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of the benchmark."""

    run: RunSettings
    out: Path
    """The benchmark's folder."""

    @property
    def name(self) -> str:
        """Return ``ENV--AGENT--seedSEED``."""
        return folder_name(self.run.train)

    @property
    def title(self) -> str:
        """Return its name for people."""
        train = self.run.train
        return f"{config.short_name(train.env)} · {train.agent} · seed {train.seed}"

    @property
    def folder(self) -> RunFolder:
        """Return the run's folder."""
        return RunFolder(self.out / self.name)

    @property
    def record(self) -> Path:
        """Return the path of what it earned."""
        return self.out / RETURNS / f"{self.name}.safetensors"

    @property
    def baselines(self) -> Path:
        """Return the path of what the baselines of its environment earned."""
        return self.out / RETURNS / f"{config.short_name(self.run.train.env)}--baselines.safetensors"

    @property
    def panel(self) -> Panel:
        """Return who is met at evaluation."""
        return Panel(users=self.run.train.eval_users)

    @cached_property
    def panel_key(self) -> str:
        """Return what names the panel: two policies may be compared only if it is the same."""
        train, version = self.run.train, installed_version()
        panel = dataclasses.astuple(self.panel)
        return _hash([train.env, self.run.tables()["env"], panel, resolve_device(train.device).type, version])

    @cached_property
    def variant(self) -> str:
        """Return what names the settings, which the seeds of an agent share."""
        return _hash(_without(self.run.tables(), SAME_VARIANT))

    def about(self) -> dict[str, Any]:
        """Return what a record, or a note in its place, says of the cell."""
        train = self.run.train
        return {
            **{"env": train.env, "agent": train.agent, "seed": train.seed, "settings": self.variant},
            **{"panel": self.panel_key, "users": train.eval_users, "version": installed_version()},
        }


def first_difference(theirs: config.Tables, ours: config.Tables, tables: Sequence[str] = TABLES) -> str | None:
    """Return the first setting in which two runs differ, as `[table] name = theirs, not ours`, or None."""
    for table in tables:
        their_table, our_table = (_without(run, FREE).get(table, {}) for run in (theirs, ours))
        for name in sorted(their_table.keys() | our_table.keys()):
            their, our = (found.get(name, "unset") for found in (their_table, our_table))
            if their != our:
                return f"[{table}] {name} = {their}, not {our}"
    return None


def _without(tables: config.Tables, names: set[str]) -> dict[str, dict[str, Any]]:
    """Return tables without some settings of [train]."""
    kept = {name: value for name, value in tables.get("train", {}).items() if name not in names}
    return {**{name: dict(table) for name, table in tables.items()}, "train": kept}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
