"""Finished runs, gathered by what may be compared."""

import csv
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.errors import Failure
from experiments import config
from experiments.building import MYOPIC_TWIN
from experiments.evaluation import Evaluation
from experiments.folder import RunFolder
from experiments.statistics import Estimate
from experiments.tracking.metrics import STEP
from experiments.tracking.monitor import RETURN

SAME = 1e-9
"""Two runs met one panel where their baselines differ by no more."""
UNTOLD = {
    f"train.{name}" for name in ("env", "agent", "seed", "device", "eval_users", "log_every", "checkpoint_seconds")
}
"""Settings in which two runs of one variant of an agent may differ."""
Policies = Mapping[str, Mapping[str, Estimate]]


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """What a run folder says."""

    name: str
    """Its path, relative to where the report was asked for."""
    env: str
    agent: str
    seed: int
    user_steps: int
    train_seconds: float
    steps_per_second: float | None
    """User-steps per second of learning; None where nothing was learnt."""
    settings: Mapping[str, Any]
    """All settings, such as ``agent.discount``."""
    result: Evaluation
    curve: Mapping[int, float]
    """User-steps to the mean return of the training sessions that ended lately."""

    @property
    def baselines(self) -> Policies:
        """Return the policies that no training changes: neither the agent nor its myopic companion."""
        learnt = (self.agent, MYOPIC_TWIN)
        return {name: estimates for name, estimates in self.result.policies.items() if name not in learnt}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs in one environment whose baselines met the same users."""

    title: str
    """The environment, and which panel where its runs met several."""
    runs: Sequence[FinishedRun]

    @property
    def baselines(self) -> Policies:
        """Return what all runs share; a baseline that was itself trained as an agent counts as the agent."""
        agents = {run.agent for run in self.runs}
        shared = {name: estimates for run in self.runs for name, estimates in run.baselines.items()}
        return {name: estimates for name, estimates in shared.items() if name not in agents}

    @property
    def users(self) -> int:
        """Return how many test users were met."""
        return max(run.result.policies[run.agent]["return"].n for run in self.runs)

    def variants(self) -> dict[str, list[FinishedRun]]:
        """Return the runs that differ in nothing but the seed, under the agent and what sets them apart."""
        variants: dict[str, list[FinishedRun]] = {}
        for run in self.runs:
            peers = [other.settings for other in self.runs if other.agent == run.agent]
            names = sorted({name for settings in peers for name in settings} - UNTOLD)
            differing = [name for name in names if any(peer.get(name) != peers[0].get(name) for peer in peers)]
            told = ", ".join(f"{name.partition('.')[2]} {run.settings.get(name, 'unset')}" for name in differing)
            variants.setdefault(f"{run.agent} ({told})" if told else run.agent, []).append(run)
        return {label: sorted(runs, key=lambda run: run.seed) for label, runs in variants.items()}


def read_runs(folders: Iterable[Path]) -> tuple[list[FinishedRun], list[str]]:
    """Read run folders.

    Returns:
        The finished runs, and the names of those without a summary.

    Raises:
        Failure: a summary is broken.
    """
    finished, unfinished = [], []
    for folder in map(RunFolder, folders):
        if folder.summary.is_file():
            finished.append(read_run(folder))
        else:
            unfinished.append(relative(folder.path))
    return finished, unfinished


def read_run(folder: RunFolder) -> FinishedRun:
    """Read a finished run.

    Raises:
        Failure: its summary is broken.
    """
    summary = folder.read_summary()
    try:
        tables = {
            part: {
                policy: {name: Estimate(**estimate) for name, estimate in estimates.items()}
                for policy, estimates in summary[part].items()
            }
            for part in ("policies", "paired")
        }
        result = Evaluation(agent=summary["agent"], policies=tables["policies"], paired=tables["paired"])
        for estimates in (result.policies[result.agent], *result.policies.values()):
            _ = estimates["return"], estimates["length"], estimates["ctr"]
        numbers = {name: summary[name] for name in ("seed", "user_steps", "train_seconds", "steps_per_second")}
        env = summary["env"]
    except (KeyError, TypeError, AttributeError) as error:
        raise Failure(
            f"{folder.summary} is broken ({type(error).__name__}: {error}); make it anew with slatelab evaluate"
        ) from error
    return FinishedRun(
        name=relative(folder.path),
        env=env,
        agent=result.agent,
        settings=dict(_flat(config.read_tables(folder.config))),
        result=result,
        curve=_read_curve(folder.metrics),
        **numbers,
    )


def compare(runs: Iterable[FinishedRun]) -> list[Comparison]:
    """Gather the runs whose numbers may be compared: of one environment, with equal baselines."""
    panels: dict[str, list[list[FinishedRun]]] = {}
    for run in sorted(runs, key=lambda run: (run.env, run.agent, run.seed, run.name)):
        known = panels.setdefault(run.env, [])
        same = next((panel for panel in known if all(_same_panel(run, other) for other in panel)), None)
        if same is None:
            known.append([run])
        else:
            same.append(run)
    return [
        Comparison(title=env if len(found) == 1 else f"{env}, panel {number} of {len(found)}", runs=panel)
        for env, found in panels.items()
        for number, panel in enumerate(found, start=1)
    ]


def relative(path: Path) -> str:
    """Return a path relative to the working folder."""
    return Path(os.path.relpath(path)).as_posix()


def _same_panel(first: FinishedRun, second: FinishedRun) -> bool:
    return all(
        math.isclose(ours, theirs, rel_tol=0, abs_tol=SAME)
        for name in first.baselines.keys() & second.baselines.keys()
        for metric in ("return", "length", "ctr")
        for ours, theirs in zip(
            _numbers(first.baselines[name][metric]), _numbers(second.baselines[name][metric]), strict=True
        )
    )


def _numbers(estimate: Estimate) -> list[float]:
    return [math.inf if number is None else number for number in estimate]


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _read_curve(path: Path) -> dict[int, float]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        # A row in which no session ended has an empty cell.
        return {int(row[STEP]): float(row[RETURN]) for row in csv.DictReader(file) if row.get(RETURN)}
