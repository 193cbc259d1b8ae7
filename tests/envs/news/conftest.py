"""What the tests of News-v0 share."""

from collections.abc import Callable
from typing import Any

import pytest

import envs
from envs.news.simulator import News


@pytest.fixture
def news(kernel: Callable[[str], Any]) -> News:
    """Return the environment."""
    simulator: News = kernel(envs.ENVIRONMENTS["slatelab/News-v0"])
    return simulator


@pytest.fixture
def control(kernel: Callable[[str], Any]) -> News:
    """Return its negative control."""
    simulator: News = kernel(envs.ENVIRONMENTS["slatelab/NewsMyopic-v0"])
    return simulator
