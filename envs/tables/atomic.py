"""One atomic file: a tab-separated table whose header gives every column's name and type."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from encoders.errors import UsageError
from envs.tables.table import Table, read_content

TYPES = ("token", "token_seq", "float", "float_seq")


def read_atomic(path: Path) -> Table:
    """Read one atomic file.

    Entries in quotation marks are read as RecBole reads them (within, a mark is doubled, and tabs and line ends are
    text), unless some mark of the file does not fit that form: then all marks are text.

    Raises:
        UsageError: if it is empty or not UTF-8, or its header or the columns of a line are malformed.
        Failure: if it cannot be read.
    """
    try:
        text = read_content(path).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}: the text is not UTF-8; save the file as UTF-8") from error
    header, _, body = text.partition("\n")
    if not body.strip("\n "):
        what = "has a header but no line below it" if header else "is empty"
        raise UsageError(f"{path} {what}; give it a header such as item_id:token and one line for each entry")
    types = _parse_header(path, header)
    numbered = _quoted_rows(body, len(types)) or list(enumerate(_plain_rows(body), start=2))
    for line, row in numbered:
        if len(row) != len(types):
            raise UsageError(
                f"{path}, line {line}: {len(row)} columns where the header has {len(types)}; "
                "separate columns with one tab, and leave none out"
            )
    lines, rows = zip(*numbered, strict=True)
    return Table(path=path, columns=dict(zip(types, zip(*rows, strict=True), strict=True)), lines=lines, types=types)


def _plain_rows(body: str) -> list[list[str]]:
    """Split every line at its tabs; blank lines at the end are no rows."""
    lines = body.split("\n")
    while not lines[-1].strip(" "):
        lines.pop()
    return [line.split("\t") for line in lines]


def _quoted_rows(body: str, width: int) -> list[tuple[int, list[str]]]:
    """Return line and entries of every row if any are quoted, all well and `width` in every row; else nothing."""
    if not (body.startswith('"') or '\t"' in body or '\n"' in body):
        return []
    reader = csv.reader(io.StringIO(body, newline=""), delimiter="\t", strict=True)
    rows, line = [], 2
    try:
        for row in reader:
            if row:
                rows.append((line, row))
            line = reader.line_num + 2
    except csv.Error:
        return []
    return rows if all(len(row) == width for _, row in rows) else []


def _parse_header(path: Path, line: str) -> dict[str, str]:
    """Return the type of every field in a header such as `user_id:token<TAB>rating:float`."""
    if "," in line and "\t" not in line:
        raise UsageError(
            f"{path}, line 1: the columns are separated by commas, and atomic files by tabs; write tabs instead, or "
            "name the file NAME.csv with plain column names in its header"
        )
    types: dict[str, str] = {}
    for number, entry in enumerate(line.split("\t"), start=1):
        name, separator, kind = entry.strip().strip('"').partition(":")
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
