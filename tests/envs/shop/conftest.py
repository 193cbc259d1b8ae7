"""What the tests of Shop-v0 share."""

from collections.abc import Callable
from typing import Any

import pytest

import envs
from envs.shop.simulator import Shop


@pytest.fixture
def shop(kernel: Callable[[str], Any]) -> Shop:
    """Return the environment."""
    simulator: Shop = kernel(envs.ENVIRONMENTS["slatelab/Shop-v0"])
    return simulator


@pytest.fixture
def control(kernel: Callable[[str], Any]) -> Shop:
    """Return its negative control."""
    simulator: Shop = kernel(envs.ENVIRONMENTS["slatelab/ShopMyopic-v0"])
    return simulator
