"""Exploration: a coin for every user, not one for the batch, with annealing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.streams import Streams


@dataclass(frozen=True, kw_only=True)
class EpsilonSchedule:
    """Exploration that falls on a straight line and then stays."""

    start: float = 1.0
    """Share of users who get a random slate at first."""
    end: float = 0.02
    """Share of users who get a random slate from then on."""
    fraction: float = 0.1
    """Share of the training after which ``end`` is reached."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        for name in ("start", "end", "fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} of the exploration is {getattr(self, name)}; it lies in [0, 1]")

    def __call__(self, progress: float) -> float:
        """Return epsilon at a progress in [0, 1]."""
        if self.fraction <= 0:
            return self.end
        return self.start + min(progress / self.fraction, 1.0) * (self.end - self.start)


def epsilon_greedy(slate_BK: Tensor, num_candidates: int, epsilon: float, streams: Streams) -> Tensor:
    """Give each user, independently with probability epsilon, a uniform slate instead of the greedy one.

    Args:
        slate_BK: (B, K) int64 greedy slates.
        num_candidates: M.
        epsilon: probability in [0, 1].
        streams: on the slates' device.

    Returns:
        (B, K) int64, without repeats where the greedy slates have none.
    """
    batch, slate_size = slate_BK.shape
    coin_B1 = streams.uniform(batch, 1) < epsilon
    return torch.where(coin_B1, streams.slates(batch, num_candidates, slate_size), slate_BK)
