"""What every environment has to do, and what its adapters do with it: inherit `EnvironmentConformance` and name the id.

class TestMine(EnvironmentConformance):
    env_id = "slatelab/Mine-v0"
    simulator_path = "mine:Mine"
"""

import copy
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from conformance.gymnasium_wrappers import Wrapped
from conformance.observations import Observations
from conformance.ownership import Ownership
from conformance.refusals import Refusals
from conformance.repeatability import Repeatability
from conformance.sessions import Sessions
from conformance.standards import Standards
from conformance.trajectories import DEVICES
from experiments.checking.environments import ENVIRONMENT_CHECKS
from experiments.checking.verdicts import judge

__all__ = ["EnvironmentConformance"]


class EnvironmentConformance(Standards, Observations, Repeatability, Sessions, Ownership, Refusals, Wrapped):
    """The tests, on every device there is; a subclass says which environment."""

    env_id: ClassVar[str]
    simulator_path: ClassVar[str]

    @pytest.fixture(params=DEVICES)
    def simulator(self, kernel: Callable[..., Any], request: pytest.FixtureRequest) -> Any:
        return kernel(self.simulator_path, request.param)

    @pytest.mark.parametrize("check", ENVIRONMENT_CHECKS, ids=lambda check: check.__name__)
    def test_it_passes_the_check(self, simulator: Any, check: Callable[[Any], None]) -> None:
        """What `slatelab check` finds in an environment of anybody's."""
        verdict = judge(check, simulator)
        if verdict.open:
            pytest.skip(verdict.open)
        assert not verdict.fault

    @pytest.fixture
    def short(self, simulator: Any) -> Any:
        """The same environment, with sessions of three slates at most."""
        limited = copy.copy(simulator)
        limited.time_limit = 3
        return limited
