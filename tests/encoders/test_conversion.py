"""A value is taken as the annotation of its setting says, or refused in a sentence."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from encoders.conversion import check_finite, convert
from encoders.errors import UsageError


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (int, np.int64(3), 3),
        (float, 2, 2.0),
        (float, np.float32(0.5), 0.5),
        (float | None, "None", None),
        (tuple[float, ...], [1, np.float64(2)], (1.0, 2.0)),
        (Literal["a", "b"], "b", "b"),
        (Path, "x", Path("x")),
        (bool, True, True),
    ],
)
def test_what_can_stand_for_a_setting_is_taken(hint: Any, value: Any, expected: Any) -> None:
    found = convert(hint, value, "size")
    assert found == expected
    assert type(found) is type(expected)


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5


@dataclass(frozen=True)
class Outer:
    size: float = 1.0
    sizes: tuple[float, ...] = ()
    inner: Inner = Inner()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300, np.float64("nan")])
def test_a_number_that_no_tensor_holds_is_refused(value: float) -> None:
    for name, settings in (
        ("size", Outer(size=value)),
        ("sizes", Outer(sizes=(1.0, value))),
        ("inner: rate", Outer(inner=Inner(rate=value))),
    ):
        with pytest.raises(UsageError, match=f"{name} is .*finite, and of a size that float32 can hold"):
            check_finite(settings)
    check_finite(Outer(size=3.4e38))


@pytest.mark.parametrize(
    ("hint", "value", "sentence"),
    [
        (int, "four", "size is 'four', expected int"),
        (int, 4.0, "size is 4.0, expected int"),
        (int, True, "size is True, expected int"),
        (float, 10**400, "size is 1000.*, expected float"),
        (float, "much", "size is 'much', expected float"),
        (bool, 1, "size is 1, expected bool"),
        (Literal["user", "text"], "txt", "size is 'txt', expected one of user, text"),
        (tuple[int, int], [1], "size has 1 entries, expected 2"),
    ],
)
def test_what_cannot_is_refused_in_a_sentence(hint: Any, value: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        convert(hint, value, "size")
