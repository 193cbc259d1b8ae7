"""Reference policies of `slatelab/LongTermSatisfaction-v0`: myopic oracle, hand rules, near-oracle."""

from typing import Protocol

import torch
from torch import Tensor

from envs.recsim.satisfaction_settings import LongTermSatisfactionSettings
from envs.simulator import State
from envs.slates import top_k


class LongTermSatisfactionInside(Protocol):
    """What these policies may look into: engagement, and what it leaves."""

    settings: LongTermSatisfactionSettings

    @property
    def exposure_value(self) -> tuple[Tensor, Tensor]:
        """The value of net positive exposure: a grid (G,) and values (time_budget + 1, G)."""

    def expected_engagement(self, clickbait: Tensor, exposure: Tensor) -> Tensor:
        """Return the mean engagement, in the shape of the arguments."""

    def next_exposure(self, clickbait: Tensor, exposure: Tensor) -> Tensor:
        """Return the mean of the net positive exposure after a document."""


def interpolate(values: Tensor, points: Tensor, reach: float) -> Tensor:
    """Return a function known on an even grid over [-reach, reach], between its points and constant outside.

    Args:
        values: (G,) or, with a leading axis of ``points``, (B, G).
        points: (B, ...).
        reach: positive.
    """
    last = values.shape[-1] - 1
    place = ((points + reach) * (last / (2 * reach))).clamp(0, last)
    left = place.long().clamp(max=last - 1)
    if values.dim() == 2:
        low, high = values.gather(1, left), values.gather(1, left + 1)
    else:
        low, high = values[left], values[left + 1]
    return low + (place - left) * (high - low)


def myopic_oracle(simulator: LongTermSatisfactionInside, state: State) -> Tensor:
    """Show what engages most now: the most clickbait, with the defaults."""
    expected_BM = simulator.expected_engagement(state["documents"], state["exposure"].unsqueeze(1))
    return top_k(expected_BM, simulator.settings.slate_size)


def hand_rule(simulator: LongTermSatisfactionInside, state: State) -> Tensor:
    """Show the least clickbait, as one would who believes in the long-term effect."""
    return top_k(-state["documents"], simulator.settings.slate_size)


def near_oracle(simulator: LongTermSatisfactionInside, state: State) -> Tensor:
    """Show the document of the highest engagement now plus the value of the exposure it leaves.

    Equation:
        max over x of E[engagement(x, NPE)] + V_(t-1)(0.7 NPE - 2 (x - 0.5)), V by backward induction.
    """
    grid_G, values = simulator.exposure_value
    documents_BM, exposure_B1 = state["documents"], state["exposure"].unsqueeze(1)
    remaining_B = (simulator.settings.time_budget - 1 - state["steps"]).clamp(min=0)
    after_BM = simulator.next_exposure(documents_BM, exposure_B1)
    future_BM = interpolate(values[remaining_B], after_BM, -float(grid_G[0]))
    total_BM = simulator.expected_engagement(documents_BM, exposure_B1) + future_BM
    return top_k(total_BM, simulator.settings.slate_size)


def harvest_rule(simulator: LongTermSatisfactionInside, state: State) -> Tensor:
    """Show the most clickbait where the exposure, as far as it is observed, exceeds 3, and the least elsewhere.

    Equation:
        NPE = 5 (1 - 0.8^t) - 10 d after t slates, d the observed decayed mean of the clickbait consumed; the exposure
        that the user came with is taken for 0, and the noise left out.
    """
    steps_B1, mean_B1 = state["steps"].unsqueeze(1), state["traces"][:, :1]
    exposure_B1 = 5 * (1 - 0.8**steps_B1) - 10 * mean_B1
    signed_BM = torch.where(exposure_B1 > HARVEST, state["documents"], -state["documents"])
    return top_k(signed_BM, simulator.settings.slate_size)


HARVEST = 3.0
"""Net positive exposure from which on the rule spends it."""
