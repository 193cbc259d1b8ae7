"""Metrics of rankings: by hand, and against ir-measures."""

import ir_measures
import numpy as np
import pytest

from experiments.pipeline.metrics import coverage, ndcg, recall

HITS = np.array([[True, False, True, False], [False, False, False, True]])


def test_recall_divides_by_what_could_be_there() -> None:
    assert recall(HITS, np.array([5, 1]), 3).tolist() == [2 / 3, 0.0]
    assert recall(HITS, np.array([5, 1]), 10).tolist() == [2 / 5, 1.0]


def test_ndcg_is_one_for_the_ideal_ranking_and_counts_late_places_less() -> None:
    ideal = np.array([[True, True, False, False]])
    assert ndcg(ideal, np.array([2]), 4).tolist() == [1.0]
    found = ndcg(HITS, np.array([2, 1]), 4)
    # (1 + 1/log2 4) / (1 + 1/log2 3) and (1/log2 5) / 1.
    np.testing.assert_allclose(found, [1.5 / (1 + 1 / np.log2(3)), 1 / np.log2(5)])


def test_coverage_counts_an_item_once_and_no_empty_place() -> None:
    assert coverage(np.array([[3, 1], [3, -1]]), 8) == 0.25


def test_metrics_equal_those_of_ir_measures() -> None:
    rng = np.random.default_rng(0)
    users, items, depth = 40, 300, 100
    top_TK = np.stack([rng.permutation(items)[:depth] for _ in range(users)])
    relevant_TN = rng.random((users, items)) < rng.uniform(0.005, 0.2, (users, 1))
    relevant_TN[:, 0] = True
    relevant_T = relevant_TN.sum(axis=1)
    hits_TK = np.take_along_axis(relevant_TN, top_TK, axis=1)
    truth = [ir_measures.Qrel(str(user), str(item), 1) for user, item in np.argwhere(relevant_TN)]
    run = [
        ir_measures.ScoredDoc(str(user), str(item), float(depth - place))
        for user, row in enumerate(top_TK)
        for place, item in enumerate(row)
    ]
    theirs = {name: np.zeros(users) for name in ("nDCG@10", "nDCG@100", "P@10", "R@100")}
    measures = [ir_measures.parse_measure(name) for name in theirs]
    for found in ir_measures.iter_calc(measures, truth, run):
        theirs[str(found.measure)][int(found.query_id)] = found.value
    np.testing.assert_allclose(ndcg(hits_TK, relevant_T, 10), theirs["nDCG@10"])
    np.testing.assert_allclose(ndcg(hits_TK, relevant_T, 100), theirs["nDCG@100"])
    np.testing.assert_allclose(recall(hits_TK, relevant_T, 100), theirs["R@100"])  # (nobody has over 100)
    np.testing.assert_allclose(recall(hits_TK, relevant_T, 10), theirs["P@10"] * 10 / np.minimum(10, relevant_T))
    assert relevant_T.max() <= 100
    assert relevant_T.min() < 10 < relevant_T.max()


@pytest.mark.parametrize("metric", [recall, ndcg])
def test_metrics_take_fewer_places_than_k(metric: object) -> None:
    assert metric(np.array([[True]]), np.array([1]), 100).tolist() == [1.0]  # type: ignore[operator]
