"""How needs come and go in Shop-v0: a purchase ends one, a return reopens it, a good product opens others."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from envs.choice import sample_choice
from envs.interface import Tensors
from envs.shop.settings import ShopSettings


class NeedEvents(NamedTuple):
    """What happened to B users in a step."""

    bought: Tensor
    """(B, C), 1 in the category of what was bought."""
    returned: Tensor
    """(B, C), 1 in the category of what was sent back."""
    kept: Tensor
    """(B,), satisfaction, if positive, with what was delivered and kept; else 0."""
    beside: Tensor
    """(B, C), 1 in the categories that go with what was delivered."""


def moved_needs(state: Tensors, events: NeedEvents, uniform_B2: Tensor, settings: ShopSettings) -> Tensors:
    """Return the needs after a step, and what is owned.

    Equation:
        o <- max((1 - wear) o (1 - returned), fulfilment bought)
        n <- max(n (1 - fulfilment bought), (1 - o) max(follow_need kept beside, new), reopening returned)

    Args:
        state: ``need``, ``owned`` and ``interest``, each (B, C).
        events: of the step.
        uniform_B2: in [0, 1), whether a new need arises and in which category.
        settings: of the environment.

    Returns:
        ``need`` and ``owned``, each (B, C).
    """
    arises_B1 = uniform_B2[:, :1] < settings.new_need_chance
    new_BC = drawn_kind(state["interest"], uniform_B2[:, 1]) * arises_B1
    follow_BC = settings.follow_need * events.kept.unsqueeze(1) * events.beside
    ended_BC = settings.fulfilment * events.bought
    owned_BC = torch.maximum((1 - settings.wear) * state["owned"] * (1 - events.returned), ended_BC)
    opened_BC = (1 - owned_BC) * torch.maximum(follow_BC, new_BC)
    need_BC = torch.maximum(state["need"] * (1 - ended_BC), opened_BC)
    return {"need": torch.maximum(need_BC, settings.reopening * events.returned), "owned": owned_BC}


def drawn_kind(chances_BC: Tensor, uniform_B: Tensor) -> Tensor:
    """Return one kind drawn for each user, one-hot (B, C), by inverting the cumulative distribution."""
    return one_hot(sample_choice(chances_BC, uniform_B), chances_BC.shape[1]).float()
