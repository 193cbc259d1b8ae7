"""Reference policies of `slatelab/InterestEvolution-v0`: myopic oracle, hand rule, near-oracle."""

import math
from typing import Protocol

import torch
from torch import Tensor

from envs.recsim.interest_settings import InterestEvolutionSettings
from envs.simulator import State
from envs.slates import optimal_slate, top_k


class InterestEvolutionInside(Protocol):
    """What these policies may look into: the quality of topics, and what time is worth."""

    settings: InterestEvolutionSettings
    mean_quality: Tensor

    @property
    def watch_rate(self) -> float:
        """Minutes watched for a minute of budget spent, at best."""


def myopic_oracle(simulator: InterestEvolutionInside, state: State) -> Tensor:
    """Show the K topics the user likes most: the most expected minutes of this slate."""
    return top_k(state["interests"].gather(1, state["topics"]), simulator.settings.slate_size)


def hand_rule(simulator: InterestEvolutionInside, state: State) -> Tensor:
    """Show the K topics of the highest mean quality, which anyone can learn from the responses."""
    return top_k(simulator.mean_quality[state["topics"]], simulator.settings.slate_size)


def near_oracle(simulator: InterestEvolutionInside, state: State) -> Tensor:
    """Show the slate that earns most beyond the rate at which minutes are watched in the long run; sees no quality.

    Equation:
        max over A of sum_i p_i (w - rho c_i) - p_0 rho 0.5, with w = 4 and c_i = w (1 - 0.9 / 3.4 mean_i): by renewal
        reward a budget b is worth rho b, with rho the highest ratio of minutes watched to budget spent.
    """
    return best_at_rate(simulator, state["interests"], state["topics"], simulator.watch_rate)[0]


def best_at_rate(
    simulator: InterestEvolutionInside, interests_BD: Tensor, topics_BM: Tensor, rate: float
) -> tuple[Tensor, Tensor]:
    """Return the best slates at a rate, and by how much they beat it, (B,) minutes."""
    settings = simulator.settings
    scores_BM, no_click_B = interests_BD.gather(1, topics_BM), torch.full_like(interests_BD[:, 0], 1.0)
    # Cascades have no such weights; for them these are an approximation.
    if settings.choice_model in ("multinomial_logit", "exponential_cascade"):
        weights_BM, no_click_B = scores_BM.exp(), no_click_B * math.exp(settings.no_click_mass)
    else:
        weights_BM = (scores_BM - settings.choice.min_score).clamp(min=0)
        no_click_B = no_click_B * (settings.no_click_mass - settings.choice.min_score)
    cost_BM = settings.document_length * (1 - settings.bonus * simulator.mean_quality[topics_BM])
    lost_B = torch.full_like(no_click_B, -rate * settings.no_click_penalty)
    values_BM = settings.document_length - rate * cost_BM
    return optimal_slate(weights_BM, values_BM, no_click_B, lost_B, settings.slate_size)
