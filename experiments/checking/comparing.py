"""Copies of named tensors, what differs between two, and whether global random numbers were touched."""

import copy
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def copied(named: Mapping[str, Any]) -> dict[str, Any]:
    """Return a deep copy of named arrays or tensors."""
    return {name: copy.deepcopy(value) for name, value in named.items()}


def on_host(value: Any) -> Any:
    """Return an array or tensor as an array."""
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def difference(one: Mapping[str, Any], other: Mapping[str, Any], tolerance: float = 0.0) -> str:
    """Return the first name that only one has, or whose values differ; an empty string if none does.

    Args:
        one: named arrays or tensors.
        other: what they are compared with.
        tolerance: by how much numbers may differ; two that are not numbers are the same.
    """
    for name in (*one, *other):
        if name not in one or name not in other:
            return name
        mine, theirs = on_host(one[name]), on_host(other[name])
        if mine.shape != theirs.shape:
            return name
        if not np.allclose(mine, theirs, 0, tolerance, equal_nan=True):
            return name
    return ""


def rows_of(tensors: Mapping[str, Tensor], row: int) -> dict[str, Tensor]:
    """Return a batch of one."""
    return {name: value[row : row + 1] for name, value in tensors.items()}


def global_numbers_used(act: Callable[[], Any]) -> str:
    """Return whose global random numbers a function draws or seeds: ``torch``, ``numpy``, ``random``; or nothing."""
    before = _global_states()
    # From states that no seed leads to: a function that seeds them as they are is noticed too.
    torch.rand(3)
    np.random.random(3)  # noqa: NPY002 (the global numbers are what is watched)
    random.random()
    begun = _global_states()
    try:
        act()
        return next((name for name, state in _global_states().items() if state != begun[name]), "")
    finally:
        _restore(before)


def _global_states() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return {
        "torch": tuple(bytes(state.numpy()) for state in _torch_states()),
        "numpy": (name, bytes(np.asarray(keys)), *rest),
        "random": random.getstate(),
    }


def _torch_states() -> list[Tensor]:
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return [torch.get_rng_state(), *devices]


def _restore(states: dict[str, Any]) -> None:
    cpu, *devices = (torch.frombuffer(bytearray(state), dtype=torch.uint8) for state in states["torch"])
    torch.set_rng_state(cpu)
    if devices:
        torch.cuda.set_rng_state_all(devices)
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, np.frombuffer(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    random.setstate(states["random"])
