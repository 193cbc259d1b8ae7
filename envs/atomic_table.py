"""One atomic file: a tab-separated table whose header gives every column's name and type."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.errors import Failure, UsageError

TYPES = ("token", "token_seq", "float", "float_seq")


@dataclass(frozen=True)
class Table:
    """Hold an atomic file as columns of text, one entry for each line after the header."""

    path: Path
    types: dict[str, str]
    """Type of every field, by name."""
    columns: dict[str, tuple[str, ...]]
    """Entries of every field, by name, all of one length."""

    def require(self, name: str, *types: str) -> tuple[str, ...]:
        """Return the column `name`, which must have one of `types`."""
        if name not in self.columns:
            raise UsageError(
                f"{self.path}, line 1: there is no column {name}:{types[0]} (there are: "
                f"{', '.join(f'{field}:{kind}' for field, kind in self.types.items())}); add it"
            )
        if self.types[name] not in types:
            raise UsageError(
                f"{self.path}, line 1: column {name} has the type {self.types[name]}; make it {' or '.join(types)}"
            )
        return self.columns[name]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return the column `name` of type float as finite numbers, float64 (lines,)."""
        texts = self.require(name, "float")
        try:
            numbers = np.array(list(map(float, texts)), dtype=np.float64)
        except ValueError:
            line, text = next((at, text) for at, text in enumerate(texts, start=2) if not _is_number(text))
            raise UsageError(
                f"{self.path}, line {line}, column {name}: {text!r} is not a number; correct or drop the line"
            ) from None
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise UsageError(
                f"{self.path}, line {row + 2}, column {name}: {texts[row]!r} is not finite; correct or drop the line"
            )
        return numbers


def read_table(path: Path) -> Table:
    """Read one atomic file.

    Raises:
        UsageError: if it is empty or not UTF-8, or its header or the columns of a line are malformed.
        Failure: if it cannot be read.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}: the text is not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}; check that it is a file you may read") from error
    while lines and not lines[-1].strip("\n "):
        lines.pop()
    if len(lines) < 2:
        what = "is empty" if not lines else "has a header but no line below it"
        raise UsageError(f"{path} {what}; give it a header such as item_id:token and one line for each entry")
    types = _parse_header(path, lines[0])
    rows = [line.split("\t") for line in lines[1:]]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(types):
            raise UsageError(
                f"{path}, line {number}: {len(row)} columns where the header has {len(types)}; "
                "separate columns with one tab, and leave none out"
            )
    columns = dict(zip(types, zip(*rows, strict=True), strict=True))
    return Table(path, types, columns)


def _parse_header(path: Path, line: str) -> dict[str, str]:
    """Return the type of every field in a header such as `user_id:token<TAB>rating:float`."""
    types: dict[str, str] = {}
    for number, entry in enumerate(line.split("\t"), start=1):
        name, separator, kind = entry.strip().partition(":")
        if not name or not separator:
            raise UsageError(
                f"{path}, line 1, column {number}: {entry!r} is not name:type; write it as in rating:float"
            )
        if kind not in TYPES:
            raise UsageError(f"{path}, line 1, column {number}: unknown type {kind!r}; use one of {', '.join(TYPES)}")
        if name in types:
            raise UsageError(f"{path}, line 1, column {number}: {name} occurs twice; rename one of them")
        types[name] = kind
    return types


def _is_number(text: str) -> bool:
    """Say whether `float` reads the text."""
    try:
        float(text)
    except ValueError:
        return False
    return True
