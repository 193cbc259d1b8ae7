"""Estimates against numbers computed by hand and against scipy."""

import numpy as np
import pytest
from scipy import stats

from experiments import statistics
from experiments.statistics import Sample, mean_sample


def test_gini_of_equal_counts_is_zero_and_of_one_taker_is_one_less_a_share() -> None:
    assert statistics.gini(np.array([3.0, 3.0, 3.0])) == 0.0
    assert statistics.gini(np.array([0.0, 0.0, 0.0, 5.0])) == pytest.approx(0.75)
    # Sorted 1, 2, 3: (-2*1 + 0*2 + 2*3) / (3 * 6) = 4/18.
    assert statistics.gini(np.array([3.0, 1.0, 2.0])) == pytest.approx(4 / 18)
    assert statistics.gini(np.zeros(4)) == 0.0


def test_ratio_weighs_users_by_their_denominator() -> None:
    assert statistics.ratio(Sample(np.array([1.0, 9.0]), np.array([2.0, 10.0]))) == pytest.approx(10 / 12)


def test_score_is_zero_at_random_and_one_at_the_ceiling() -> None:
    assert statistics.score(2.0, 2.0, 6.0) == 0.0
    assert statistics.score(6.0, 2.0, 6.0) == 1.0
    assert statistics.score(3.0, 2.0, 6.0) == 0.25
    assert statistics.score(3.0, 2.0, 2.0) is None


def test_a_percentile_interval_leaves_a_fortieth_at_each_end() -> None:
    assert statistics.percentile_interval(np.arange(1001.0)) == pytest.approx((25.0, 975.0))
    assert statistics.percentile_interval(np.arange(11.0), level=0.6) == pytest.approx((2.0, 8.0))


def test_there_are_as_many_resamples_as_asked_for() -> None:
    sample, rng = mean_sample(np.arange(30.0)), np.random.default_rng(0)
    for number in (1, 100, 250):
        assert statistics.bootstrap_ratios({"x": sample}, np.arange(30), rng, number)["x"].shape == (number,)


def test_mean_interval_agrees_with_scipy_percentile_bootstrap() -> None:
    values = np.random.default_rng(1).exponential(2.0, size=400)
    resampled = statistics.bootstrap_ratios(
        {"x": mean_sample(values)}, np.arange(400), np.random.default_rng(2), 10_000
    )["x"]
    low, high = statistics.percentile_interval(resampled)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(3)
    ).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_interval_of_a_normal_mean_has_the_textbook_width() -> None:
    values = np.random.default_rng(0).normal(size=2_000)
    estimate = _estimate(values)
    assert estimate.ci_low is not None
    assert estimate.ci_high is not None
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert estimate.ci_high - estimate.ci_low == pytest.approx(2 * half, rel=0.08)
    assert estimate.n == 2_000


def test_paired_difference_of_a_constant_shift_has_no_width() -> None:
    values = np.random.default_rng(0).normal(size=100)
    samples = {"first": mean_sample(values + 0.5), "second": mean_sample(values)}
    resampled = statistics.bootstrap_ratios(samples, np.arange(100), np.random.default_rng(0))
    difference = statistics.paired_difference(
        samples["first"], samples["second"], resampled["first"], resampled["second"]
    )
    assert difference[:3] == pytest.approx((0.5, 0.5, 0.5))


def test_same_generator_gives_the_same_interval() -> None:
    values = np.arange(30.0)
    assert _estimate(values) == _estimate(values)


@pytest.mark.parametrize("alike", [0.0, 0.5])
def test_interval_over_clustered_users_covers_the_mean_as_often_as_it_says(alike: float) -> None:
    rng, clusters, users, trials = np.random.default_rng(0), 40, 320, 1_000
    cluster_n = rng.integers(clusters, size=users)
    shared_tn = rng.normal(size=(trials, clusters))[:, cluster_n]
    values_tn = np.sqrt(alike) * shared_tn + np.sqrt(1 - alike) * rng.normal(size=(trials, users))
    samples = {str(trial): mean_sample(values_n) for trial, values_n in enumerate(values_tn)}

    def coverage(drawn_n: np.ndarray) -> float:
        resampled = statistics.bootstrap_ratios(samples, drawn_n, rng, 1_000)
        ends = [statistics.percentile_interval(drawn) for drawn in resampled.values()]
        return float(np.mean([low <= 0 <= high for low, high in ends]))

    assert coverage(cluster_n) == pytest.approx(0.94, abs=0.02)
    assert (coverage(np.arange(users)) < 0.7) == (alike > 0)


def test_clusters_are_drawn_with_all_their_users() -> None:
    # Clusters of (1) and (2, 6): drawn twice the one, each once, or twice the other.
    sample = mean_sample(np.array([2.0, 1.0, 6.0]))
    resampled = statistics.bootstrap_ratios({"x": sample}, np.array([7, 3, 7]), np.random.default_rng(0))["x"]
    values, counts = np.unique(resampled, return_counts=True)
    assert values == pytest.approx([1, 3, 4])
    assert counts / len(resampled) == pytest.approx([0.25, 0.5, 0.25], abs=0.04)


def test_users_of_a_single_cluster_are_drawn_one_by_one() -> None:
    values = np.arange(30.0)
    assert _estimate(values, np.full(30, 9)) == _estimate(values)


def _estimate(values: np.ndarray, cluster_n: np.ndarray | None = None) -> statistics.Estimate:
    sample = mean_sample(values)
    cluster_n = np.arange(len(values)) if cluster_n is None else cluster_n
    drawn = statistics.bootstrap_ratios({"x": sample}, cluster_n, np.random.default_rng(0))
    return statistics.estimate(sample, drawn["x"])
