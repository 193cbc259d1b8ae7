"""What the tests of `envs` share: each simulator is built once, since it holds no state of a session."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.register_assert_rewrite("conformance")


@pytest.fixture(scope="session")
def kernel() -> Callable[..., Any]:
    """Return the simulator of an import path, on the CPU or another device, with the tiny encoder if it reads text."""
    from conformance.trajectories import small_settings

    from envs import make_simulator
    from experiments.checking.comparing import global_numbers_used

    built: dict[tuple[str, str], Any] = {}

    def of(simulator: str, device: str = "cpu") -> Any:
        if (simulator, device) not in built:

            def build() -> None:
                built[simulator, device] = make_simulator(simulator, device, **small_settings(simulator))

            assert not global_numbers_used(build), "building it touches global random numbers"
        return built[simulator, device]

    return of
