"""A small agent without a fault: a linear value of the shown items, learnt with momentum, epsilon-greedy."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from envs.interface import Metric, Observation, Spec, Tensors, Transition, take_candidates
from envs.slates import random_slate, top_k


@dataclass(frozen=True, kw_only=True)
class GoodSettings:
    """Settings of the good agent."""

    discount: float = 0.9
    """Gamma."""
    epsilon: float = 0.3
    """Share of random slates."""


class GoodAgent:
    """What it can be taken for: an agent somebody wrote in an afternoon."""

    Settings: ClassVar[type[Any]] = GoodSettings
    METRICS: ClassVar[tuple[Metric, ...]] = (Metric("train/loss", "squared error", "lower", "the squared TD error"),)
    NEEDS: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, spec: Spec, settings: GoodSettings, *, device: torch.device, seed: int, num_users: int, num_steps: int
    ) -> None:
        self.spec, self.settings = spec, settings
        self.generator = torch.Generator(device).manual_seed(seed)
        self.weight = 0.1 * torch.randn(spec.shapes["candidates"][-1], generator=self.generator, device=device)
        self.momentum = torch.zeros_like(self.weight)

    def act(self, observation: Observation, explore: bool) -> Tensor:
        """Return the K most valued, or at random in some rows."""
        slate_BK = top_k(self.values(observation), self.spec.slate_size)
        return self.explored(slate_BK) if explore else slate_BK

    def explored(self, slate_BK: Tensor) -> Tensor:
        """Return random slates in some rows."""
        batch, slots = slate_BK.shape
        random_BK = random_slate(batch, self.spec.num_candidates, slots, self.generator)
        coin_B1 = torch.rand((batch, 1), generator=self.generator, device=slate_BK.device)
        return torch.where(coin_B1 < self.settings.epsilon, random_BK, slate_BK)

    def values(self, observation: Observation) -> Tensor:
        """Return a value of every candidate, (B, M)."""
        # Summed row by row: a matrix product of another batch size rounds otherwise.
        return (observation["candidates"] * self.weight).sum(dim=-1)

    def update(self, transition: Transition) -> Tensors:
        """Take one gradient step on the mean value of the slate."""
        features_BD = take_candidates(transition.observation["candidates"], transition.slate).mean(dim=1)
        following_B = self.values(transition.next_observation).amax(dim=1)
        target_B = transition.reward + self.settings.discount * transition.discount * following_B
        error_B = target_B - features_BD @ self.weight
        self.momentum = 0.9 * self.momentum + (error_B.unsqueeze(1) * features_BD).mean(dim=0)
        self.weight = self.weight + 0.05 * self.momentum
        return {"train/loss": error_B.square().mean()}

    def state_dict(self) -> Tensors:
        """Return weights, momentum and random stream."""
        return {"weight": self.weight, "momentum": self.momentum, "generator": self.generator.get_state()}

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on."""
        device = self.weight.device
        self.weight, self.momentum = tensors["weight"].to(device), tensors["momentum"].to(device)
        self.generator.set_state(tensors["generator"].cpu())
