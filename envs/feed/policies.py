"""Reference policies of `slatelab/Feed-v0`, beside the myopic oracle: near-oracle, hand rule."""

import torch
from torch import Tensor

from envs.feed.world import FeedWorld
from envs.simulator import State
from envs.slates import optimal_slate, top_k
from envs.tensors import inner_products
from envs.text.domain import TextDomain

FEELING_PRICE = 1.25
"""Engagements that a unit of feeling is worth to the near-oracle; flat between 1 and 1.5 on validation users."""


def near_oracle(simulator: TextDomain[FeedWorld], state: State) -> Tensor:
    """Show the slate of the highest expected engagement plus a price for the feeling it leaves.

    Equation:
        max over A of sum_i P(i | A) (1 + c z_i) + P(no engagement | A) c z_0, by Dinkelbach.
    """
    world, rows_BM = simulator.world, simulator.source.rows(state["candidates"])
    settings = world.settings
    price = FEELING_PRICE if settings.comeback else 0.0
    no_click_B = torch.full_like(state["wellbeing"], settings.no_click_logit)
    slate_BK, _ = optimal_slate(
        simulator.offered(state).exp(),
        world.reward(state, rows_BM) + price * world.feeling(state, state["candidates"]),
        no_click_B.exp(),
        torch.full_like(no_click_B, price * settings.no_click_feeling),
        settings.slate_size,
        excluded_BM=simulator.barred(state),
    )
    return slate_BK


def hand_rule(simulator: TextDomain[FeedWorld], state: State) -> Tensor:
    """Rank by closeness and reach, and put back what shouts: posts with an exclamation mark.

    All of it is observed, the texts by whoever runs the feed. The weights are the best of six settings on 1,000
    validation users, after a coarser search; the others earned 0.1 to 0.3 less.
    """
    posts, candidates_BM = simulator.world.posts, state["candidates"]
    closeness_BM = inner_products(state["profile"], simulator.view.vectors, simulator.source.rows(candidates_BM))
    known_N = 0.5 * posts.popularity - 1.5 * posts.shouts
    scores_BM = 3 * closeness_BM + known_N[candidates_BM]
    return top_k(simulator.open_alone(scores_BM, state), simulator.settings.slate_size)
