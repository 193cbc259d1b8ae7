"""What the tests of `envs` share: each simulator is built once, since it holds no state of a session."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.register_assert_rewrite("conformance")


@pytest.fixture(scope="session")
def kernel() -> Callable[..., Any]:
    """Return the simulator of an import path, on the CPU or another device, with the tiny encoder if it reads text."""
    from conformance.small_settings import small_settings

    from envs import make_simulator

    built: dict[tuple[str, str], Any] = {}

    def of(simulator: str, device: str = "cpu") -> Any:
        if (simulator, device) not in built:
            built[simulator, device] = make_simulator(simulator, device, **small_settings(simulator))
        return built[simulator, device]

    return of
