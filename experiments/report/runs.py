"""What the folder of a finished run says."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.errors import Failure
from experiments import config
from experiments.building import MYOPIC_TWIN
from experiments.evaluation import Evaluation
from experiments.folder import RunFolder
from experiments.names import canonical_env
from experiments.sessions import SAMPLED
from experiments.statistics import Estimate, read_estimate
from experiments.tracking.metrics import STEP
from experiments.tracking.metrics_file import read_rows
from experiments.tracking.monitor import RETURN

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
    def encoder(self) -> str:
        """Return what reads the texts of its environment; nothing where there are none."""
        return str(self.settings.get("env.encoder", ""))

    @property
    def baselines(self) -> Policies:
        """Return the policies that no training changes: neither the agent, however it shows slates, nor its twin."""
        learnt = (self.agent, self.agent + SAMPLED, MYOPIC_TWIN)
        return {name: estimates for name, estimates in self.result.policies.items() if name not in learnt}


def read_runs(folders: Iterable[RunFolder]) -> tuple[list[FinishedRun], list[str]]:
    """Read run folders.

    Returns:
        The finished runs, and the names of those without a summary.

    Raises:
        Failure: a summary is broken.
    """
    finished, unfinished = [], []
    for folder in folders:
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
            kind: {
                policy: {name: read_estimate(estimate) for name, estimate in estimates.items()}
                for policy, estimates in summary[kind].items()
            }
            for kind in ("policies", "paired")
        }
        diverged = dict(summary.get("diverged", {}))
        result = Evaluation(agent=summary["agent"], clusters=summary.get("clusters"), diverged=diverged, **tables)
        for estimates in (result.policies[result.agent], *result.policies.values()):
            _ = estimates["return"], estimates["length"], estimates["ctr"]
        numbers = {name: summary[name] for name in ("seed", "user_steps", "train_seconds", "steps_per_second")}
        env = canonical_env(summary["env"])
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


def relative(path: Path) -> str:
    """Return a path relative to the working folder."""
    return Path(os.path.relpath(path)).as_posix()


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _read_curve(path: Path) -> dict[int, float]:
    return {int(row[STEP]): row[RETURN] for row in read_rows(path) if math.isfinite(row.get(RETURN, math.nan))}
