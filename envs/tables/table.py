"""A file as columns of text, whose faults are told with file, line and column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.errors import Failure, UsageError

MAX_TIME = 2.0**62
"""Seconds; times count by their order, so that what lies beyond may lie there."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Hold a file as columns of text, one entry for each row."""

    path: Path
    columns: dict[str, tuple[str, ...]]
    """Entries of every column, by name, all of one length."""
    lines: Sequence[int]
    """Where in the file each row begins, from 1."""
    types: dict[str, str] = field(default_factory=dict)
    """Type of every column, by name; empty where the file declares none."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    def require(self, name: str, *types: str) -> tuple[str, ...]:
        """Return the column `name`, which must have one of `types` where the file declares any."""
        if name not in self.columns:
            wanted = f"{name}:{types[0]}" if self.types else name
            raise UsageError(
                f"{self.path}, line 1: there is no column {wanted} (there are: {', '.join(self.declared())}); add it"
            )
        if self.types and self.types[name] not in types:
            raise UsageError(
                f"{self.path}, line 1: column {name} has the type {self.types[name]}; make it {' or '.join(types)}"
            )
        return self.columns[name]

    def declared(self) -> list[str]:
        """Return the columns as the file's header has them."""
        return [f"{name}:{self.types[name]}" if self.types else name for name in self.columns]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return the column `name` as finite numbers, float64 (rows,)."""
        texts = self.require(name, "float")
        try:
            numbers = np.array(list(map(float, texts)), dtype=np.float64)
        except ValueError:
            row = next(row for row, text in enumerate(texts) if not _is_number(text))
            raise self._wrong(name, row, "is not a number") from None
        if not np.isfinite(numbers).all():
            raise self._wrong(name, int(np.flatnonzero(~np.isfinite(numbers))[0]), "is not finite")
        return numbers

    def times(self, name: str) -> NDArray[np.int64]:
        """Return the column `name`, numbers or dates such as 2015-03-01 12:30, as whole seconds, int64 (rows,)."""
        texts = self.require(name, "float", "token")
        if not _is_number(texts[0]):
            try:
                return np.array(texts, dtype="datetime64[s]").astype(np.int64)
            except ValueError:
                pass
        return self.numbers(name).clip(-MAX_TIME, MAX_TIME).astype(np.int64)

    def _wrong(self, name: str, row: int, fault: str) -> UsageError:
        return UsageError(
            f"{self.path}, line {self.lines[row]}, column {name}: {self.columns[name][row]!r} {fault}; "
            "correct or drop the line"
        )


def read_content(path: Path, first_line: bool = False) -> bytes:
    """Return a file's bytes, or those of its first line.

    Raises:
        Failure: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.readline() if first_line else file.read()
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}; check that it is a file you may read") from error


def _is_number(text: str) -> bool:
    """Say whether `float` reads the text."""
    try:
        float(text)
    except ValueError:
        return False
    return True
