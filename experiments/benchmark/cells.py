"""One run of a benchmark: its settings, its files, and what tells it from others."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from envs.simulator import resolve_device
from experiments import config
from experiments.checkpoint import installed_version
from experiments.evaluation import Panel
from experiments.folder import RunFolder
from experiments.settings import FREE, SAME_VARIANT, TABLES, RunSettings

RETURNS = "returns"
"""The folder of what was earned, user by user."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of the benchmark."""

    run: RunSettings
    out: Path
    """The benchmark's folder."""
    encoder: str = ""
    """What the encoder is called in names of files, where it is another than the environment's own."""
    content: str = ""
    """The fingerprint of what the environment's settings only name, see `envs.simulator.fingerprint_of`."""

    @property
    def name(self) -> str:
        """Return ``ENV--AGENT--seedSEED``, with another encoder than usual ``ENV--ENCODER--AGENT--seedSEED``."""
        train = self.run.train
        return f"{self.arena}--{config.short_name(train.agent)}--seed{train.seed}"

    @property
    def arena(self) -> str:
        """Return what is called after the environment, and the encoder that it is seen through."""
        env = config.short_name(self.run.train.env)
        return f"{env}--{self.encoder}" if self.encoder else env

    @property
    def title(self) -> str:
        """Return its name for people."""
        train = self.run.train
        return f"{self.arena.replace('--', ' · ')} · {train.agent} · seed {train.seed}"

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
        return self.out / RETURNS / f"{self.arena}--baselines.safetensors"

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
            # (Records of the environment's own encoder are as they were before there was a choice.)
            **({"encoder": self.encoder} if self.encoder else {}),
        }


def encoder_name(encoder: str) -> str:
    """Return what an encoder is called, fit for a file: of a folder its last name."""
    return Path(encoder).name if Path(encoder).is_absolute() else config.short_name(encoder)


def encoder_in_name(name: str, train: Mapping[str, Any]) -> str:
    """Return what a cell's name says of the encoder, nothing for the environment's own."""
    before, after = f"{config.short_name(train['env'])}--", f"{config.short_name(train['agent'])}--seed{train['seed']}"
    return name.removeprefix(before).removesuffix(after).removesuffix("--") if name.endswith(f"--{after}") else ""


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
