"""Reference policies of `slatelab/Shop-v0`, beside the myopic oracle: near-oracle, hand rule."""

from typing import Protocol

import torch
from torch import Tensor

from envs.candidates import CandidateSource, inner_products
from envs.shop.items import ShopItems
from envs.shop.settings import ShopSettings
from envs.simulator import State
from envs.slates import optimal_slate, top_k


class ShopInside(Protocol):
    """What these policies may look into: the offer, the products and what users feel about them."""

    settings: ShopSettings
    source: CandidateSource
    products: ShopItems

    def offered(self, state: State) -> Tensor:
        """Return the true purchase logits of the candidates, (B, M)."""

    def satisfaction(self, state: State, items_BK: Tensor) -> Tensor:
        """Return the satisfaction with products once they are delivered, (B, K)."""

    def return_chance(self, satisfaction: Tensor) -> Tensor:
        """Return the chance that a product is sent back, in the shape of the satisfaction with it."""

    def reward(self, state: State, items_BK: Tensor | None) -> Tensor | float:
        """Return what a purchase pays at once, (B, K) or (B, N), or one number for all."""

    def open_alone(self, scores_BM: Tensor, state: State) -> Tensor:
        """Return scores of the candidates, -inf where one cannot be bought."""


SATISFACTION_PRICE = 3.0
"""Purchases that a unit of satisfaction is worth to the near-oracle; flat between 2 and 6 on validation users."""


def near_oracle(simulator: ShopInside, state: State) -> Tensor:
    """Show the slate of the most expected purchases, less returns, with a price on the satisfaction they bring.

    Equation:
        max over A of sum_i P(i | A) (1 - r_i + c z_i), with r_i the chance of a return, by Dinkelbach.
    """
    settings, rows_BM = simulator.settings, simulator.source.rows(state["candidates"])
    satisfaction_BM = simulator.satisfaction(state, state["candidates"])
    price = SATISFACTION_PRICE if settings.trust_effect else 0.0
    values_BM = (
        simulator.reward(state, rows_BM)
        - settings.return_cost * simulator.return_chance(satisfaction_BM)
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


def hand_rule(simulator: ShopInside, state: State) -> Tensor:
    """Rank by closeness, away from discounts and toward the dearer products of a category.

    All of it is observed. The weights are the best of thirty settings on 400 validation users.
    """
    products, candidates_BM = simulator.products, state["candidates"]
    closeness_BM = inner_products(state["profile"], products.vectors, simulator.source.rows(candidates_BM))
    price_BM = (1.5 * products.dearness - products.discounted)[candidates_BM]
    return top_k(simulator.open_alone(3 * closeness_BM + price_BM, state), simulator.settings.slate_size)
