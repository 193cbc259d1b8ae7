"""A short slice of the fuzz, the same cases every time; `.ci/run` runs the long one."""

import time
from pathlib import Path

import cases
import pytest
from cases import Case
from ways import WAYS

from encoders.errors import UsageError

CASES = {"data": 30, "toml": 15, "flags": 12, "checkpoints": 10, "slates": 15, "resets": 15, "texts": 8, "index": 30}


def test_every_way_in_has_its_slice() -> None:
    assert CASES.keys() == WAYS.keys()


@pytest.mark.parametrize("way", WAYS)
def test_what_comes_in_damaged_is_taken_or_refused_in_a_sentence(way: str, tmp_path: Path) -> None:
    for number in range(CASES[way]):
        folder = tmp_path / str(number)
        folder.mkdir()
        fault = cases.run(WAYS[way], Case(way, 0, number, folder))
        assert not fault, fault


def refused(case: Case) -> None:
    def refuse() -> None:
        raise UsageError("too much")

    case.note("a refusal")
    assert isinstance(case.attempt(refuse), UsageError)


def broken(case: Case) -> None:
    case.note("a breakdown")
    case.attempt(lambda: {}["nothing"])


def half(case: Case) -> None:
    (case.folder / ".state.part").touch()


def slow(case: Case) -> None:
    time.sleep(5)


@pytest.mark.parametrize(
    ("way", "words"), [(refused, ""), (broken, "KeyError: 'nothing'"), (half, "half-written"), (slow, "Hang")]
)
def test_a_fault_is_reported_with_the_line_that_repeats_it(
    way: cases.Way, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "SECONDS", 1)
    report = cases.run(way, Case("texts", 5, 17, tmp_path))
    assert words in report
    assert bool(report) == bool(words)
    if report:
        assert report.endswith("again: python tests/fuzz --way texts --seed 5 --first 17 --cases 1")


def test_a_case_is_the_same_whenever_it_is_tried(tmp_path: Path) -> None:
    one, other, next_ = (Case("index", 3, number, tmp_path) for number in (8, 8, 9))
    assert one.rng.random() == other.rng.random() != next_.rng.random()
