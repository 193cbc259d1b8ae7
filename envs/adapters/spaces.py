"""Gymnasium's spaces of what one user of a simulator sees, and of what is shown to them."""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from envs.interface import Bound
from envs.simulator import Simulator


def observation_space(simulator: Simulator) -> gym.spaces.Dict:
    """Return the flat Dict space of one user's observation."""
    spec = simulator.spec
    spaces: dict[str, gym.Space[Any]] = {}
    for name, shape in spec.shapes.items():
        if name == "candidate_ids":
            spaces[name] = gym.spaces.Box(0, spec.num_items - 1, shape, np.int64)
        else:
            low, high = (_filled(bound, shape) for bound in spec.bounds.get(name, (-np.inf, np.inf)))
            if np.array_equal(low, high):
                # What never differs, such as the popularity of items that are all alike: Gymnasium warns of one point.
                low, high = (_filled(bound, shape) for bound in (-np.inf, np.inf))
            if name == "response":
                low[:, 0], high[:, 0] = 0, 1
            spaces[name] = gym.spaces.Box(low, high, shape, np.float32)
    return gym.spaces.Dict(spaces)


def _filled(bound: Bound, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a bound for every number of an entry; what has none has the largest float there is, as it is finite."""
    limit = np.finfo(np.float32).max
    filled: NDArray[np.float32] = np.clip(np.broadcast_to(bound, shape), -limit, limit).astype(np.float32)
    return filled


def action_space(simulator: Simulator) -> gym.spaces.MultiDiscrete:
    """Return the space of one slate: K positions below M."""
    spec = simulator.spec
    return gym.spaces.MultiDiscrete(np.full(spec.slate_size, spec.num_candidates))
