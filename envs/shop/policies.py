"""Reference policies of `slatelab/Shop-v0`, beside the myopic oracle: near-oracle, hand rule."""

import torch
from torch import Tensor

from envs.shop.world import ShopWorld
from envs.simulator import State
from envs.slates import optimal_slate, top_k
from envs.tensors import inner_products
from envs.text.domain import TextDomain

SATISFACTION_PRICE = 3.0
"""Purchases that a unit of satisfaction is worth to the near-oracle; flat between 2 and 6 on validation users."""


def near_oracle(simulator: TextDomain[ShopWorld], state: State) -> Tensor:
    """Show the slate of the most expected purchases, less returns, with a price on the satisfaction they bring.

    Equation:
        max over A of sum_i P(i | A) (1 - r_i + c z_i), with r_i the chance of a return, by Dinkelbach.
    """
    world, rows_BM = simulator.world, simulator.source.rows(state["candidates"])
    settings, satisfaction_BM = world.settings, world.satisfaction(state, state["candidates"])
    price = SATISFACTION_PRICE if settings.trust_effect else 0.0
    values_BM = (
        world.reward(state, rows_BM)
        - settings.return_cost * world.return_chance(satisfaction_BM)
        + price * satisfaction_BM
    )
    no_click_B = torch.full_like(state["trust"], settings.no_click_logit)
    # Finite where a product cannot be bought: a weight of 0 would make it as good as showing nothing, and better than
    # what disappoints.
    slate_BK, _ = optimal_slate(
        simulator.offered(state).clamp(min=-20).exp(),
        simulator.open_alone(values_BM, state).clamp(min=-1e12),
        no_click_B.exp(),
        torch.zeros_like(no_click_B),
        settings.slate_size,
    )
    return slate_BK


def hand_rule(simulator: TextDomain[ShopWorld], state: State) -> Tensor:
    """Rank by closeness, away from discounts and toward the dearer products of a category.

    All of it is observed. The weights are the best of thirty settings on 400 validation users.
    """
    products, candidates_BM = simulator.world.products, state["candidates"]
    closeness_BM = inner_products(state["profile"], simulator.view.vectors, simulator.source.rows(candidates_BM))
    price_BM = (1.5 * products.dearness - products.discounted)[candidates_BM]
    return top_k(simulator.open_alone(3 * closeness_BM + price_BM, state), simulator.settings.slate_size)
