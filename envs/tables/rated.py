"""A table of ratings and a table of items made into a data set, and said in a few lines what they hold."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from encoders.errors import UsageError
from envs.catalog import Catalog, DataSet, IntArray, Ratings, build_catalog, merge_repeated
from envs.tables.fields import Fields, choose_column, find_column
from envs.tables.sequences import take_apart
from envs.tables.table import Table
from envs.titles import reading_order

MAX_GENRES = 2_000
SHOWN_GENRES, SHOWN_TEXTS, SHOWN_LETTERS = 8, 3, 100

_logger = logging.getLogger("slatelab.envs")


def assemble(name: str, rated: Table, described: Table, fields: Fields) -> DataSet:
    """Make a data set of who rated what and of what the items are; its texts read `Title. Genres: A, b`.

    Lines without a user or item id, and ratings of items that are not described, are dropped and counted. Several
    ratings of one item by one user become their mean. Without a column of ratings every line is a 1 (implicit
    feedback), and without one of times the order of the lines is the time. Ratings keep their own scale.

    Raises:
        UsageError: a column is missing or malformed; the message names file, line and column.
    """
    catalog, how = _catalog(described, fields)
    ratings = _ratings(rated, catalog.item_ids, described.path.name, fields)
    _logger.info("%s", _summary(rated, described, catalog, ratings, how))
    dataset = DataSet(name, catalog, ratings, (float(ratings.stars.min()), float(ratings.stars.max())))
    return merge_repeated(dataset)


def _catalog(table: Table, fields: Fields) -> tuple[Catalog, str]:
    """Return the items, and in words how their genres were found."""
    item_field = choose_column(table, "item", fields.item)
    item_ids = [item_id.strip() for item_id in table.require(item_field, "token")]
    kept = _filled_rows(table, item_ids, item_field)
    _refuse_repeated(table, item_field, item_ids, kept)
    title_field = choose_column(table, "title", fields.title)
    titles = [reading_order(title.strip()) for title in table.require(title_field, "token_seq", "token")]
    genre_field = find_column(table, "genre", fields.genre)
    genres: Sequence[list[str]] = [[] for _ in item_ids]
    how = "no genres"
    if genre_field is not None:
        entries = table.require(genre_field, "token_seq", "token")
        spaces = table.types.get(genre_field) == "token_seq"
        genres, separator = take_apart(entries, fields.genre_separator, spaces)
        how = f"genres from {genre_field} ({_apart(separator)})"
        _refuse_many_genres(table, genre_field, genres)
    catalog = build_catalog(
        [item_ids[row] for row in kept],
        [titles[row] or item_ids[row] for row in kept],
        [genres[row] for row in kept],
    )
    more = [table.require(text_field, "token_seq", "token") for text_field in fields.texts]
    texts = [
        _continued(text, [column[row].strip() for column in more])
        for row, text in zip(kept, catalog.texts, strict=True)
    ]
    return replace(catalog, texts=tuple(texts)), f"titles from {title_field}, {how}"


def _continued(text: str, more: Sequence[str]) -> str:
    """Return `Title. Genres: A, b. More`."""
    for sentence in more:
        if sentence:
            text += f"{'' if text[-1] in '.!?' else '.'} {sentence}"
    return text


def _ratings(table: Table, item_ids: Sequence[str], described_in: str, fields: Fields) -> Ratings:
    """Return the ratings by known users of the items in `item_ids`."""
    user_field, item_field = (choose_column(table, what, getattr(fields, what)) for what in ("user", "item"))
    user_of_row = [user_id.strip() for user_id in table.require(user_field, "token")]
    filled = np.array([bool(user_id) for user_id in user_of_row])
    if not filled.all():
        _logger.warning("%s: dropped %d lines without a %s", table.path, (~filled).sum(), user_field)
    index_of = {item_id: index for index, item_id in enumerate(item_ids)}
    items = np.array([index_of.get(item_id.strip(), -1) for item_id in table.require(item_field, "token")])
    known = items >= 0
    if not filled.any():
        raise UsageError(f"{table.path}, column {user_field}: no line has a user; name another with user_field")
    if not known.any():
        raise UsageError(f"{table.path}, column {item_field}: no item is in {described_in}; use the same ids in both")
    if not known.all():
        lacking = (~known).sum()
        _logger.warning("%s: dropped %d interactions with items that %s lacks", table.path, lacking, described_in)
    rating_field, time_field = (find_column(table, what, getattr(fields, what)) for what in ("rating", "time"))
    stars = np.ones(len(items)) if rating_field is None else table.numbers(rating_field)
    times = np.arange(len(items)) if time_field is None else table.times(time_field)
    if np.abs(stars).max() > np.finfo(np.float32).max:
        raise UsageError(f"{table.path}, column {rating_field}: a rating is beyond 3e38; use another unit")
    rows = np.flatnonzero(known & filled)
    user_ids, users = _number([user_of_row[row] for row in rows])
    return Ratings(users, items[rows], stars[rows].astype(np.float32), times[rows].astype(np.int64), user_ids)


def _filled_rows(table: Table, item_ids: Sequence[str], item_field: str) -> list[int]:
    """Return the rows with an item id."""
    kept = [row for row, item_id in enumerate(item_ids) if item_id]
    if len(kept) < len(item_ids):
        _logger.warning("%s: dropped %d lines without a %s", table.path, len(item_ids) - len(kept), item_field)
    return kept


def _refuse_repeated(table: Table, item_field: str, item_ids: Sequence[str], rows: Sequence[int]) -> None:
    """Refuse an item id that occurs on two lines."""
    row_of: dict[str, int] = {}
    for row in rows:
        first = row_of.setdefault(item_ids[row], row)
        if first != row:
            raise UsageError(
                f"{table.path}, line {table.lines[row]}, column {item_field}: {item_ids[row]!r} is already on line "
                f"{table.lines[first]}; keep one of the two lines"
            )


def _refuse_many_genres(table: Table, genre_field: str, genres: Sequence[Sequence[str]]) -> None:
    number = len({genre for entry in genres for genre in entry})
    if number > MAX_GENRES:
        raise UsageError(
            f"{table.path}, column {genre_field}: it holds {number:,} genres, and {MAX_GENRES:,} are the most; name "
            "another column with genre_field (--env.genre-field), none for no genres, or what stands between two "
            "genres with genre_separator"
        )


def _number(names: Sequence[str]) -> tuple[tuple[str, ...], IntArray]:
    """Number the names from 0 as they first occur; return the distinct names and the numbers."""
    index_of: dict[str, int] = {}
    numbers = [index_of.setdefault(name, len(index_of)) for name in names]
    return tuple(index_of), np.array(numbers, dtype=np.int64)


def _apart(separator: str) -> str:
    words = {"lists": "each a list", "none": "one each", " ": "split at spaces"}
    return words.get(separator, f"split at {separator}")


def _summary(rated: Table, described: Table, catalog: Catalog, ratings: Ratings, how: str) -> str:
    """Say in a few lines what was read."""
    low, tenth, middle, most, high = np.quantile(ratings.stars, (0, 0.1, 0.5, 0.9, 1))
    names = ", ".join(catalog.genre_names[:SHOWN_GENRES]) + (", …" if len(catalog.genre_names) > SHOWN_GENRES else "")
    texts = [text if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]}…" for text in catalog.texts[:SHOWN_TEXTS]]
    return "\n".join(
        [
            f"{rated.path.name}: {len(ratings):,} ratings by {len(ratings.user_ids):,} users, from {low:g} to {high:g} "
            f"(half are {middle:g} or less, eight tenths from {tenth:g} to {most:g})",
            f"{described.path.name}: {len(catalog):,} items; {how}",
            *([f"{len(catalog.genre_names):,} genres: {names}"] if names else []),
            *(f"  {text}" for text in texts),
        ]
    )
