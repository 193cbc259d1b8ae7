"""Reference policies of `slatelab/Movies-v0`, beside the myopic oracle: near-oracle, hand rule."""

from typing import Protocol

import torch
from torch import Tensor

from envs.candidates import CandidateSource, inner_products
from envs.fitted.users import Items
from envs.interface import Tensors
from envs.movies_settings import MoviesSettings
from envs.simulator import State
from envs.slates import optimal_slate, top_k


class MoviesInside(Protocol):
    """What these policies may look into: the offer, the films and what users think of them."""

    settings: MoviesSettings
    source: CandidateSource
    films: Items

    def opinion(self, state: State, items_BK: Tensor | None) -> Tensors:
        """Return ``appeal``, ``affinity`` and ``satiation`` of items, each (B, K); (B, N) for None."""

    def satisfaction(self, affinity: Tensor, satiation: Tensor) -> Tensor:
        """Return the satisfaction with a clicked film, in the shape of the arguments."""

    def reward(self, state: State, items_BK: Tensor | None) -> Tensor | float:
        """Return what a click on items pays, (B, K) or (B, N), or one number for all."""

    def barred(self, state: State) -> Tensor | None:
        """Return which candidates cannot be clicked, (B, M) bool, if there are such."""

    def open_alone(self, scores_BM: Tensor, state: State) -> Tensor:
        """Return scores of the candidates, -inf where one cannot be clicked."""


SATISFACTION_PRICE = 6.0
"""Clicks that a unit of satisfaction is worth to the near-oracle; flat between 4 and 12 on validation users."""


def near_oracle(simulator: MoviesInside, state: State) -> Tensor:
    """Show the slate of the highest expected reward plus a price for the satisfaction it leaves.

    Equation:
        max over A of sum_i P(i | A) (r_i + c z_i) + P(no click | A) c z_0, by Dinkelbach.
    """
    settings, rows_BM = simulator.settings, simulator.source.rows(state["candidates"])
    opinion = simulator.opinion(state, rows_BM)
    price = SATISFACTION_PRICE if settings.mood_effect else 0.0
    satisfaction_BM = simulator.satisfaction(opinion["affinity"], opinion["satiation"])
    values_BM = simulator.reward(state, rows_BM) + price * satisfaction_BM
    no_click_B = torch.full_like(state["mood"], settings.no_click_logit)
    slate_BK, _ = optimal_slate(
        opinion["appeal"].exp(),
        values_BM,
        no_click_B.exp(),
        torch.full_like(no_click_B, price * settings.no_click_satisfaction),
        settings.slate_size,
        excluded_BM=simulator.barred(state),
    )
    return slate_BK


def hand_rule(simulator: MoviesInside, state: State) -> Tensor:
    """Rank by closeness and fame, away from what was clicked just now, toward what was given many stars.

    All of it is observed. The weights are the best of ten settings on 400 validation users; the others earned 0.6 to
    1.4 less, about twice the standard error.
    """
    films, candidates_BM = simulator.films, state["candidates"]
    wanted_BD = 3 * state["profile"] - 4 * state["recent"] + 10 * state["liked"]
    closeness_BM = inner_products(wanted_BD, films.vectors, simulator.source.rows(candidates_BM))
    scores_BM = closeness_BM + films.popularity[candidates_BM]
    return top_k(simulator.open_alone(scores_BM, state), simulator.settings.slate_size)
