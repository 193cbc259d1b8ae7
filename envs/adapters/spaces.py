"""Gymnasium's spaces of what one user of a simulator sees, and of what is shown to them."""

from typing import Any

import gymnasium as gym
import numpy as np

from envs.simulator import Simulator


def observation_space(simulator: Simulator) -> gym.spaces.Dict:
    """Return the flat Dict space of one user's observation."""
    spec = simulator.spec
    spaces: dict[str, gym.Space[Any]] = {}
    for name, shape in spec.shapes.items():
        if name == "candidate_ids":
            spaces[name] = gym.spaces.Box(0, spec.num_items - 1, shape, np.int64)
        else:
            limit = np.finfo(np.float32).max
            spaces[name] = gym.spaces.Box(-limit, limit, shape, np.float32)
    return gym.spaces.Dict(spaces)


def action_space(simulator: Simulator) -> gym.spaces.MultiDiscrete:
    """Return the space of one slate: K positions below M."""
    spec = simulator.spec
    return gym.spaces.MultiDiscrete(np.full(spec.slate_size, spec.num_candidates))
