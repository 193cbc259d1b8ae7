"""Ratings count on any scale: by themselves where they are spread over it, by their ranks where they are not."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from envs.catalog import DataSet, Ratings, build_catalog, merge_repeated
from envs.fitted.preferences import PreferenceSettings, fit_preferences
from envs.fitted.raters import draw_raters, rater_pool
from envs.fitted.scales import even_out


def _rated(stars: NDArray[np.float64], users: int = 12) -> DataSet:
    """Let each user rate the first items, in order."""
    items = len(stars) // users
    names = [str(item) for item in range(items)]
    ratings = Ratings(
        users=np.repeat(np.arange(users), items),
        items=np.tile(np.arange(items), users),
        stars=stars.astype(np.float32),
        timestamps=np.arange(len(stars)),
        user_ids=tuple(map(str, range(users))),
    )
    catalog = build_catalog(names, names, [[] for _ in names])
    return DataSet("toy", catalog, ratings, (float(ratings.stars.min()), float(ratings.stars.max())))


def _chosen(dataset: DataSet) -> DataSet:
    """Let each user rate four fifths of the items, so that they differ in what they are drawn to."""
    kept = np.random.default_rng(2).random(len(dataset.ratings)) < 0.8
    return replace(dataset, ratings=dataset.ratings.take(kept))


STARS = np.random.default_rng(0).integers(1, 6, 480).astype(float)
PLAYS = np.exp(np.random.default_rng(0).normal(0, 2, 480)).round() + 1


@pytest.mark.parametrize("stars", [STARS, STARS * 20 - 10, 1.0 * (STARS > 3), -STARS], ids=str)
def test_an_even_scale_stays_as_it_is(stars: NDArray[np.float64]) -> None:
    dataset = _rated(stars)
    assert even_out(dataset) is dataset


def test_one_minus_99_is_far_as_well() -> None:
    stars = STARS.copy()
    stars[7] = -99
    assert even_out(_rated(stars)).star_range == (0.0, 1.0)


def test_one_99_among_fives_does_not_move_the_others_together(caplog: pytest.LogCaptureFixture) -> None:
    stars = STARS.copy()
    stars[7] = 99
    with caplog.at_level(logging.WARNING, "slatelab.envs"):
        ranked = even_out(_rated(stars))
    assert "run unevenly from 1 to 99 (half of them are 3 or less), so they count by their ranks" in caplog.text
    assert ranked.star_range == (0.0, 1.0)
    levels = [set(ranked.ratings.stars[stars == star].tolist()) for star in (1, 2, 3, 4, 5, 99)]
    assert [len(level) for level in levels] == [1] * 6
    ranks = [level.pop() for level in levels]
    assert ranks == sorted(ranks)
    assert 0.05 < ranks[0] < 0.15
    assert 0.85 < ranks[4] < 0.95


def test_a_rank_is_the_share_of_others_exceeded() -> None:
    ranked = even_out(_rated(np.array([1.0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 4, 900]), users=2))
    expected = np.array([1, 1, 1, 3.5, 3.5, 7, 7, 7, 7, 7, 10, 11]) / 11
    np.testing.assert_allclose(ranked.ratings.stars, expected, rtol=1e-6)


@pytest.mark.parametrize("factor", [1e-30, 1e-9, 1e9, 1e30])
def test_a_very_short_or_long_scale_becomes_0_to_1(factor: float) -> None:
    moved = even_out(_rated(STARS * factor))
    assert moved.star_range == (0.0, 1.0)
    np.testing.assert_allclose(moved.ratings.stars, (STARS - 1) / 4, atol=1e-6)


@pytest.mark.parametrize("users", [10, 15, 24])
def test_few_raters_of_play_counts_can_be_fitted(users: int) -> None:
    dataset = even_out(_chosen(_rated(PLAYS[: len(PLAYS) // users * users], users)))
    preferences = fit_preferences(dataset, PreferenceSettings(sweeps=3))
    drawn = draw_raters(rater_pool(preferences, "train"), 100, torch.Generator().manual_seed(0), perturbation=0.3)
    assert drawn.factors.isfinite().all()


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_users_are_drawn_around_fewer_raters_than_factors_in_any_unit(unit: float) -> None:
    fitted = fit_preferences(_chosen(_rated(STARS, 10)), PreferenceSettings(sweeps=3))
    pool = rater_pool(replace(fitted, rater_factors=np.float32(unit) * fitted.rater_factors), "train")
    still = draw_raters(pool, 4_000, torch.Generator().manual_seed(0))
    moved = draw_raters(pool, 4_000, torch.Generator().manual_seed(0), perturbation=1.0)
    variance = ((moved.factors - still.factors) / unit).var(dim=0).sum()
    of_train = fitted.rater_factors[fitted.split["train"]].var(axis=0, ddof=1).sum()
    assert float(variance) == pytest.approx(of_train, rel=0.1)


def test_five_copies_of_every_rating_do_not_make_noise_look_learnt() -> None:
    noise = _chosen(_rated(np.random.default_rng(1).integers(1, 6, 60 * 40).astype(float), users=60))
    rows = np.tile(np.arange(len(noise.ratings)), 5)
    copied = DataSet(noise.name, noise.catalog, noise.ratings.take(rows), noise.star_range)
    settings = PreferenceSettings(sweeps=5)
    learnt = fit_preferences(copied, settings).errors["test"]
    assert learnt["factors"] < 0.9 * learnt["biases"], "else this test shows nothing"
    merged = merge_repeated(copied)
    np.testing.assert_array_equal(merged.ratings.stars, noise.ratings.stars)
    errors = fit_preferences(merged, settings).errors["test"]
    assert errors["factors"] > 0.95 * errors["biases"]
