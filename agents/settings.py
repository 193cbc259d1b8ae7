"""Refuse settings that cannot be, all in the same words; None is a value that is worked out later, and passes."""

from collections.abc import Callable
from typing import Any


def check_shares(settings: Any, *names: str) -> None:
    """Refuse settings outside [0, 1]."""
    refuse(settings, names, "lies in [0, 1]", lambda value: 0 <= value <= 1)


def check_above_zero(settings: Any, *names: str) -> None:
    """Refuse settings that are not above 0."""
    refuse(settings, names, "is above 0", lambda value: value > 0)


def check_at_least(settings: Any, least: int, *names: str) -> None:
    """Refuse settings below the least that makes sense."""
    refuse(settings, names, f"is at least {least}", lambda value: value >= least)


def refuse(settings: Any, names: tuple[str, ...], rule: str, holds: Callable[[Any], bool]) -> None:
    """Refuse settings that break a rule.

    Raises:
        ValueError: naming the first that does.
    """
    for name in names:
        value = getattr(settings, name)
        if value is not None and not holds(value):
            raise ValueError(f"{name} is {value}; it {rule}")
