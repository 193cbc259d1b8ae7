"""What the tests of `envs` share: each simulator is built once, since it holds no state of a session."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.register_assert_rewrite("conformance")


@pytest.fixture(scope="session")
def kernel() -> Callable[[str], Any]:
    """Return the simulator of an id, on the CPU, with the tiny encoder if it reads text."""
    from conformance import small_settings

    from envs import make_simulator

    built: dict[str, Any] = {}

    def of(simulator: str) -> Any:
        if simulator not in built:
            built[simulator] = make_simulator(simulator, "cpu", **small_settings(simulator))
        return built[simulator]

    return of
