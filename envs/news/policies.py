"""Reference policies of `slatelab/News-v0`, beside the myopic oracle: near-oracle, hand rule."""

import torch
from torch import Tensor

from envs.news.world import NewsWorld
from envs.simulator import State
from envs.slates import optimal_slate, top_k
from envs.tensors import inner_products
from envs.text.domain import TextDomain

TRUST_PRICE = 3.0
"""Clicks that a unit of trust is worth to the near-oracle for each slate left; flat from 2 to 4 on validation users."""


def near_oracle(simulator: TextDomain[NewsWorld], state: State) -> Tensor:
    """Show the slate of the highest expected clicks plus a price for the trust it leaves.

    Equation:
        max over A of sum_i P(i | A) (1 + c L dT_i), by Dinkelbach; dT_i is the change of trust when i is read, and
        L = patience exp(3 (T - 0.6)) the slates left at the present trust.
    """
    world, trust_B = simulator.world, state["trust"]
    settings = world.settings
    change_BM = world.trust_change(trust_B.unsqueeze(1), world.satisfaction(state, state["candidates"]))
    left_B = state["patience"].clamp(min=0) * torch.exp(settings.trust_effect * (trust_B - settings.trust))
    rows_BM = simulator.source.rows(state["candidates"])
    values_BM = world.reward(state, rows_BM) + TRUST_PRICE * left_B.unsqueeze(1) * change_BM
    no_click_B = torch.full_like(trust_B, settings.no_click_logit)
    # Finite where an article cannot be clicked: a weight of 0 would make it as good as showing nothing, and better
    # than what disappoints.
    slate_BK, _ = optimal_slate(
        simulator.offered(state).clamp(min=-20).exp(),
        simulator.open_alone(values_BM, state).clamp(min=-1e12),
        no_click_B.exp(),
        torch.zeros_like(no_click_B),
        settings.slate_size,
    )
    return slate_BK


def hand_rule(simulator: TextDomain[NewsWorld], state: State) -> Tensor:
    """Rank by closeness, freshness and burst, away from what was just read, and pass over loud headlines.

    All of it is observed or printed: the headlines are matched with `envs.news.items.LOUD`. Fifteen settings of the
    weights earned the same on 600 validation users (14.7 to 14.9, standard error 0.2).
    """
    items, source, candidates_BM = simulator.world.items, simulator.source, state["candidates"]
    rows_BM = source.rows(candidates_BM)
    closeness, recency, value, freshness, burst, loudness = HAND_WEIGHTS
    wanted_BD = closeness * state["profile"] - recency * state["recent"] + value * state["valued"]
    fresh_BM, burst_BM = items.timing(state["clock"], rows_BM)
    scores_BM = (
        inner_products(wanted_BD, simulator.view.vectors, rows_BM)
        + freshness * fresh_BM
        + burst * burst_BM
        - loudness * items.loud[candidates_BM]
    )
    return top_k(simulator.open_alone(scores_BM, state), simulator.settings.slate_size)


HAND_WEIGHTS = (3.0, 2.0, 10.0, 2.0, 1.5, 4.0)
"""For the profile, what was clicked, what was read long, freshness, burst, and loud headlines."""
