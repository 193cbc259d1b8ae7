"""Cosine over augmented vectors ranks by inner product plus bias."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders import CosineIndex, UsageError
from encoders.retrieval.augmented import augment, with_popularity


def test_augmented_vectors_by_hand() -> None:
    # s = sqrt(4) = 2; (3, 0, 4/2) has the largest square, 13; (0, 1, 0/2) lacks sqrt(12).
    augmented = augment(np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([4.0, 0.0]))
    expected = np.array([[3, 0, 2, 0], [0, 1, 0, np.sqrt(12)]]) / np.sqrt(13)
    np.testing.assert_allclose(augmented.items, expected, atol=1e-7)
    np.testing.assert_allclose(augmented.users(np.array([[1.0, 2.0]])), np.array([[1, 2, 2, 0]]) / 3, atol=1e-7)


def test_popularity_by_hand() -> None:
    # log(1 + n) = 0, 1, 2; an equal cosine is decided by it, and a cosine of 1 outweighs 0.5 (2 - 1).
    counts = np.array([0.0, np.e - 1, np.e**2 - 1])
    augmented = with_popularity(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), counts, 0.5)
    ids, cosines = CosineIndex(augmented.items).search(augmented.users(np.array([[1.0, 0.0]])), 3)
    assert ids.tolist() == [[1, 0, 2]]  # 1.5, 1.0 and 1.0: equal ones by id
    np.testing.assert_allclose(cosines[0] / cosines[0, 1], [1.5, 1.0, 1.0], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), weight=st.sampled_from([-1.0, 0.0, 0.05, 0.7, 5.0]), width=st.integers(1, 9))
def test_cosine_over_augmented_vectors_orders_by_inner_product_and_weighted_log_popularity(
    seed: int, weight: float, width: int
) -> None:
    rng = np.random.default_rng(seed)
    items, users = rng.normal(size=(50, width)), rng.normal(size=(7, width))
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    users /= np.linalg.norm(users, axis=1, keepdims=True)
    counts = rng.geometric(0.01, size=50) - 1
    augmented = with_popularity(items, counts, weight)
    np.testing.assert_allclose(np.linalg.norm(augmented.items, axis=1), 1, atol=1e-6)
    rows = augmented.users(users)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    scores = users @ items.T + weight * np.log1p(counts)
    ids, _ = CosineIndex(augmented.items).search(rows, 50)
    assert (np.diff(np.take_along_axis(scores, ids, axis=1), axis=1) < 1e-5 * (1 + abs(weight))).all()


def test_users_who_are_nothing_are_given_what_is_popular() -> None:
    augmented = with_popularity(np.eye(3), np.array([5, 50, 0]), 1.0)
    ids, _ = CosineIndex(augmented.items).search(augmented.users(np.zeros((1, 3))), 3)
    assert ids.tolist() == [[1, 0, 2]]


@pytest.mark.parametrize(
    ("items", "counts", "weight", "said"),
    [
        (np.eye(3), np.ones(2), 1.0, "3 items and 2 biases"),
        (np.eye(3), np.array([1, -1, 1]), 1.0, "item 1 was used -1 times"),
        (np.eye(3), np.ones(3), float("nan"), "make it finite"),
        (np.ones(3), np.ones(3), 1.0, "one row each"),
        (np.full((3, 2), np.inf), np.ones(3), 1.0, "row 0"),
        (np.zeros((3, 2)), np.zeros(3), 1.0, "all items' vectors and biases are zero"),
    ],
)
def test_bad_input_is_told(items: np.ndarray, counts: np.ndarray, weight: float, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        with_popularity(items, counts, weight)


def test_users_of_another_width_are_refused() -> None:
    with pytest.raises(UsageError, match="2 numbers; those of the items have 3"):
        with_popularity(np.eye(3), np.ones(3), 1.0).users(np.ones((1, 2)))
