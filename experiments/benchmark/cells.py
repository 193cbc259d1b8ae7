"""One run of a benchmark: its settings, its files, and what tells it from others."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence, Set
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
    content: str = ""
    """The fingerprint of what the environment's settings only name, see `envs.simulator.fingerprint_of`."""

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

    @property
    def places(self) -> frozenset[str]:
        """Return the settings of the environment that say where something lies, if the content is known by itself."""
        return frozenset(getattr(self.run.env, "PLACES", ())) if self.content else frozenset()

    @cached_property
    def kernel_key(self) -> str:
        """Return what names the simulator within one command."""
        return _hash([self.run.train.env, self.run.tables()["env"], str(resolve_device(self.run.train.device))])

    @cached_property
    def panel_key(self) -> str:
        """Return what names the panel: two policies may be compared only if it is the same."""
        train, env = self.run.train, _without(self.run.tables(), set(), self.places)["env"]
        panel, device = dataclasses.astuple(self.panel), resolve_device(train.device).type
        return _hash([train.env, env, self.content, panel, device, installed_version()])

    @cached_property
    def variant(self) -> str:
        """Return what names the settings, which the seeds of an agent share."""
        return _hash([_without(self.run.tables(), SAME_VARIANT, self.places), self.content])

    def about(self) -> dict[str, Any]:
        """Return what a record, or a note in its place, says of the cell."""
        train = self.run.train
        return {
            **{"env": train.env, "agent": train.agent, "seed": train.seed, "settings": self.variant},
            **{"panel": self.panel_key, "content": self.content, "users": train.eval_users},
            "version": installed_version(),
        }


def first_difference(
    theirs: config.Tables, ours: config.Tables, tables: Sequence[str] = TABLES, places: Set[str] = frozenset()
) -> str | None:
    """Return the first setting in which two runs differ, as `[table] name = theirs, not ours`, or None.

    Args:
        theirs: settings of one run.
        ours: settings of the other.
        tables: that are looked at.
        places: settings of [env] that may differ.
    """
    for table in tables:
        their_table, our_table = (_without(run, FREE, places).get(table, {}) for run in (theirs, ours))
        for name in sorted(their_table.keys() | our_table.keys()):
            their, our = (found.get(name, "unset") for found in (their_table, our_table))
            if their != our:
                return f"[{table}] {name} = {their}, not {our}"
    return None


def _without(tables: config.Tables, names: Set[str], places: Set[str]) -> dict[str, dict[str, Any]]:
    """Return tables without some settings of [train], and some of [env]."""
    left_out = {"train": names, "env": places}
    return {
        table: {name: value for name, value in tables.get(table, {}).items() if name not in left_out.get(table, ())}
        for table in TABLES
    }


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
