"""Show random slates to users of a simulator."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from envs.interface import Tensors
from envs.ownership import choose_rows
from envs.simulator import State
from envs.slates import random_slate
from envs.streams import Stream
from envs.vector import SlateVectorEnv
from experiments.checking.comparing import copied


class Scene(NamedTuple):
    """All that a step depends on."""

    state: State
    slate: Tensor
    """(B, K) int64."""
    noise: Tensors


def make(simulator: Any, num_envs: int = 4, **options: Any) -> SlateVectorEnv:
    """Return a vector environment over a simulator that is built already."""
    return SlateVectorEnv(simulator, num_envs, **options)


def slates(env: SlateVectorEnv, steps: int, seed: int = 0) -> Iterator[Tensor]:
    """Yield random slates for every user."""
    spec, generator = env.simulator.spec, torch.Generator().manual_seed(seed)
    for _ in range(steps):
        yield random_slate(env.num_envs, spec.num_candidates, spec.slate_size, generator)


def stream(simulator: Any, seed: int = 0) -> Stream:
    """Return a random stream on the simulator's device, as an environment has it."""
    return Stream(simulator.device).manual_seed(seed)


def scenes(simulator: Any, users: int = 4, steps: int = 4, seed: int = 0) -> Iterator[Scene]:
    """Yield what the steps of some users depend on, and take them; who leaves is followed by another."""
    spec, generator = simulator.spec, stream(simulator, seed)

    def begin() -> State:
        drawn = simulator.sample_users(users, "train", generator)
        begun: State = simulator.start(drawn, simulator.start_noise(users, generator))
        return begun

    state = begin()
    for _ in range(steps):
        slate_BK = random_slate(users, spec.num_candidates, spec.slate_size, generator)
        scene = Scene(state, slate_BK, simulator.step_noise(users, generator))
        yield scene
        state, outcome = simulator.step(*scene)
        state = choose_rows(outcome.left, begin(), state)


def trajectory(env: Any, seed: int | None, steps: int = 6) -> list[dict[str, Any]]:
    """Return reset and steps as named arrays, copied."""
    observation, _ = env.reset(seed=seed)
    seen = [copied(observation)]
    for slate_BK in slates(env, steps):
        observation, reward, left, truncated, _ = env.step(slate_BK.numpy())
        seen.append(copied(observation) | {"reward": reward, "left": left, "truncated": truncated})
    return seen
