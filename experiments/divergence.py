"""Tell when learning has diverged: a number is not finite in what an agent logs, or in what it holds."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch

from agents.protocol import Agent
from envs.interface import Tensors
from experiments.tracking.metrics import STEP
from experiments.tracking.metrics_file import read_rows


def in_row(row: Mapping[str, float], user_steps: int) -> str | None:
    """Return which number of a row of metrics is not finite, in words; None if all are."""
    for name, value in row.items():
        if not math.isfinite(value):
            return f"{name} is {value} after {user_steps:,} user-steps"
    return None


def in_log(metrics: Path) -> str | None:
    """Return the first number of a metrics.csv that is not finite, in words; None if all are."""
    found = (in_row(row, int(row[STEP])) for row in read_rows(metrics))
    return next(filter(None, found), None)


def in_state(agent: Agent) -> str | None:
    """Return what an agent holds that is not a number, in words; None if it holds nothing of the kind."""
    return in_tensors(agent.state_dict())


def in_tensors(tensors: Tensors) -> str | None:
    """Return which tensor holds what is not a number, in words; None if none does."""
    for name, value in tensors.items():
        # Infinity may be meant, such as "not seen yet"; what is not a number never is.
        if value.is_floating_point() and bool(torch.isnan(value).any()):
            return f"{name} holds what is not a number"
    return None
