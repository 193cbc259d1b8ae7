"""Columns of which each entry may hold several values, such as genres: one way to take them apart for all rows."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterable, Sequence

from encoders.errors import UsageError

AUTO, LISTS, ONE = "auto", "lists", "none"
MARKS = ("|", ";", ",")
"""Separators looked for; of those that occur equally often, the first."""
NOTHING = ("", "(no genres listed)", "[]")
"""Entries that hold no value."""


def take_apart(entries: Sequence[str], separator: str, spaces: bool) -> tuple[list[list[str]], str]:
    """Return the distinct values of every entry, in order, and how they were taken apart.

    Args:
        entries: a column.
        separator: what stands between values; `lists` where an entry is a list as JSON or Python write it, `none` where
            it is one value, `auto` to find out from the whole column.
        spaces: whether a space may be the separator (in RecBole's `token_seq` it is).

    Raises:
        UsageError: if the separator is empty.
    """
    if not separator:
        raise UsageError(f'the separator of genres is empty; give the text between two of them, "{AUTO}" or "{ONE}"')
    filled = [entry.strip() for entry in entries if entry.strip() not in NOTHING]
    found = _find_separator(filled, spaces) if separator == AUTO else separator
    return [list(dict.fromkeys(_values(entry.strip(), found))) for entry in entries], found


def _find_separator(filled: Sequence[str], spaces: bool) -> str:
    """Return the separator that speaks from all entries together."""
    if sum(_as_list(entry) is not None for entry in filled) > len(filled) / 2:
        return LISTS
    counts = {mark: sum(mark in entry for entry in filled) for mark in MARKS}
    mark = max(MARKS, key=counts.__getitem__)
    if counts[mark]:
        return ONE if mark == "," and _are_names(filled, mark) else mark
    return ONE if not spaces or _are_names(filled, " ") else " "


def _are_names(filled: Sequence[str], mark: str) -> bool:
    """Say whether the mark belongs to names, as in `Home & Kitchen` or `Clothing, Shoes & Jewelry`.

    It does where a part of an entry is no word, or where entries recur but the parts of one occur in no other.
    """
    parts_of = {entry: [part.strip() for part in entry.split(mark)] for entry in filled}
    if any(part and not any(map(str.isalnum, part)) for parts in parts_of.values() for part in parts):
        return True
    several = [parts for parts in parts_of.values() if len(parts) > 1]
    entries_with = Counter(part for parts in parts_of.values() for part in set(parts))
    alone = all(entries_with[part] == 1 for parts in several for part in parts)
    return bool(several) and alone and len(filled) >= 2 * len(parts_of)


def _values(entry: str, separator: str) -> Iterable[str]:
    if entry in NOTHING:
        return ()
    if separator == ONE:
        return (entry,)
    if separator == LISTS:
        listed = _as_list(entry)
        return (entry,) if listed is None else listed
    return (part.strip() for part in entry.split(separator) if part.strip())


def _as_list(entry: str) -> list[str] | None:
    """Return what a list such as `["Drama", "War"]`, `'Movies & TV', 'Books'` or `[{'name': 'Drama'}]` holds."""
    if entry[:1] not in ("[", "'", '"'):
        return None
    written = entry if entry.startswith("[") else f"[{entry}]"
    for parse in (json.loads, ast.literal_eval):
        try:
            listed = parse(written)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        named = [value.get("name") if isinstance(value, dict) else value for value in listed]
        words = [value.strip() for value in named if isinstance(value, str)]
        if len(words) == len(named):
            return [word for word in words if word]
    return None
