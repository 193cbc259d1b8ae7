"""Wrappers for agents that know neither slates nor dicts, such as DQN and MlpPolicy of stable-baselines3.

The environments work unwrapped with PPO's MultiInputPolicy, which takes any slate of MultiDiscrete.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import FilterObservation, FlattenObservation
from numpy.typing import NDArray

from encoders.errors import UsageError


class SlotBySlot(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Choose a slate one slot at a time, from the top: an action is one candidate, ``Discrete(M)``.

    A slate takes K steps. The first K - 1 earn 0 and change nothing but what the wrapper adds to the observation:
    ``taken`` (M), 1 for the candidates that are in the slate already, and ``slot`` (K), one-hot, the slot that is
    chosen next. The K-th shows the slate, and its reward, response and info are the environment's; before, info says
    that nothing was shown, as at a reset. A candidate that is taken already makes an empty slot, as in any slate;
    `action_masks` excludes it.

    A discount of gamma a slate is gamma ** (1 / K) a step here.

    Args:
        env: a single environment of `envs`, such as ``gym.make("slatelab/Movies-v0")``.

    Raises:
        UsageError: it is no environment of slates.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        slates, seen = env.action_space, env.observation_space
        if not isinstance(slates, gym.spaces.MultiDiscrete) or not isinstance(seen, gym.spaces.Dict):
            raise UsageError(
                f"SlotBySlot wraps a slate environment (MultiDiscrete actions, Dict observations), not {env}; "
                "put it right around gym.make, under other wrappers"
            )
        self._slots, self._offered = len(slates.nvec), int(slates.nvec[0])
        self.action_space = gym.spaces.Discrete(self._offered)
        added = {"taken": self._offered, "slot": self._slots}
        marks = {name: gym.spaces.Box(0, 1, (size,), np.float32) for name, size in added.items()}
        self.observation_space = gym.spaces.Dict({**seen.spaces, **marks})
        self._chosen: list[int] = []
        self._observation: dict[str, Any] = {}
        self._nothing_shown: dict[str, Any] = {}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a session with an empty slate."""
        self._chosen = []
        self._observation, self._nothing_shown = self.env.reset(seed=seed, options=options)
        return self._marked(), _own(self._nothing_shown)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Put a candidate into the next slot; show the slate once it is full."""
        if not self._observation:
            raise UsageError("call reset() before step()")
        candidate = np.asarray(action)
        if candidate.shape != () or candidate.dtype.kind not in "iu" or not 0 <= candidate < self._offered:
            raise UsageError(f"the action is {action!r}; it has to be one candidate, 0 to {self._offered - 1}")
        self._chosen.append(int(candidate))
        if len(self._chosen) < self._slots:
            return self._marked(), 0.0, False, False, _own(self._nothing_shown)
        slate_K, self._chosen = np.array(self._chosen), []
        self._observation, reward, left, truncated, step_info = self.env.step(slate_K)
        return self._marked(), float(reward), left, truncated, step_info

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which candidates are not yet in the slate, (M,) bool; MaskablePPO of sb3-contrib asks for it."""
        free_M = np.ones(self._offered, dtype=bool)
        free_M[self._chosen] = False
        return free_M

    def _marked(self) -> dict[str, Any]:
        slot_K = np.zeros(self._slots, dtype=np.float32)
        slot_K[len(self._chosen)] = 1
        # Copies: who gets an observation may keep it, or write into it.
        seen = {name: value.copy() for name, value in self._observation.items()}
        return {**seen, "taken": (~self.action_masks()).astype(np.float32), "slot": slot_K}


def _own(info: dict[str, Any]) -> dict[str, Any]:
    """Return a copy whose arrays may be written into."""
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in info.items()}


def flat_floats(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Make one float32 vector of the observation, without ids, whose distances mean nothing to a network.

    Args:
        env: with a Dict observation space, such as any of ours, also under `SlotBySlot`.

    Raises:
        UsageError: the observations are no dicts.
    """
    seen = env.observation_space
    if not isinstance(seen, gym.spaces.Dict):
        raise UsageError(f"flat_floats wraps an environment with Dict observations, not {env}")
    names = [name for name, space in seen.spaces.items() if space.dtype == np.float32]
    return FlattenObservation(FilterObservation(env, names))
