"""What the tests of Feed-v0 share."""

from collections.abc import Callable
from typing import Any

import pytest

import envs
from envs.feed.simulator import Feed


@pytest.fixture
def feed(kernel: Callable[[str], Any]) -> Feed:
    """Return the environment."""
    simulator: Feed = kernel(envs.ENVIRONMENTS["slatelab/Feed-v0"])
    return simulator


@pytest.fixture
def control(kernel: Callable[[str], Any]) -> Feed:
    """Return its negative control."""
    simulator: Feed = kernel(envs.ENVIRONMENTS["slatelab/FeedMyopic-v0"])
    return simulator
