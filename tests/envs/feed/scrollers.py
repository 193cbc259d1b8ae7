"""Users of the feed of whom everything is known, and what chance brings them."""

from typing import Any

import torch

import envs
from envs.feed.catalog import TOPICS
from envs.feed.simulator import Feed
from envs.interface import Tensors
from envs.simulator import State

NEVER = 1 - 2.0**-24
"""The uniform draw that engages with nothing, or does not come back."""
FIRST = 0.0
"""The uniform draw that engages with the first slot, or comes back."""
SLATE = torch.tensor([[0, 1, 2, 3, 4]])


def build(**settings: Any) -> Feed:
    """Return a feed with other settings, on the CPU."""
    simulator: Feed = envs.make_simulator("envs.feed.simulator:Feed", "cpu", **{"encoder": "random"} | settings)
    return simulator


def scroller(simulator: Feed) -> State:
    """Return one ordinary user of an even taste, with much energy."""
    generator = torch.Generator().manual_seed(0)
    users = simulator.sample_users(1, "train", generator)
    users["taste"] = torch.full_like(users["taste"], 1 / len(TOPICS))
    for name in ("temper", "decisiveness", "fame", "variety", "stamina"):
        users[name] = torch.ones(1)
    return simulator.start(users, simulator.start_noise(1, generator)) | {"energy": torch.tensor([5.0])}


def noise(simulator: Feed, choice: float, **drawn: float) -> Tensors:
    """Return the draws of a step: what is engaged with, the error of the answer, whether, when and how long next."""
    plain = {"answer": 0.0, "comeback": 0.0, "absence": 0.0, "energy": 0.5} | drawn
    return (
        simulator.step_noise(1, torch.Generator().manual_seed(0))
        | {"choice": torch.tensor([[choice]])}
        | {name: torch.tensor([x]) for name, x in plain.items()}
    )


def with_post(state: State, item: int) -> State:
    """Return the state with a post at the first place of the candidates."""
    others = state["candidates"][:, 1:]
    return state | {"candidates": torch.cat([torch.tensor([[item]]), torch.where(others == item, 0, others)], dim=1)}
