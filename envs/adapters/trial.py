"""A simulator is tried once on two users, so that what breaks the contract is said before anything runs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from encoders.arrays import as_tensor
from encoders.errors import UsageError
from envs.adapters import slate_info
from envs.interface import Tensors
from envs.simulator import Outcome, Simulator, Split

USERS = 2
SEED = 0x7472_6961
"""Of the trial's own stream, which no other begins with."""


class Trial(NamedTuple):
    """What two users looked like."""

    users: Tensors
    """As `sample_users` draws them."""
    told: Tensors
    """What `info` says of a step."""


def try_out(simulator: Simulator, split: Split) -> Trial:
    """Let two users begin and show each a slate; nothing global, and no stream but its own, is touched.

    Raises:
        UsageError: what a step gives has another shape or type than `Outcome` says, or lacks a declared metric.
    """
    with torch.inference_mode(False), torch.no_grad():
        generator = torch.Generator(simulator.device).manual_seed(SEED)
        users = simulator.sample_users(USERS, split, generator)
        state = simulator.start(users, simulator.start_noise(USERS, generator))
        slate_BK = torch.arange(simulator.spec.slate_size, device=simulator.device).expand(USERS, -1)
        ids_BK = simulator.candidate_ids(state).gather(1, slate_BK)
        _, outcome = simulator.step(state, slate_BK, simulator.step_noise(USERS, generator))
    _check_outcome(simulator, outcome)
    return Trial(users, slate_info.of_slates(ids_BK, outcome))


def _check_outcome(simulator: Simulator, outcome: Outcome) -> None:
    spec, name = simulator.spec, type(simulator).__name__
    missing = [metric.name for metric in simulator.METRICS if metric.name not in outcome.metrics]
    if missing:
        raise UsageError(
            f"{name}.step gives no metric {missing[0]!r}; METRICS declares it, so add it to Outcome.metrics"
        )
    response = (USERS, spec.slate_size, len(spec.response_columns))
    _check(f"{name}.step gives response", outcome.response, response, torch.float32)
    _check(f"{name}.step gives reward", outcome.reward, (USERS,), torch.float32)
    _check(f"{name}.step gives left", outcome.left, (USERS,), torch.bool)
    for metric, value in outcome.metrics.items():
        _check(f"{name}.step gives the metric {metric!r}", value, (USERS,), None)


def _check(what: str, value: Any, shape: tuple[int, ...], dtype: torch.dtype | None) -> None:
    if not isinstance(value, Tensor):
        raise UsageError(f"{what} as a {type(value).__name__}; it has to be a tensor of the shape (users, …)")
    if tuple(value.shape) != shape:
        raise UsageError(f"{what} in the shape {tuple(value.shape)} for {USERS} users; it has to be {shape}")
    if dtype is not None and value.dtype != dtype:
        cure = ".bool()" if dtype == torch.bool else ".float()"
        raise UsageError(f"{what} as {value.dtype}; it has to be {dtype}, such as {cure} makes it")


def check_users(users: Any, like: Tensors, number: int) -> Tensors:
    """Return users that were handed over as tensors like those that a simulator draws.

    Args:
        users: name to array or tensor, (number, …).
        like: some users as `sample_users` draws them.
        number: how many begin.

    Raises:
        UsageError: they are no mapping, a name is missing or unknown, or an entry has another shape or kind of number.
    """
    if not isinstance(users, Mapping):
        raise UsageError(f"users are a {type(users).__name__}; draw them with sample_users(number, seed)")
    for name in users.keys() ^ like.keys():
        fault = "lack" if name in like else "have an unknown entry"
        raise UsageError(f'users {fault} "{name}"; sample_users(number, seed) draws them, with {", ".join(like)}')
    return {name: _entry(name, users[name], value, number) for name, value in like.items()}


def _entry(name: str, given: Any, like: Tensor, number: int) -> Tensor:
    value = as_tensor(given, f'users["{name}"]')
    if value.dim() and len(value) != number:
        raise UsageError(f'users["{name}"] holds {len(value)} users, but {number} rows are reset')
    shape = (number, *like.shape[1:])
    if tuple(value.shape) != shape:
        raise UsageError(f'users["{name}"] has the shape {tuple(value.shape)}, expected {shape}')
    if not torch.can_cast(value.dtype, like.dtype):
        raise UsageError(f'users["{name}"] holds {value.dtype}, expected {like.dtype}')
    return value.to(like.device, like.dtype)
