"""The maths of the rungs, by hand and by definition."""

import numpy as np
import pytest
from scipy import sparse

from encoders.retrieval.protocol import unit_rows
from experiments.pipeline.hybrid import standard
from experiments.pipeline.id_rungs import Chance, ease_scores, item_similarities
from experiments.pipeline.text_rungs import Profiles, Terms, bm25_weights, whitening

LIKES = sparse.csr_matrix(np.array([[1, 1, 0], [1, 1, 1], [0, 0, 1.0]], dtype=np.float32))


def test_similarities_are_shrunk_cosines_without_the_item_itself() -> None:
    # Both liked 0 and 1 (twice), 0 and 2 (once); all were liked twice.
    found = item_similarities(LIKES, neighbours=3, shrinkage=2.0).toarray()
    np.testing.assert_allclose(found, [[0, 2 / 4, 1 / 4], [2 / 4, 0, 1 / 4], [1 / 4, 1 / 4, 0]])


def test_each_item_keeps_its_nearest_neighbours() -> None:
    found = item_similarities(LIKES, neighbours=1, shrinkage=0.0).toarray()
    np.testing.assert_allclose(found[:, 0], [0, 1, 0], rtol=1e-6)
    assert (np.count_nonzero(found, axis=0) <= 1).all()


@pytest.mark.parametrize("shape", [(12, 30), (30, 12)])
def test_ease_is_what_its_equation_says_on_either_side(shape: tuple[int, int]) -> None:
    likes = (np.random.default_rng(0).random(shape) < 0.3).astype(np.float32)
    inverse = np.linalg.inv(likes.T @ likes + 7.0 * np.eye(shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    found = ease_scores(sparse.csr_matrix(likes), 7.0)
    np.testing.assert_allclose(found, likes @ weights, atol=1e-5)


def test_bm25_weighs_rare_words_more_and_repeated_ones_less_and_less() -> None:
    counts = sparse.csr_matrix([[1, 2], [1, 0]])
    found = bm25_weights(counts, saturation=1.0, length_weight=0.0).toarray()
    common, rare = np.log1p(0.5 / 2.5), np.log1p(1.5 / 1.5)
    np.testing.assert_allclose(found, [[common, rare * 2 * 2 / 3], [common, 0.0]])
    longer = bm25_weights(counts, saturation=1.0, length_weight=1.0).toarray()
    assert longer[0, 0] < longer[1, 0]


def test_terms_score_the_words_that_are_shared() -> None:
    model = Terms(sparse.csr_matrix([[2.0, 0.0], [0.0, 1.0]]), sparse.csr_matrix([[0.5, 0.0], [1.0, 3.0], [0.0, 0.0]]))
    assert model.scores(np.array([1, 0])).tolist() == [[0.0, 3.0, 0.0], [1.0, 2.0, 0.0]]


def test_whitened_vectors_have_equal_spread_in_every_direction() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(4000, 3)) * [5.0, 1.0, 0.2] + 3.0).astype(np.float32)
    found = whitening(vectors, np.ones(4000, dtype=bool), components=3, power=0.5)
    np.testing.assert_allclose(found.T @ found / 4000, np.eye(3) / 3, atol=0.02)


def test_chance_is_even_and_the_same_for_a_user_alone() -> None:
    model = Chance(500, seed=3)
    together = model.scores(np.arange(40))
    assert (model.scores(np.array([7]))[0] == together[7]).all()
    assert abs(together.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(together[0], together[1])[0, 1]) < 0.15
    assert (Chance(500, seed=4).scores(np.array([7]))[0] != together[7]).mean() > 0.99


def test_standard_scores_of_equal_ones_are_zero() -> None:
    found = standard(np.array([[1.0, 3.0], [2.0, 2.0]], dtype=np.float32))
    assert found.tolist() == [[-1.0, 1.0], [0.0, 0.0]]


def test_a_user_who_liked_nothing_has_no_direction() -> None:
    assert unit_rows(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist() == [
        [0.0, 0.0],
        [0.6000000238418579, 0.800000011920929],
    ]
    assert Profiles(np.eye(2, dtype=np.float32), np.zeros((1, 2), dtype=np.float32)).scores(np.array([0])).sum() == 0
