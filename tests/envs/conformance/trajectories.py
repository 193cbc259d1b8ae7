"""Play random slates, and compare what comes of it."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from encoders import devices
from envs.slates import random_slate
from envs.vector import SlateVectorEnv

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def make(simulator: Any, num_envs: int = 4, **options: Any) -> SlateVectorEnv:
    """Return a vector environment over a simulator that is built already."""
    return SlateVectorEnv(simulator, num_envs, **options)


def slates(env: SlateVectorEnv, steps: int, seed: int = 0) -> Iterator[Tensor]:
    """Yield random slates for every user."""
    spec, generator = env.simulator.spec, torch.Generator().manual_seed(seed)
    for _ in range(steps):
        yield random_slate(env.num_envs, spec.num_candidates, spec.slate_size, generator)


def copied(observation: dict[str, Any]) -> dict[str, Any]:
    """Return a deep copy of named arrays or tensors."""
    return {name: copy.deepcopy(value) for name, value in observation.items()}


def trajectory(env: Any, seed: int | None, steps: int = 6) -> list[dict[str, Any]]:
    """Return reset and steps as named arrays, copied."""
    observation, _ = env.reset(seed=seed)
    seen = [copied(observation)]
    for slate_BK in slates(env, steps):
        observation, reward, left, truncated, _ = env.step(slate_BK.numpy())
        seen.append(copied(observation) | {"reward": reward, "left": left, "truncated": truncated})
    return seen


def on_host(value: Any) -> Any:
    """Return an array or tensor as an array."""
    return value.cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def assert_same(one: dict[str, Any], other: dict[str, Any], tolerance: float = 0.0) -> None:
    """Compare named arrays or tensors, integers exactly."""
    assert set(one) == set(other)
    for name, value in one.items():
        np.testing.assert_allclose(on_host(value), on_host(other[name]), 0, tolerance, err_msg=name)


def differ(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Tell whether two trajectories differ anywhere."""
    return any(not np.array_equal(value, b[name]) for a, b in zip(one, other, strict=True) for name, value in a.items())


def rows_of(tensors: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    """Return a batch of one."""
    return {name: value[row : row + 1] for name, value in tensors.items()}


def skip_lockstep(simulator: Any, as_tensors: bool) -> None:
    """Skip what compares streams of noise: with tensors on a GPU more is drawn, see tests/envs/test_vector.py."""
    if as_tensors and not devices.may_look(simulator.device):
        pytest.skip("in lockstep sessions begin in all rows")
