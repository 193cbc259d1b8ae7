"""Reference policies of `slatelab/InterestExploration-v0`: myopic oracle, which is the near-oracle, and hand rule."""

from typing import Protocol

from torch import Tensor

from envs.recsim.interest_settings import InterestExplorationSettings
from envs.simulator import State
from envs.slates import top_k


class InterestExplorationInside(Protocol):
    """What these policies may look into: the true scores."""

    settings: InterestExplorationSettings

    def scores(self, state: State, topics_BK: Tensor, quality_BK: Tensor) -> Tensor:
        """Return affinity + quality of documents, (B, K)."""


def myopic_oracle(simulator: InterestExplorationInside, state: State) -> Tensor:
    """Show the K documents of the highest true score; nothing lasts, so no policy earns more."""
    return top_k(simulator.scores(state, state["topics"], state["quality"]), simulator.settings.slate_size)


def hand_rule(simulator: InterestExplorationInside, state: State) -> Tensor:
    """Show the K documents of the highest quality, which is observed."""
    return top_k(state["quality"], simulator.settings.slate_size)
