"""What can be recommended (a catalogue) and who rated what (ratings): the arrays every loader returns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from encoders.errors import UsageError
from envs.fingerprints import fingerprint

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]

_logger = logging.getLogger("slatelab.envs")


@dataclass(frozen=True, eq=False)
class Catalog:
    """Hold N items: what they are called, the text an encoder reads, and which of G genres they have.

    Raises:
        UsageError: at construction, if there is no item, the lengths disagree or an item id occurs twice.
    """

    item_ids: tuple[str, ...]
    """The source's own id of every item (N), unique."""
    titles: tuple[str, ...]
    """What people are shown (N), such as `Heat (1995)`; may repeat."""
    texts: tuple[str, ...]
    """What encoders read (N), such as `Heat (1995). Genres: Action, Crime`."""
    genre_names: tuple[str, ...]
    """Names of the columns of `genres` (G); may be empty."""
    genres: FloatArray
    """Multi-hot genres, float32 (N, G), each 0 or 1."""

    def __post_init__(self) -> None:
        """Refuse a catalogue that cannot be right."""
        number = len(self.item_ids)
        if number == 0:
            raise UsageError("the catalogue is empty: give it at least one item, or loosen what filters items out")
        lengths = {"titles": len(self.titles), "texts": len(self.texts), "rows of genres": len(self.genres)}
        for name, length in lengths.items():
            if length != number:
                raise UsageError(f"the catalogue has {number} item ids but {length} {name}; give one for each item")
        if self.genres.ndim != 2 or self.genres.shape[1] != len(self.genre_names):
            raise UsageError(
                f"the genres have shape {self.genres.shape}; make it ({number}, {len(self.genre_names)}), "
                "one column for each genre name"
            )
        repeated = _first_repeated(self.item_ids)
        if repeated is not None:
            raise UsageError(f"the item id {repeated!r} occurs twice in the catalogue; keep one item for each id")

    def __len__(self) -> int:
        """Return the number of items, N."""
        return len(self.item_ids)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that the catalogue holds."""
        return fingerprint(self.item_ids, self.titles, self.texts, self.genre_names, self.genres)

    def take(self, indices: IntArray) -> Catalog:
        """Return a catalogue of the items at `indices` (n,), int64 in [0, N), in that order."""
        rows = [int(index) for index in indices]
        return Catalog(
            item_ids=tuple(self.item_ids[row] for row in rows),
            titles=tuple(self.titles[row] for row in rows),
            texts=tuple(self.texts[row] for row in rows),
            genre_names=self.genre_names,
            genres=self.genres[indices],
        )


@dataclass(frozen=True, eq=False)
class Ratings:
    """Hold R ratings as parallel arrays, with U raters.

    Raises:
        UsageError: at construction, if the lengths disagree, an index is out of range, a rating is not finite
            or a rater id occurs twice.
    """

    users: IntArray
    """Who rated, int64 (R,), index into `user_ids`."""
    items: IntArray
    """What was rated, int64 (R,), index into the catalogue."""
    stars: FloatArray
    """How well it was liked, float32 (R,), finite, on the source's own scale."""
    timestamps: IntArray
    """When, int64 (R,), seconds since 1970; the line number where the source has no times."""
    user_ids: tuple[str, ...]
    """The source's own id of every rater (U), unique."""

    def __post_init__(self) -> None:
        """Refuse ratings that cannot be right."""
        number = len(self.users)
        shapes = {
            "items": self.items.shape,
            "stars": self.stars.shape,
            "timestamps": self.timestamps.shape,
        }
        for name, shape in shapes.items():
            if shape != (number,):
                raise UsageError(f"there are {number} ratings but {name} has shape {shape}; give one for each")
        if number and (self.users.min() < 0 or self.users.max() >= len(self.user_ids)):
            raise UsageError(f"a rating's user is outside [0, {len(self.user_ids)}); index into user_ids")
        if number and self.items.min() < 0:
            raise UsageError("a rating's item is negative; index into the catalogue")
        if not np.isfinite(self.stars).all():
            raise UsageError("a rating is not a finite number; drop the ratings that are NaN or infinite")
        repeated = _first_repeated(self.user_ids)
        if repeated is not None:
            raise UsageError(f"the rater id {repeated!r} occurs twice; keep one rater for each id")

    def __len__(self) -> int:
        """Return the number of ratings, R."""
        return len(self.users)

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Ratings:
        """Return the ratings at `rows`, int64 (r,) or a mask (R,); every rater id stays, rated or not."""
        return Ratings(self.users[rows], self.items[rows], self.stars[rows], self.timestamps[rows], self.user_ids)


@dataclass(frozen=True, eq=False)
class DataSet:
    """Hold a catalogue and the ratings of its items.

    Raises:
        UsageError: at construction, if a rating is of an item outside the catalogue or off the scale.
    """

    name: str
    """What reports call it, such as `movielens-latest-small`."""
    catalog: Catalog
    """The items (N)."""
    ratings: Ratings
    """Who rated what (R)."""
    star_range: tuple[float, float] = field(default=(0.5, 5.0))
    """The least and the most a rating can be, on the source's own scale; equal for implicit feedback."""

    def __post_init__(self) -> None:
        """Refuse ratings that do not fit the catalogue or the scale."""
        stars, items = self.ratings.stars, self.ratings.items
        if len(items) and items.max() >= len(self.catalog):
            raise UsageError(f"a rating's item is outside [0, {len(self.catalog)}); index into the catalogue")
        low, high = self.star_range
        if len(stars) and (stars.min() < low or stars.max() > high):
            raise UsageError(
                f"a rating is outside the scale [{low}, {high}] of {self.name}; give the scale as star_range"
            )

    @cached_property
    def fingerprint(self) -> str:
        """Hash of items and ratings; what the set and its raters are called does not count."""
        ratings = self.ratings
        sizes = f"{self.star_range} {len(ratings.user_ids)}"
        arrays = (ratings.users, ratings.items, ratings.stars, ratings.timestamps)
        return fingerprint(self.catalog.fingerprint, sizes, *arrays)


def build_catalog(item_ids: Sequence[str], titles: Sequence[str], genres_of: Sequence[Sequence[str]]) -> Catalog:
    """Make a catalogue from each item's id, title and list of genre names (N each), the genres sorted.

    Raises:
        UsageError: if the lengths disagree, an id occurs twice or there is no item.
    """
    if not len(item_ids) == len(titles) == len(genres_of):
        raise UsageError(
            f"there are {len(item_ids)} item ids, {len(titles)} titles and {len(genres_of)} lists of genres; "
            "give one of each for every item"
        )
    genre_names = tuple(sorted({name for names in genres_of for name in names}))
    column_of = {name: column for column, name in enumerate(genre_names)}
    genres_NG = np.zeros((len(item_ids), len(genre_names)), dtype=np.float32)
    rows = np.repeat(np.arange(len(item_ids)), [len(names) for names in genres_of])
    columns = np.array([column_of[name] for names in genres_of for name in names], dtype=np.int64)
    genres_NG[rows, columns] = 1.0
    texts = tuple(describe(title, names) for title, names in zip(titles, genres_of, strict=True))
    return Catalog(tuple(item_ids), tuple(titles), texts, genre_names, genres_NG)


def describe(title: str, genres: Sequence[str]) -> str:
    """Return what an encoder reads: `Heat (1995). Genres: Action, Crime`; without genres `Heat (1995).`"""
    return f"{title}. Genres: {', '.join(genres)}" if genres else f"{title}."


def merge_repeated(dataset: DataSet) -> DataSet:
    """Let several ratings of one item by one user become one: their mean, at the newest of their times.

    Copies of a rating on both sides of a hold-out would make noise look as if it had been learnt.
    """
    ratings = dataset.ratings
    pairs = ratings.users * len(dataset.catalog) + ratings.items
    _, first, pair_of_row = np.unique(pairs, return_index=True, return_inverse=True)
    if len(first) == len(ratings):
        return dataset
    counts, sums = np.bincount(pair_of_row), np.bincount(pair_of_row, ratings.stars)
    newest = np.full(len(first), np.iinfo(np.int64).min)
    np.maximum.at(newest, pair_of_row, ratings.timestamps)
    order = np.argsort(first)
    rows = first[order]
    merged = Ratings(
        ratings.users[rows],
        ratings.items[rows],
        (sums / counts)[order].astype(np.float32),
        newest[order],
        ratings.user_ids,
    )
    _logger.warning(
        "%s: %d ratings repeat the user and the item of another; %d ratings are left, each the mean of its copies",
        dataset.name,
        len(ratings) - len(rows),
        len(rows),
    )
    return DataSet(dataset.name, dataset.catalog, merged, dataset.star_range)


def with_min_ratings(dataset: DataSet, minimum: int) -> DataSet:
    """Keep the items with at least `minimum` ratings; items are numbered anew, raters are not.

    Raises:
        UsageError: if `minimum` is negative or no item has that many ratings.
    """
    if minimum < 0:
        raise UsageError(f"the minimum number of ratings is {minimum}; make it 0 or more")
    ratings = dataset.ratings
    counts_N = np.bincount(ratings.items, minlength=len(dataset.catalog))
    kept = np.flatnonzero(counts_N >= minimum)
    if len(kept) == 0:
        raise UsageError(
            f"the catalogue is empty: no item of {dataset.name} has {minimum} ratings or more "
            f"(the most rated one has {int(counts_N.max())}); lower the minimum"
        )
    new_index_N = np.full(len(dataset.catalog), -1, dtype=np.int64)
    new_index_N[kept] = np.arange(len(kept))
    items = new_index_N[ratings.items]
    remaining = items >= 0
    of_kept = Ratings(
        ratings.users[remaining],
        items[remaining],
        ratings.stars[remaining],
        ratings.timestamps[remaining],
        ratings.user_ids,
    )
    return DataSet(dataset.name, dataset.catalog.take(kept), of_kept, dataset.star_range)


def _first_repeated(names: tuple[str, ...]) -> str | None:
    """Return the first name that occurs a second time, or None."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
