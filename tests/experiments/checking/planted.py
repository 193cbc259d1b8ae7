"""Faults that are planted, each with the check that has to find it and words of the sentence."""

from collections.abc import Callable
from typing import Any

from experiments.checking.checker import check_found, quick_settings
from experiments.checking.finding import find
from experiments.checking.verdicts import Verdict

Fault = tuple[type[Any], str, str]


def planting(faults: list[Fault]) -> Callable[[str, str], Callable[[type[Any]], type[Any]]]:
    """Return a decorator that keeps a faulty class in a list."""

    def planted(name: str, sentence: str) -> Callable[[type[Any]], type[Any]]:
        def keep(cls: type[Any]) -> type[Any]:
            faults.append((cls, name, sentence))
            return cls

        return keep

    return planted


class _Enough(Exception):  # noqa: N818 (it ends a check early)
    """The check that was waited for has been made."""


def found_by(faulty: type[Any], name: str) -> str:
    """Check a class as far as one of the checks, and return what that one finds."""
    verdicts: dict[str, Verdict] = {}

    def watch(verdict: Verdict) -> None:
        verdicts[verdict.name] = verdict
        if verdict.name == name:
            raise _Enough

    found = find(faulty)
    try:
        check_found(found, quick_settings(found, {}), watch=watch)
    except _Enough:
        return verdicts[name].fault
    raise AssertionError(f"there is no check {name}")
