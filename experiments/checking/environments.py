"""What every environment has to do, whoever wrote it."""

from collections.abc import Callable
from typing import Any

from experiments.checking import forms, keeping, repeating, showing, standards

ENVIRONMENT_CHECKS: tuple[Callable[[Any], None], ...] = (
    *forms.CHECKS,
    *showing.CHECKS,
    *repeating.CHECKS,
    *keeping.CHECKS,
    *standards.CHECKS,
)
"""Functions of a simulator, each of which raises `CheckFailed` with a sentence if something does not hold."""
