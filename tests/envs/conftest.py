"""What the tests of `envs` share: each simulator is built once, since it holds no state of a session."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.register_assert_rewrite("conformance")


@pytest.fixture(scope="session")
def kernel() -> Callable[[str], Any]:
    """Return the simulator of an id, on the CPU, with the tiny encoder."""
    from envs import make_simulator

    built: dict[str, Any] = {}

    def of(simulator: str) -> Any:
        if simulator not in built:
            built[simulator] = make_simulator(simulator, "cpu", encoder="tiny")
        return built[simulator]

    return of
