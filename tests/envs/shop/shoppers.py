"""Shoppers of whom everything is known, and what chance brings them."""

from typing import Any

import torch

import envs
from envs.interface import Tensors
from envs.shop.simulator import Shop
from envs.simulator import State

NEVER = 1 - 2.0**-24
"""The uniform draw that buys, returns and needs nothing."""
FIRST = 0.0
"""The uniform draw that buys the first product."""
SLATE = torch.tensor([[0, 1, 2, 3, 4]])


def build(**settings: Any) -> Shop:
    """Return a shop with other settings, on the CPU."""
    simulator: Shop = envs.make_simulator("envs.shop.simulator:Shop", "cpu", **{"encoder": "random"} | settings)
    return simulator


def shopper(simulator: Shop, offered: list[int]) -> State:
    """Return one ordinary user without needs, tastes or care for prices, to whom `offered` come first."""
    users = simulator.sample_users(1, "train", torch.Generator().manual_seed(0))
    for name in ("need", "taste", "price_sensitivity"):
        users[name] = torch.zeros_like(users[name])
    for name in ("decisiveness", "stamina"):
        users[name] = torch.ones(1)
    state = simulator.start(users, simulator.start_noise(1, torch.Generator().manual_seed(0)))
    state["candidates"] = state["candidates"].clone()
    state["candidates"][0, : len(offered)] = torch.tensor(offered)
    return state


def noise(simulator: Shop, choice: float, back: float = NEVER, stars: float = 0.0, need: float = NEVER) -> Tensors:
    """Return the draws of a step: what is bought, whether it comes back, the error of the stars, a new need."""
    return simulator.step_noise(1, torch.Generator().manual_seed(0)) | {
        "choice": torch.tensor([[choice]]),
        "return": torch.tensor([back]),
        "stars": torch.tensor([stars]),
        "need": torch.tensor([[need, 0.5]]),
    }


def worst_and_best(simulator: Shop) -> tuple[int, int]:
    """Return the products that disappoint and please most."""
    worth = simulator.world.products.quality - simulator.world.products.hype
    return int(worth.argmin()), int(worth.argmax())
