"""Several seeds side by side in one batch, each with the users and the noise it would have alone."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor

from encoders.errors import UsageError
from envs.interface import Tensors
from envs.simulator import Simulator, Split
from envs.streams import Stream
from envs.vector import SlateVectorEnv


class ManySeedsVectorEnv(SlateVectorEnv):
    """S B users: B of each seed, one seed after the other.

    The rows of a seed go through what a `SlateVectorEnv` of B users, reset with that seed, would give them: the kernel
    runs once for all, the numbers are drawn from a stream of each seed.

    Args:
        simulator: the kernel.
        seeds: S of them.
        num_envs: B, users of one seed.
        split: whose users are drawn at a reset.
    """

    def __init__(self, simulator: Simulator, seeds: Sequence[int], num_envs: int, *, split: Split = "train") -> None:
        if not seeds:
            raise UsageError("there are no seeds; at least one is needed")
        super().__init__(
            simulator,
            num_envs * len(seeds),
            split=split,
            as_tensors=True,
            autoreset_mode=AutoresetMode.SAME_STEP,
        )
        self.seeds, self._users_each = tuple(seeds), num_envs
        self._generators = [Stream(simulator.device) for _ in seeds]
        self._restart()

    def _restart(self) -> None:
        for generator, seed in zip(self._generators, self.seeds, strict=True):
            generator.manual_seed(seed)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin sessions; the streams of all seeds start anew with the first reset only."""
        if seed is not None:
            raise UsageError("the seeds were given at the start; call reset() without one")
        return super().reset(options=options)

    def _draw_step(self) -> Tensors:
        rows = torch.arange(self.num_envs, device=self.simulator.device)
        return self._draw(rows, self.simulator.step_noise)

    def _draw_users(self, rows: Tensor) -> Tensors:
        return self._draw(rows, lambda number, generator: self.simulator.sample_users(number, self.split, generator))

    def _draw_start(self, rows: Tensor) -> Tensors:
        return self._draw(rows, self.simulator.start_noise)

    def _draw(self, rows: Tensor, draw: Callable[[int, torch.Generator], Tensors]) -> Tensors:
        """Draw for some rows, those of each seed from its own stream; a seed without rows draws nothing."""
        if len(rows) == self.num_envs:
            counts = [self._users_each] * len(self.seeds)
        else:
            counts = torch.bincount(rows // self._users_each, minlength=len(self.seeds)).tolist()
        drawn = [draw(count, generator) for count, generator in zip(counts, self._generators, strict=True) if count]
        return {name: torch.cat([part[name] for part in drawn]) for name in drawn[0]}

    def seed_state(self, index: int) -> Tensors:
        """Return the `state_dict` that a `SlateVectorEnv` of one of the seeds would have."""
        rows = slice(index * self._users_each, (index + 1) * self._users_each)
        own = self._generators[index].state_dict()
        state = {name: value[rows] for name, value in super().state_dict().items() if name not in own}
        return state | own

    def state_dict(self) -> Tensors:
        """Return everything the future depends on, the random streams as (S, bytes)."""
        streams = [generator.state_dict() for generator in self._generators]
        return super().state_dict() | {name: torch.stack([each[name] for each in streams]) for name in streams[0]}

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict` of an environment with as many seeds and users."""
        none = self.generator.state_dict()
        super().load_state_dict(tensors | none)
        for index, generator in enumerate(self._generators):
            generator.load_state_dict({name: tensors[name][index] for name in none if name in tensors})
