"""Files of columns that declare no types: csv with a header, and MovieLens' older files without one."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from encoders.errors import UsageError
from envs.tables.table import Table, read_content

ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
"""Tried in turn; the last one reads anything."""
SEPARATORS = (",", ";", "\t", "|")


def read_csv(path: Path) -> Table:
    """Read a file with a header, whose columns are separated by what occurs most often in that header.

    Raises:
        UsageError: if it is empty, or the header or the columns of a line are malformed.
        Failure: if it cannot be read.
    """
    names, rows = _csv_rows(path, _decode(read_content(path)))
    if not rows:
        raise UsageError(f"{path} has no line below its header; give it one line for each entry")
    return _table(path, names, rows)


def read_header(path: Path) -> list[str]:
    """Return the names of the columns of a csv file.

    Raises:
        UsageError: if it has no header.
        Failure: if it cannot be read.
    """
    return _csv_rows(path, _decode(read_content(path, first_line=True)))[0]


def read_plain(path: Path, separator: str, names: Sequence[str]) -> Table:
    """Read a file without header or quotation, such as MovieLens' `1::Toy Story (1995)::Animation|Comedy`.

    Raises:
        UsageError: if it is empty, or a line has another number of columns than there are `names`.
        Failure: if it cannot be read.
    """
    lines = _decode(read_content(path)).replace("\r\n", "\n").split("\n")
    return _table(path, names, [(at, line.split(separator)) for at, line in enumerate(lines, start=1) if line.strip()])


def _decode(content: bytes) -> str:
    for encoding in ENCODINGS[:-1]:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode(ENCODINGS[-1])


def _csv_rows(path: Path, text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and, with their lines, the rows below it."""
    first = text.partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows, line = [], 1
    try:
        for row in reader:
            if row:
                rows.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"{path}, line {line}: {error}; correct the quotation marks of that line") from error
    if not rows:
        raise UsageError(f"{path} is empty; give it a header with the names of its columns")
    return [name.strip() for name in rows[0][1]], rows[1:]


def _table(path: Path, names: Sequence[str], numbered: Sequence[tuple[int, list[str]]]) -> Table:
    for number, name in enumerate(names, start=1):
        if name in names[: number - 1]:
            raise UsageError(f"{path}, line 1, column {number}: {name!r} occurs twice; rename one of them")
    for line, row in numbered:
        if len(row) != len(names):
            raise UsageError(
                f"{path}, line {line}: {len(row)} columns where there should be {len(names)} ({', '.join(names)}); "
                "quote what holds a separator, and leave no column out"
            )
    if not numbered:
        raise UsageError(f"{path} is empty; give it one line for each entry")
    lines, rows = zip(*numbered, strict=True)
    return Table(path=path, columns=dict(zip(names, zip(*rows, strict=True), strict=True)), lines=lines)
