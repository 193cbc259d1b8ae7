"""Policies that do not learn: random, popularity, cosine."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from agents.features.similarity import profile_cosines
from agents.state import check_names
from envs.interface import Metric, Observation, Spec, Tensors, Transition, restore_stream
from envs.slates import random_slate, top_k


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """A policy without settings."""


class Fixed:
    """A policy that is what it is."""

    Settings: ClassVar[type[Any]] = NoSettings
    METRICS: ClassVar[tuple[Metric, ...]] = ()
    NEEDS: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        spec: Spec,
        settings: Any,
        *,
        device: torch.device,
        seed: int,
        num_users: int,
        num_steps: int,
    ) -> None:
        self.spec = spec
        self.settings = settings
        self.generator = torch.Generator(device).manual_seed(seed)

    def update(self, transition: Transition) -> Tensors:
        """Learn nothing."""
        return {}

    def state_dict(self) -> Tensors:
        """Return the random stream."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on with a saved random stream.

        Raises:
            ValueError: it is a learner's.
        """
        check_names(tensors, ("generator",))
        restore_stream(self.generator, tensors["generator"])


class Random(Fixed):
    """Show K candidates at random."""

    BY_CHANCE: ClassVar[bool] = True

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return uniform slates, (B, K)."""
        batch = len(observation["candidates"])
        return random_slate(batch, self.spec.num_candidates, self.spec.slate_size, self.generator)


class Popularity(Fixed):
    """Show the K most popular candidates."""

    NEEDS: ClassVar[tuple[str, ...]] = ("popularity",)

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return the K highest of ``popularity``, (B, K)."""
        return top_k(observation["popularity"], self.spec.slate_size)


class Cosine(Fixed):
    """Show the K candidates nearest to the user's profile: retrieval without learning.

    The profile is the first D entries of ``user``, in the space of the item features.
    """

    NEEDS: ClassVar[tuple[str, ...]] = ("user", "candidates")

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return the K highest cosines of profile and candidate, (B, K)."""
        return top_k(profile_cosines(observation), self.spec.slate_size)
