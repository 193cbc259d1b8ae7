"""Play random slates, and compare what comes of it."""

from typing import Any

import numpy as np
import pytest
import torch

from encoders import devices
from encoders.registry import load_object
from experiments.checking.comparing import copied, difference, on_host, rows_of
from experiments.checking.playing import make, slates, trajectory
from experiments.checking.small_settings import small_environment

__all__ = [
    "DEVICES",
    "assert_same",
    "copied",
    "differ",
    "make",
    "on_host",
    "rows_of",
    "skip_lockstep",
    "slates",
    "small_settings",
    "trajectory",
]

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def small_settings(simulator_path: str) -> dict[str, Any]:
    """Return the settings that make a simulator quick to build."""
    return small_environment(load_object("environment", simulator_path).Settings)


def assert_same(one: dict[str, Any], other: dict[str, Any], tolerance: float = 0.0) -> None:
    """Compare named arrays or tensors, integers exactly."""
    assert set(one) == set(other)
    for name, value in one.items():
        np.testing.assert_allclose(on_host(value), on_host(other[name]), 0, tolerance, err_msg=name)


def differ(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Tell whether two trajectories differ anywhere."""
    return any(difference(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def skip_lockstep(simulator: Any, as_tensors: bool) -> None:
    """Skip what compares streams of noise: with tensors on a GPU more is drawn, see tests/envs/test_vector.py."""
    if as_tensors and not devices.may_look(simulator.device):
        pytest.skip("in lockstep sessions begin in all rows")
