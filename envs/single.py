"""A simulator behind Gymnasium's single interface: a batch of one."""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode

from encoders.errors import UsageError
from envs.interface import Tensors
from envs.simulator import Simulator, Split
from envs.vector import SlateVectorEnv


class SlateEnv(gym.Env[Any, Any]):
    """One user at a time; the same numbers as a `SlateVectorEnv` of one.

    Args:
        simulator: the kernel.
        split: whose users are drawn at a reset.
        render_mode: ``ansi`` renders the last slate as text, or None.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 (declared so by Gymnasium)

    def __init__(self, simulator: Simulator, *, split: Split = "train", render_mode: str | None = None) -> None:
        if render_mode not in (None, "ansi"):
            raise UsageError(f'render mode "{render_mode}" is not offered; use "ansi" or None')
        self.render_mode = render_mode
        self.vector = SlateVectorEnv(simulator, 1, split=split, autoreset_mode=AutoresetMode.DISABLED)
        self.observation_space = self.vector.single_observation_space
        self.action_space = self.vector.single_action_space
        self._shown = ""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a session; ``options={"users": users}`` says with whom."""
        super().reset(seed=seed)
        with torch.inference_mode():
            observation, info = self.vector.reset(seed=seed, options=options)
        self._shown = "a new session begins"
        return _first(observation), _first(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Show one slate of K positions."""
        try:
            slate_K = np.asarray(action)
        except ValueError as error:  # rows of unequal length
            raise UsageError(f"the slate is no array of integers (slots,): {error}") from error
        if slate_K.shape != self.action_space.shape:
            raise UsageError(f"the slate has shape {slate_K.shape}, expected (slots,) = {self.action_space.shape}")
        vector, simulator = self.vector, self.vector.simulator
        with torch.inference_mode():
            ids_BK, outcome, _ = vector.show(slate_K[None])
            assert vector.state is not None
            observation = _arrays(simulator.observe(vector.state))
            info = _arrays({"response": outcome.response, "slate_ids": ids_BK})
            info |= {name: value.item() for name, value in outcome.metrics.items()}
        info["titles"] = simulator.titles(info["slate_ids"])
        if self.render_mode is not None:
            self._shown = _describe(info)
        left = bool(outcome.left)
        late = int(vector.steps_B) >= simulator.time_limit
        return observation, float(outcome.reward), left, late and not left, info

    def render(self) -> Any:
        """Return the last slate as text, the clicked title marked (``ansi``)."""
        return self._shown if self.render_mode == "ansi" else None


def _first(batched: dict[str, Any]) -> dict[str, Any]:
    return {name: value[0] for name, value in batched.items()}


def _arrays(tensors: Tensors) -> dict[str, Any]:
    """Return the only user's entries; copies, since they may be the simulator's own."""
    return {name: (value if value.is_cpu else value.cpu()).numpy()[0].copy() for name, value in tensors.items()}


def _describe(info: dict[str, Any]) -> str:
    clicks = info["response"][:, 0] > 0
    lines = (f"{'>' if click else ' '} {title}" for click, title in zip(clicks, info["titles"], strict=True))
    return "\n".join(lines)
