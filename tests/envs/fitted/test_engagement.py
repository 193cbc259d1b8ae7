"""The taste for engagement: who rated what at all."""

import numpy as np
import pytest
from scipy import sparse

from encoders.errors import UsageError
from envs.catalog import Ratings
from envs.fitted.engagement import METHODS, Method, engagement_vectors, interests, num_directions, watched


def two_camps(raters: int = 40, items: int = 30, noise: float = 0.1) -> sparse.csr_matrix:
    """Even raters watch even items, odd ones odd items, with some noise."""
    rng = np.random.default_rng(0)
    same = (np.arange(raters)[:, None] + np.arange(items)) % 2 == 0
    seen = np.where(same, rng.random((raters, items)) < 0.8, rng.random((raters, items)) < noise)
    return sparse.csr_matrix(seen.astype(float))


@pytest.mark.parametrize("method", METHODS)
def test_items_that_the_same_people_watched_lie_near_each_other(method: Method) -> None:
    vectors = METHODS[method](two_camps(), 2)
    cosines = vectors @ vectors.T
    same = (np.arange(30)[:, None] + np.arange(30)) % 2 == 0
    assert cosines[same].mean() > 0.9
    assert cosines[~same].mean() < 0.3
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_raters_are_drawn_to_what_their_camp_watches(method: Method) -> None:
    seen = two_camps()
    vectors = METHODS[method](seen, 2)
    drawn = interests(vectors, seen) @ vectors.T
    camp = np.arange(40)[:, None] % 2 == np.arange(30) % 2
    assert (np.where(camp, drawn, np.inf).min(axis=1) > np.where(camp, -np.inf, drawn).max(axis=1)).all()


def test_the_leading_directions_are_those_of_the_scaled_matrix() -> None:
    seen = two_camps()
    dense = seen.toarray()
    scaled = dense / np.sqrt(dense.sum(axis=1, keepdims=True)) / dense.sum(axis=0) ** 0.4
    expected = np.linalg.svd(scaled, full_matrices=False)[2][:3].T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    vectors = engagement_vectors(seen, 3)
    np.testing.assert_allclose(np.abs(vectors), np.abs(expected), atol=1e-5)
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-5)


def test_one_who_rates_twice_has_watched_once() -> None:
    ratings = Ratings(np.array([0, 0, 1]), np.array([1, 1, 0]), np.ones(3, dtype=np.float32), np.arange(3), ("a", "b"))
    assert watched(ratings, 3).toarray().tolist() == [[0, 1, 0], [1, 0, 0]]


def test_directions_follow_the_size_of_the_data() -> None:
    assert [num_directions(671, 2245), num_directions(100, 80), num_directions(12, 5000)] == [32, 4, 2]


def test_the_parts_of_a_poisson_factorisation_are_those_of_which_the_data_are_made() -> None:
    block = np.kron(np.eye(2), np.ones((8, 3)))  # two tastes that share nothing: p(t | i) is (1, 0) or (0, 1)
    seen = sparse.csr_matrix(np.hstack([block, np.zeros((16, 1))]))
    vectors = METHODS["poisson"](seen, 2)
    side = np.array([1, 1, 1, -1, -1, -1, 0])[:, None] * np.sqrt([[0.5, 0.5]])
    np.testing.assert_allclose(vectors * np.sign(vectors[0, 0]), side * [1, -1], atol=1e-3)
    assert not vectors[-1].any()  # nobody watched it


@pytest.mark.parametrize("method", METHODS)
def test_what_says_nothing_is_refused_in_a_sentence(method: Method) -> None:
    with pytest.raises(UsageError, match="everybody rated nearly the same"):
        METHODS[method](sparse.csr_matrix(np.ones((20, 10))), 2)
    with pytest.raises(UsageError, match="too few for 4 directions"):
        METHODS[method](two_camps(4, 30), 4)
