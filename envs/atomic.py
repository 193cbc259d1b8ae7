"""RecBole's atomic files: tab-separated tables with `name:type` headers, the exchange format of the field.

A folder holds `NAME.inter` (who met what), `NAME.item` (what the items are) and perhaps `NAME.user`, which is
not read. The format is described under "Atomic Files" in RecBole's documentation, https://recbole.io/docs/
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.errors import UsageError
from envs.atomic_table import Table, read_table
from envs.catalog import DataSet, IntArray, Ratings, build_catalog

TITLE_FIELDS = ("title", "movie_title", "item_name", "name")
GENRE_FIELDS = ("genre", "genres", "class", "categories", "category")

_logger = logging.getLogger("slatelab.envs")


def load_atomic(folder: Path | str, title_field: str | None = None, genre_field: str | None = None) -> DataSet:
    """Load the data set in `folder`; its texts read `Title. Genres: A, b`.

    `NAME.inter` needs `user_id:token` and `item_id:token`. Without `rating:float` the feedback is implicit:
    every line is a rating of 1. Without `timestamp:float` the order of the lines is the time. Ratings keep
    their own scale; `star_range` is the least and the most that occur. Interactions with items that the .item
    file lacks are dropped, and their number is logged.

    Args:
        folder: where the files lie.
        title_field: the column of titles; else the first there is of `TITLE_FIELDS`.
        genre_field: the column of genres, split at commas, or at spaces where a line has no comma; else the
            first there is of `GENRE_FIELDS`, if any.

    Raises:
        UsageError: if a file is missing or malformed; the message names the file, the line and the column.
        Failure: if a file cannot be read.
    """
    folder = Path(folder)
    interactions = read_table(_find(folder, ".inter"))
    described = read_table(_find(folder, ".item"))
    name = interactions.path.stem
    item_ids = described.require("item_id", "token")
    _refuse_repeated(described.path, item_ids)
    titles = described.require(_choose(described, title_field, TITLE_FIELDS, "title"), "token_seq", "token")
    genre_field = genre_field or next((field for field in GENRE_FIELDS if field in described.columns), None)
    genres: Sequence[Sequence[str]] = [()] * len(item_ids)
    if genre_field is not None:
        genres = [_words(text) for text in described.require(genre_field, "token_seq", "token")]
    shown = [title.strip() or item_id for title, item_id in zip(titles, item_ids, strict=True)]
    catalog = build_catalog(item_ids, shown, genres)
    ratings = _ratings(interactions, item_ids)
    star_range = (float(ratings.stars.min()), float(ratings.stars.max()))
    return DataSet(name, catalog, ratings, star_range)


def _find(folder: Path, suffix: str) -> Path:
    """Return the only file of `folder` with that suffix."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; give the folder that holds the .inter and .item files")
    found = sorted(folder.glob(f"*{suffix}"))
    if len(found) == 1:
        return found[0]
    names = sorted(path.name for path in folder.iterdir())
    listed = ", ".join(names[:10]) + (", …" if len(names) > 10 else "") if names else "nothing"
    number = "no" if not found else "more than one"
    raise UsageError(f"there is {number} file NAME{suffix} in {folder} (there is: {listed}); leave one there")


def _choose(table: Table, asked: str | None, known: Sequence[str], what: str) -> str:
    """Return the name of a column: the one asked for, else the first known one that the table has."""
    if asked is not None:
        return asked
    for name in known:
        if name in table.columns:
            return name
    raise UsageError(
        f"{table.path}, line 1: no column looks like a {what} (looked for {', '.join(known)}; there are: "
        f"{', '.join(table.columns)}); name it with {what}_field"
    )


def _refuse_repeated(path: Path, item_ids: Sequence[str]) -> None:
    """Refuse an item id that occurs on two lines."""
    line_of: dict[str, int] = {}
    for line, item_id in enumerate(item_ids, start=2):
        if item_id in line_of:
            raise UsageError(
                f"{path}, line {line}, column item_id: {item_id!r} is already on line {line_of[item_id]}; "
                "keep one of the two lines"
            )
        line_of[item_id] = line


def _ratings(table: Table, item_ids: Sequence[str]) -> Ratings:
    """Return the ratings of the items in `item_ids`; what is about other items is dropped."""
    index_of = {item_id: index for index, item_id in enumerate(item_ids)}
    items = np.array([index_of.get(item_id, -1) for item_id in table.require("item_id", "token")], dtype=np.int64)
    known = items >= 0
    if not known.any():
        raise UsageError(f"{table.path}, column item_id: no item is in the .item file; use the same ids in both")
    if not known.all():
        _logger.warning("%s: dropped %d interactions with items that the .item file lacks", table.path, (~known).sum())
    number = len(items)
    user_ids, users = _number(table.require("user_id", "token"), known)
    stars = table.numbers("rating") if "rating" in table.columns else np.ones(number)
    times = table.numbers("timestamp") if "timestamp" in table.columns else np.arange(number)
    return Ratings(
        users=users,
        items=items[known],
        stars=stars[known].astype(np.float32),
        timestamps=times[known].astype(np.int64),
        user_ids=user_ids,
    )


def _number(names: Sequence[str], kept: NDArray[np.bool_]) -> tuple[tuple[str, ...], IntArray]:
    """Number the kept names from 0 as they first occur; return the distinct names and the numbers."""
    index_of: dict[str, int] = {}
    numbers = [
        index_of.setdefault(name, len(index_of)) for name, keep in zip(names, kept.tolist(), strict=True) if keep
    ]
    return tuple(index_of), np.array(numbers, dtype=np.int64)


def _words(text: str) -> list[str]:
    """Return the distinct entries of a `token_seq`, in order; some data sets separate them with commas."""
    words = text.split(",") if "," in text else text.split()
    return list(dict.fromkeys(word.strip() for word in words if word.strip()))
