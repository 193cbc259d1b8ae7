"""Someone else's environment, one file and one call of `register`, keeps the contract of ours."""

from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium as gym
import pytest
from conformance import EnvironmentConformance

import envs


class TestToy(EnvironmentConformance):
    """`tests/toy.py`."""

    env_id: ClassVar[str] = "slatelab/Toy-v0"
    simulator_path: ClassVar[str] = "toy:Toy"

    @pytest.fixture(autouse=True)
    def _registered(self) -> None:
        if self.env_id not in envs.known_ids():
            envs.register(self.env_id, self.simulator_path)


def test_the_module_of_an_environment_can_stand_before_its_name() -> None:
    for name in ("toy:Toy-v0", "toy:slatelab/Toy-v0"):
        assert envs.simulator_class(name).__name__ == "Toy"


def test_a_setting_reaches_the_simulator(kernel: Callable[[str], Any]) -> None:
    import toy  # noqa: F401 (it registers itself)

    env = gym.make("slatelab/Toy-v0", time_limit=2, tiring=0.0)
    env.reset(seed=0)
    assert env.unwrapped.vector.simulator.time_limit == 2
    assert kernel("toy:Toy").time_limit == 12
