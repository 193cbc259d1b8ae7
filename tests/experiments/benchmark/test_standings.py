"""Intervals over seeds and users, differences and scores, against what can be counted by hand."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from experiments.benchmark.standings import Draws, Earned, Entrant, Standing, interquartile, standings
from experiments.statistics import interquartile_mean, resample_runs

ANCHORS = {"random": [0.0, 0.0], "near_oracle": [1.0, 1.0]}


def earned(returns: npt.ArrayLike) -> Earned:
    earned = np.array(returns, dtype=np.float64)
    return Earned(returns=earned, cluster=np.arange(len(earned)), length=2.0, ctr=0.5)


def agent(*runs: npt.ArrayLike, twins: Sequence[npt.ArrayLike] = ()) -> Entrant:
    return Entrant(runs=[earned(run) for run in runs], twins=[earned(twin) for twin in twins])


def stand(agents: dict[str, Entrant], baselines: dict[str, list[float]]) -> dict[str, Standing]:
    found = standings("slatelab/Toy-v0", agents, {name: earned(values) for name, values in baselines.items()})
    return {standing.name: standing for standing in found}


def test_two_seeds_and_two_users_are_drawn_as_the_sixteen_ways_say() -> None:
    # Seeds drawn (two of two) and users drawn (two of two), each way as likely: the first seed's mean is 0, 1 or 2, the
    # second's 4, 7 or 10, and where both are drawn they share the users: 2, 4 or 6.
    standing = stand({"a": agent([0, 2], [4, 10])}, ANCHORS)["a"]
    assert standing.scores is not None
    drawn = standing.scores.mean().drawn[:, 0]
    expected = {0: 1, 1: 2, 2: 3, 4: 5, 6: 2, 7: 2, 10: 1}
    counts = Counter(drawn.tolist())
    assert counts.keys() == expected.keys()
    for value, ways in expected.items():
        assert counts[value] / len(drawn) == pytest.approx(ways / 16, abs=0.03)
    # 1/16 lies beyond 2.5 %, so the interval is the whole range; drawing users anew for each seed would shrink it.
    assert standing.returned == (4.0, 0.0, 10.0, 2)
    assert standing.score == (4.0, 0.0, 10.0, 2)
    assert [(run.mean, run.ci_low, run.ci_high) for run in standing.runs] == [(1, 0, 2), (7, 4, 10)]


def test_users_of_one_cluster_are_drawn_together_for_all_seeds() -> None:
    # Two users around one rater and one around another: a mean of 0, 2 or, with both drawn, 2/3; of the second seed 3
    # more.
    cluster_n = np.array([5, 5, 8])
    runs = [dataclasses.replace(earned([each, each, 2 + each]), cluster=cluster_n) for each in (0, 3)]
    anchors = {name: dataclasses.replace(earned([at] * 3), cluster=cluster_n) for name, at in (("random", 0), ("x", 1))}
    found = standings("slatelab/Toy-v0", {"a": Entrant(runs=runs)}, anchors)[0]
    assert found.name == "a"
    assert found.returned == pytest.approx((2 / 3 + 1.5, 0, 5, 3))
    assert [(run.ci_low, run.ci_high) for run in found.runs] == [(0, 2), (3, 5)]


def test_difference_to_the_hand_rule_is_paired_over_users() -> None:
    users = np.random.default_rng(0).normal(size=50) * 10
    found = stand({"a": agent(users + 1, users + 1)}, {"hand_rule": users.tolist()})["a"]
    assert found.differences["hand_rule"][:3] == pytest.approx((1.0, 1.0, 1.0))
    assert found.returned.ci_high is not None
    assert found.returned.ci_high - found.returned.mean > 1


def test_seeds_of_two_agents_are_drawn_apart_and_those_of_a_twin_with_its_agent() -> None:
    runs = [[0.0, 0.0], [4.0, 4.0]]
    found = stand({"a": agent(*runs, twins=runs), "myopic": agent(*runs)}, {})
    # Each mean is 0, 2 or 4, so one difference in sixteen is -4, and one 4.
    assert found["a"].differences["myopic"] == (0.0, -4.0, 4.0, 2)
    assert found["a"].differences["twin"] == (0.0, 0.0, 0.0, 2)
    assert "myopic" not in found["myopic"].differences
    assert found["a"].score is None


def test_score_moves_with_the_anchors_of_the_same_users() -> None:
    random = np.random.default_rng(1).normal(size=40)
    found = stand(
        {"a": agent(random + 3, random + 1)}, {"random": random.tolist(), "near_oracle": (random + 4).tolist()}
    )
    assert found["a"].score is not None
    assert found["a"].score[:3] == pytest.approx((0.5, 0.25, 0.75))
    assert found["near_oracle"].score is not None
    assert found["near_oracle"].score[:3] == pytest.approx((1.0, 1.0, 1.0))
    assert found["random"].seeds == 0


def test_without_a_clear_gap_between_the_anchors_there_is_no_score() -> None:
    for ceiling in ([0.0, 0.0], [-1.0, 4.0]):
        assert stand({"a": agent([1, 1])}, {"random": [0.0, 0.0], "near_oracle": ceiling})["a"].score is None


def test_standing_of_an_agent_does_not_depend_on_who_else_is_there() -> None:
    a, b = agent([1, 5], [2, 9], [0, 3]), agent([0, 1])
    alone, beside = stand({"a": a}, ANCHORS)["a"], stand({"b": b, "a": a}, ANCHORS)["a"]
    assert alone.returned == pytest.approx(beside.returned)
    assert alone.score == pytest.approx(beside.score)


def test_best_comes_first_and_an_agent_replaces_the_baseline_of_its_name() -> None:
    found = stand({"a": agent([3, 3]), "random": agent([0, 0])}, {**ANCHORS, "hand_rule": [0.5, 0.5]})
    assert list(found) == ["a", "near_oracle", "hand_rule", "random"]
    assert found["random"].seeds == 1


def test_what_is_not_finite_is_told() -> None:
    found = stand({"a": agent([float("nan"), 1], [1, 1])}, ANCHORS)
    assert np.isnan(found["a"].returned.mean)
    assert found["near_oracle"].returned.mean == 1


def test_interquartile_mean_is_that_of_the_middle_half() -> None:
    assert interquartile_mean(np.array([9.0, 1, 2, 3, 4, 5, 6, -7])) == pytest.approx(3.5)
    assert interquartile_mean(np.array([1.0, 2, 6])) == pytest.approx(3.0)
    values = np.random.default_rng(0).exponential(size=(3, 21))
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25, axis=1))


def test_aggregate_pools_the_runs_of_all_environments_and_resamples_within_each() -> None:
    one = Draws(np.array([0.0, 1.0]), np.array([[0.0, 0.0], [1.0, 1.0]]))
    other = Draws(np.array([2.0, 9.0]), np.array([[2.0, 2.0], [9.0, 9.0]]))
    estimate = interquartile([one, other])
    assert estimate.mean == pytest.approx(1.5)
    # The two resamples are 0 0 2 2 and 1 1 9 9, with middle halves 1 and 5.
    assert (estimate.ci_low, estimate.ci_high) == pytest.approx((1.1, 4.9))
    assert estimate.n == 4


def test_resampled_runs_come_from_their_own_resample_of_users() -> None:
    means_bS = np.arange(12.0).reshape(4, 3)
    drawn_bS = resample_runs(means_bS, np.random.default_rng(0))
    assert drawn_bS.shape == (4, 3)
    for row, source in zip(drawn_bS, means_bS, strict=True):
        assert set(row) <= set(source)
    many = resample_runs(np.tile([0.0, 1.0], (4_000, 1)), np.random.default_rng(0))
    assert Counter(many.sum(axis=1))[1] / 4_000 == pytest.approx(0.5, abs=0.03)
