"""Catalogues and ratings refuse what cannot be right, and filter without losing track."""

import numpy as np
import pytest

from encoders.errors import UsageError
from envs.catalog import Catalog, DataSet, Ratings, build_catalog, describe, with_min_ratings


def _catalog() -> Catalog:
    return build_catalog(["a", "b", "c"], ["A", "B", "C"], [["Drama", "Comedy"], [], ["Drama"]])


def _ratings(items: list[int], stars: list[float]) -> Ratings:
    number = len(items)
    return Ratings(
        np.zeros(number, np.int64),
        np.array(items, np.int64),
        np.array(stars, np.float32),
        np.arange(number),
        ("u",),
    )


def test_genres_become_a_multi_hot_table_with_sorted_names() -> None:
    catalog = _catalog()
    assert catalog.genre_names == ("Comedy", "Drama")
    np.testing.assert_array_equal(catalog.genres, [[1, 1], [0, 0], [0, 1]])
    assert catalog.texts == ("A. Genres: Drama, Comedy", "B.", "C. Genres: Drama")
    assert len(catalog) == 3


def test_describe_leaves_the_genres_out_where_there_are_none() -> None:
    assert describe("Heat (1995)", ["Action", "Crime"]) == "Heat (1995). Genres: Action, Crime"
    assert describe("Heat (1995)", []) == "Heat (1995)."


def test_take_keeps_the_order_asked_for() -> None:
    taken = _catalog().take(np.array([2, 0]))
    assert taken.item_ids == ("c", "a")
    np.testing.assert_array_equal(taken.genres, [[0, 1], [1, 1]])


def test_an_empty_catalogue_is_refused() -> None:
    with pytest.raises(UsageError, match="the catalogue is empty: "):
        build_catalog([], [], [])


def test_a_repeated_item_id_is_named() -> None:
    with pytest.raises(UsageError, match="'a' occurs twice"):
        build_catalog(["a", "a"], ["A", "B"], [[], []])


def test_lengths_must_agree() -> None:
    genres = np.zeros((2, 0), np.float32)
    with pytest.raises(UsageError, match="2 item ids but 1 titles"):
        Catalog(("a", "b"), ("A",), ("A.", "B."), (), genres)
    with pytest.raises(UsageError, match="one column for each genre name"):
        Catalog(("a", "b"), ("A", "B"), ("A.", "B."), ("Drama",), genres)
    with pytest.raises(UsageError, match="lists of genres"):
        build_catalog(["a"], ["A"], [])


def test_ratings_must_be_finite_and_in_range() -> None:
    with pytest.raises(UsageError, match="not a finite number"):
        _ratings([0], [float("nan")])
    with pytest.raises(UsageError, match="negative"):
        _ratings([-1], [3.0])
    with pytest.raises(UsageError, match=r"user is outside \[0, 1\)"):
        Ratings(np.array([1]), np.array([0]), np.array([3.0], np.float32), np.array([0]), ("u",))
    with pytest.raises(UsageError, match="stars has shape"):
        Ratings(np.array([0]), np.array([0]), np.zeros(2, np.float32), np.array([0]), ("u",))


def test_a_data_set_refuses_items_outside_the_catalogue_and_stars_off_the_scale() -> None:
    with pytest.raises(UsageError, match=r"item is outside \[0, 3\)"):
        DataSet("toy", _catalog(), _ratings([3], [3.0]))
    with pytest.raises(UsageError, match=r"outside the scale \[0.5, 5.0\]"):
        DataSet("toy", _catalog(), _ratings([0], [7.0]))


def test_min_ratings_drops_items_and_numbers_the_rest_anew() -> None:
    kept = with_min_ratings(DataSet("toy", _catalog(), _ratings([0, 2, 2, 1, 1], [1, 2, 3, 4, 5])), 2)
    assert kept.catalog.item_ids == ("b", "c")
    assert kept.ratings.items.tolist() == [1, 1, 0, 0]
    assert kept.ratings.stars.tolist() == [2, 3, 4, 5]


def test_min_ratings_says_so_when_nothing_is_left() -> None:
    with pytest.raises(UsageError, match="the most rated one has 1"):
        with_min_ratings(DataSet("toy", _catalog(), _ratings([0], [3.0])), 2)
