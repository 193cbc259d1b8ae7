"""Readers of whom everything is known, and what chance brings them."""

from typing import Any

import torch
from torch import Tensor

import envs
from envs.interface import Tensors
from envs.news.simulator import News
from envs.simulator import State

NEVER = 1 - 2.0**-24
"""The uniform draw that clicks nothing."""
FIRST = 0.0
"""The uniform draw that clicks the first slot."""
SLATE = torch.tensor([[0, 1, 2, 3, 4]])
HOUR = 60.0


def build(**settings: Any) -> News:
    """Return the news with other settings, on the CPU."""
    simulator: News = envs.make_simulator("envs.news.simulator:News", "cpu", **{"encoder": "random"} | settings)
    return simulator


def reader(simulator: News, clock: float = HOUR, taste: float = 0.0) -> State:
    """Return one ordinary user with the same taste for every section."""
    generator = torch.Generator().manual_seed(0)
    users = simulator.sample_users(1, "train", generator)
    users["taste"] = torch.full_like(users["taste"], taste)
    users["clock"] = torch.tensor([clock])
    for name in ("lure", "decisiveness", "variety", "stamina"):
        users[name] = torch.ones(1)
    return simulator.start(users, simulator.start_noise(1, generator))


def noise(simulator: News, choice: float, minutes: float = 0.0) -> Tensors:
    """Return the draws of a step: what is clicked, the error of the reading time."""
    drawn = simulator.step_noise(1, torch.Generator().manual_seed(0))
    return drawn | {"choice": torch.tensor([[choice]]), "minutes": torch.tensor([minutes])}


def with_article(state: State, item: int) -> State:
    """Put an article in front of the candidates."""
    others = state["candidates"][0]
    others = others[others != item][: len(others) - 1]
    return state | {"candidates": torch.cat([torch.tensor([item]), others]).unsqueeze(0)}


def open_item(simulator: News, state: State, mask_N: Tensor) -> int:
    """Return an article on offer that the mask allows."""
    return int((mask_N & ~simulator.offer.closed(state, None)[0]).nonzero()[0])
