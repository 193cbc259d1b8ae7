"""A simulator behind Gymnasium's single interface: a batch of one."""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from encoders.arrays import as_tensor
from encoders.errors import UsageError
from envs.adapters.limits import with_limit
from envs.adapters.rendering import RENDERING, Seen, render, scenes
from envs.interface import Tensors
from envs.simulator import Simulator, Split
from envs.vector import SlateVectorEnv


class SlateEnv(gym.Env[Any, Any]):
    """One user at a time; the same numbers as a `SlateVectorEnv` of one, and the same `info`.

    Args:
        simulator: the kernel.
        split: whose users are drawn at a reset.
        render_mode: how `render` shows the last slate: ``human`` prints it at every step, ``ansi`` returns it as text,
            ``rgb_array`` as a picture; or None.
    """

    metadata: dict[str, Any] = RENDERING

    def __init__(self, simulator: Simulator, *, split: Split = "train", render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.vector = SlateVectorEnv(simulator, 1, split=split, autoreset_mode=AutoresetMode.DISABLED)
        self.observation_space = self.vector.single_observation_space
        self.action_space = self.vector.single_action_space
        self._shape = self.action_space.shape
        self._seen: Seen | None = None
        self._spec: EnvSpec | None = None

    @property
    def spec(self) -> EnvSpec | None:
        """Return how Gymnasium makes this environment, with its time limit."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = with_limit(spec, self.vector.time_limit)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a session; ``options={"users": users}`` says with whom."""
        with torch.inference_mode():
            observation, told = self.vector.reset(seed=seed, options=options)
        super().reset(seed=None if seed is None else int(seed))
        info = {name: value[0] if value.ndim > 1 else value[0].item() for name, value in told.items()}
        if self.render_mode is not None:
            self._look(info, 0.0, False, False)
        return {name: value[0] for name, value in observation.items()}, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Show one slate of K positions."""
        slate_K = as_tensor(action, "the slate (slots,)")
        if slate_K.shape != self._shape:
            raise UsageError(f"the slate has shape {tuple(slate_K.shape)}, expected (slots,) = {self._shape}")
        vector = self.vector
        with torch.inference_mode():
            ids_BK, outcome, _ = vector.show(slate_K[None])
            assert vector.state is not None
            observation = _arrays(vector.simulator.observe(vector.state))
            info = _arrays({"response": outcome.response, "slate_ids": ids_BK})
            info |= {name: value.item() for name, value in outcome.metrics.items()}
        info["titles"] = vector.title_table[info["slate_ids"]]
        left, reward = bool(outcome.left), float(outcome.reward)
        truncated = int(vector.steps_B) >= vector.time_limit and not left
        if self.render_mode is not None:
            self._look(info, reward, left, truncated)
        return observation, reward, left, truncated, info

    def render(self) -> Any:
        """Return the last slate as text (``ansi``) or picture (``rgb_array``), or print it (``human``)."""
        frames = render(self.render_mode, () if self._seen is None else scenes(self.vector.simulator, self._seen))
        return frames[0] if frames else None

    def _look(self, info: dict[str, Any], reward: float, left: bool, truncated: bool) -> None:
        """Remember what came of the last slate, to render it."""
        ids_BK, clicks_BK = info["slate_ids"][None], info["response"][None, :, 0] > 0
        numbers = (np.array([value]) for value in (reward, int(self.vector.steps_B), left, truncated))
        self._seen = Seen(ids_BK, clicks_BK, *numbers)
        if self.render_mode == "human":
            self.render()


def _arrays(tensors: Tensors) -> dict[str, Any]:
    """Return the only user's entries; copies, since they may be the simulator's own."""
    return {name: (value if value.is_cpu else value.cpu()).numpy()[0].copy() for name, value in tensors.items()}
