"""Reference policies of `slatelab/Feed-v0`, beside the myopic oracle: near-oracle, hand rule."""

from typing import Protocol

import torch
from torch import Tensor

from envs.candidates import CandidateSource, inner_products
from envs.feed.population import Posts
from envs.feed.settings import FeedSettings
from envs.simulator import State
from envs.slates import optimal_slate, top_k


class FeedInside(Protocol):
    """What these policies may look into: the offer, the posts and how they make users feel."""

    settings: FeedSettings
    source: CandidateSource
    posts: Posts

    def offered(self, state: State) -> Tensor:
        """Return the true engagement logits of the candidates, (B, M)."""

    def feeling(self, state: State, items_BK: Tensor) -> Tensor:
        """Return how posts make the user feel if they engage with them, (B, K)."""

    def reward(self, state: State, items_BK: Tensor | None) -> Tensor | float:
        """Return what engaging with posts pays, (B, K) or (B, N), or one number for all."""

    def barred(self, state: State) -> Tensor | None:
        """Return which candidates cannot be engaged with, (B, M) bool, if there are such."""

    def open_alone(self, scores_BM: Tensor, state: State) -> Tensor:
        """Return scores of the candidates, -inf where one cannot be engaged with."""


FEELING_PRICE = 1.25
"""Engagements that a unit of feeling is worth to the near-oracle; flat between 1 and 1.5 on validation users."""


def near_oracle(simulator: FeedInside, state: State) -> Tensor:
    """Show the slate of the highest expected engagement plus a price for the feeling it leaves.

    Equation:
        max over A of sum_i P(i | A) (1 + c z_i) + P(no engagement | A) c z_0, by Dinkelbach.
    """
    settings, rows_BM = simulator.settings, simulator.source.rows(state["candidates"])
    price = FEELING_PRICE if settings.comeback else 0.0
    no_click_B = torch.full_like(state["wellbeing"], settings.no_click_logit)
    slate_BK, _ = optimal_slate(
        simulator.offered(state).exp(),
        simulator.reward(state, rows_BM) + price * simulator.feeling(state, state["candidates"]),
        no_click_B.exp(),
        torch.full_like(no_click_B, price * settings.no_click_feeling),
        settings.slate_size,
        excluded_BM=simulator.barred(state),
    )
    return slate_BK


def hand_rule(simulator: FeedInside, state: State) -> Tensor:
    """Rank by closeness and reach, and put back what shouts: posts with an exclamation mark.

    All of it is observed, the texts by whoever runs the feed. The weights are the best of six settings on 1,000
    validation users, after a coarser search; the others earned 0.1 to 0.3 less.
    """
    candidates_BM = state["candidates"]
    closeness_BM = inner_products(state["profile"], simulator.posts.vectors, simulator.source.rows(candidates_BM))
    known_N = 0.5 * simulator.posts.popularity - 1.5 * simulator.posts.shouts
    scores_BM = 3 * closeness_BM + known_N[candidates_BM]
    return top_k(simulator.open_alone(scores_BM, state), simulator.settings.slate_size)
