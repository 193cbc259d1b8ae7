"""Values become what a setting's annotation says, wherever they come from: Python, TOML or a flag."""

import dataclasses
import difflib
import numbers
import typing
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

from encoders.errors import UsageError

NUMBERS: dict[Any, type] = {int: numbers.Integral, float: numbers.Real}
"""Number type to what may stand for it; numpy's numbers too."""
LARGEST = 3.4028234663852886e38
"""Of float32."""


def convert(hint: Any, value: Any, name: str) -> Any:
    """Return a value from Python or TOML as the annotated type of a setting.

    Raises:
        UsageError: it is of another type.
    """
    wrong = UsageError(f"{name} is {value!r}, expected {getattr(hint, '__name__', hint)}")
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, UnionType):
        return _convert_union(options, value, name, wrong)
    if origin is typing.Literal:
        if value in options:
            return value
        near = difflib.get_close_matches(str(value), map(str, options), n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise UsageError(f"{name} is {value!r}, expected one of {', '.join(map(str, options))}{hint}")
    if origin in (tuple, list) and isinstance(value, list | tuple):
        return _convert_sequence(origin, options, value, name)
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint in NUMBERS and isinstance(value, NUMBERS[hint]) and not isinstance(value, bool):
        try:
            return hint(value)
        except OverflowError:  # a whole number of more than 300 digits
            raise wrong from None
    kind = origin or hint
    if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise wrong


def check_finite(settings: Any, where: str = "") -> None:
    """Refuse settings that hold infinity, what is not a number or more than a tensor's float32 can hold, at any depth.

    Args:
        settings: a dataclass; anything else holds nothing.
        where: what stands before a name in the message.

    Raises:
        UsageError: naming the first.
    """
    if not dataclasses.is_dataclass(settings):
        return
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        check_finite(value, f"{where}{field.name}: ")
        if not _is_finite(value):
            raise UsageError(
                f"{where}{field.name} is {value}; it has to be finite, and of a size that float32 can hold"
            )


def _is_finite(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or abs(value) <= LARGEST


def _convert_union(options: tuple[Any, ...], value: Any, name: str, wrong: UsageError) -> Any:
    if NoneType in options and value in (None, "None"):
        return None
    for option in options:
        try:
            return convert(option, value, name)
        except UsageError:
            continue
    raise wrong


def _convert_sequence(origin: Any, options: tuple[Any, ...], values: Any, name: str) -> Any:
    if not options:
        return origin(values)
    repeated = origin is list or (len(options) == 2 and options[1] is Ellipsis)
    hints = [options[0]] * len(values) if repeated else list(options)
    if len(hints) != len(values):
        raise UsageError(f"{name} has {len(values)} entries, expected {len(hints)}")
    return origin(convert(hint, value, name) for hint, value in zip(hints, values, strict=True))
