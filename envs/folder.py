"""A folder of ratings and items in one of the forms people have: atomic files, MovieLens' own, or two csv files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from encoders.errors import UsageError
from envs.atomic import listed, load_atomic, visible
from envs.catalog import DataSet
from envs.tables.delimited import read_csv, read_header, read_plain
from envs.tables.fields import KNOWN, Fields, recognise
from envs.tables.rated import assemble
from envs.tables.table import Table

RATED = ("user_id", "item_id", "rating", "timestamp")
GENRES_100K = (
    *(
        "unknown",
        "Action",
        "Adventure",
        "Animation",
        "Children's",
        "Comedy",
        "Crime",
        "Documentary",
        "Drama",
        "Fantasy",
    ),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""Columns of `u.item` behind the first five, each 0 or 1; `unknown` is no genre."""


def load_folder(folder: Path | str, fields: Fields | None = None) -> DataSet:
    """Load a folder of ratings and items.

    It may hold RecBole's atomic files (`NAME.inter`, `NAME.item`), MovieLens' `ratings.dat` and `movies.dat` (1M, 10M)
    or `u.data` and `u.item` (100k), or csv files with headers: one with columns of users, items and ratings, and one
    with columns of items and titles, as MovieLens' `ratings.csv` and `movies.csv`.

    Args:
        folder: where they lie.
        fields: the columns, where they are not recognised by their names.

    Raises:
        UsageError: if files are missing or malformed; the message names the file, the line and the column.
        Failure: if a file cannot be read.
    """
    folder, fields = Path(folder), fields or Fields()
    names = visible(folder)
    if "ratings.dat" in names:
        described = read_plain(folder / "movies.dat", "::", ("item_id", "title", "genres"))
        return assemble(folder.name, read_plain(folder / "ratings.dat", "::", RATED), described, fields)
    if "u.data" in names:
        return assemble(folder.name, read_plain(folder / "u.data", "\t", RATED), _films_100k(folder / "u.item"), fields)
    if any(name.endswith((".inter", ".item")) for name in names):
        return load_atomic(folder, fields=fields)
    return _load_csv(folder, names, fields)


def _films_100k(path: Path) -> Table:
    """Return the films of MovieLens 100k, their genres in one column."""
    first = ("item_id", "title", "release_date", "video_release_date", "url")
    table = read_plain(path, "|", (*first, *GENRES_100K))
    flags = zip(*(table.columns[genre] for genre in GENRES_100K[1:]), strict=True)
    genres = tuple(
        "|".join(genre for genre, flag in zip(GENRES_100K[1:], row, strict=True) if flag == "1") for row in flags
    )
    return replace(table, columns={name: table.columns[name] for name in first} | {"genres": genres})


def _load_csv(folder: Path, names: list[str], fields: Fields) -> DataSet:
    """Load the csv file that looks like ratings and the one that looks like items."""
    headers = {name: read_header(folder / name) for name in names if name.endswith((".csv", ".tsv"))}
    if not headers:
        raise UsageError(
            f"{folder} holds neither atomic files (NAME.inter and NAME.item) nor MovieLens' nor csv files (there is: "
            f"{listed(names)}); bring one of them"
        )
    holds = {name: _what_it_holds(header, fields) for name, header in headers.items()}
    used = [name for name in headers if {"user", "item"} <= holds[name]]
    # A file without ratings says who used what, which is something too (implicit feedback).
    rated = [name for name in used if "rating" in holds[name]] or used
    described = [name for name in headers if {"item", "title"} <= holds[name] and "user" not in holds[name]]
    for what, found in (("users and items (and ratings)", rated), ("items and titles", described)):
        if len(found) != 1:
            there = "; ".join(f"{name}: {', '.join(header)}" for name, header in headers.items())
            number = "no csv file" if not found else f"more than one csv file ({', '.join(found)})"
            raise UsageError(
                f"{number} in {folder} has columns of {what} (there is {there}); name them with user_field, "
                "item_field, rating_field and title_field (--env.user-field …), and leave one such file there"
            )
    return assemble(folder.name, read_csv(folder / rated[0]), read_csv(folder / described[0]), fields)


def _what_it_holds(header: list[str], fields: Fields) -> set[str]:
    """Return which of the things we look for a file with this header has a column of."""
    found = set()
    for what in KNOWN:
        asked = getattr(fields, what)
        if asked in header if asked else recognise(what, header):
            found.add(what)
    return found
