"""Which column of a file holds what: named, or recognised by its name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from encoders.errors import UsageError
from envs.tables.sequences import AUTO
from envs.tables.table import Table

NO_COLUMN = "none"
"""Asked for where a column that is recognised is not wanted."""
KNOWN: dict[str, tuple[str, ...]] = {
    "user": ("user_id", "user", "uid", "reviewer_id", "rater_id", "customer_id"),
    "item": (
        *("item_id", "item", "movie_id", "book_id", "product_id", "business_id", "artist_id", "song_id", "track_id"),
        *("anime_id", "game_id", "isbn", "asin"),
    ),
    "rating": ("rating", "ratings", "stars", "score", "overall", "book_rating"),
    "time": ("timestamp", "time", "date", "datetime", "unix_review_time"),
    "title": ("title", "movie_title", "book_title", "item_name", "name"),
    "genre": ("genre", "genres", "class", "categories", "category"),
}
"""Names that are recognised, the first there is; capitals, spaces, `_` and `-` do not count."""


@dataclass(frozen=True, kw_only=True)
class Fields:
    """Name the columns of ratings and items; an empty name stands for the first column that looks like it."""

    user: str = ""
    """Who rated."""
    item: str = ""
    """What was rated; the same name in both files."""
    rating: str = ""
    """How well it was liked."""
    time: str = ""
    """When; the order of the lines where there is none."""
    title: str = ""
    """What people are shown."""
    genre: str = ""
    """Genres; `none` for no genres."""
    genre_separator: str = AUTO
    """What stands between genres, see `envs.tables.sequences.take_apart`."""
    texts: tuple[str, ...] = ()
    """More columns that the encoder reads, behind title and genres."""


def find_column(table: Table, what: str, asked: str) -> str | None:
    """Return the name of the column that holds `what`: the one asked for, else the first known one, else None."""
    if asked == NO_COLUMN and asked not in table.columns:
        return None
    return asked or recognise(what, table.columns)


def choose_column(table: Table, what: str, asked: str) -> str:
    """Return the name of the column that holds `what`.

    Raises:
        UsageError: no column is asked for, and none looks like it.
    """
    name = find_column(table, what, asked)
    if name is None:
        raise UsageError(
            f"{table.path}, line 1: no column looks like a {what} (looked for {', '.join(KNOWN[what])}; there are: "
            f"{', '.join(table.columns)}); name it with {what}_field (--env.{what}-field; "
            f"slatelab pipeline: --fields.{what})"
        )
    return name


def recognise(what: str, names: Iterable[str]) -> str | None:
    """Return the first name by which `what` is known that is among the names, or None."""
    plain = {_plain(name): name for name in reversed(list(names))}
    return next((plain[_plain(known)] for known in KNOWN[what] if _plain(known) in plain), None)


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")
