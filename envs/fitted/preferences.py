"""What raters are drawn to and what they truly like, fitted on their ratings: the hidden tastes of simulated users."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.errors import UsageError
from envs.catalog import DataSet, FloatArray, IntArray, Ratings
from envs.fitted.engagement import METHODS, Method, interests, num_directions, watched
from envs.fitted.factorization import DoubleArray, RatingMatrix, Ridges, Side, item_side, predict, rater_side

SPLITS = ("train", "validation", "test")
PREDICTORS = ("global_mean", "item_mean", "biases", "factors")


@dataclass(frozen=True, kw_only=True)
class PreferenceSettings:
    """Set how preferences are fitted; the defaults were chosen on MovieLens' validation raters.

    Raises:
        UsageError: at construction, if a setting is out of its range.
    """

    factors: int = 16
    """Number of factors, F, at least 1."""
    sweeps: int = 20
    """Number of times that raters and items are regressed on each other, at least 1."""
    ridges: Ridges = field(default_factory=Ridges)
    """Strengths of the ridge on factors and biases, each above 0."""
    hidden_share: float = 0.2
    """Share of every rater's ratings that is hidden to measure the error, in (0, 1)."""
    liked_limit: int = 200
    """Most liked items kept for a rater, the newest; at least 1."""
    seed: int = 0
    """Seed of the split of raters, of the hidden ratings and of the first factors."""
    engagement: Method = "svd"
    """How the directions that people are drawn to are found, out of who rated what."""

    def facts(self) -> dict[str, Any]:
        """Return what tells these settings from others, for fingerprints; the first method goes without saying."""
        said = asdict(self)
        if self.engagement == "svd":
            del said["engagement"]
        return said

    def __post_init__(self) -> None:
        """Refuse settings that cannot be fitted."""
        for name, count in (
            ("factors", self.factors),
            ("sweeps", self.sweeps),
            ("liked_limit", self.liked_limit),
        ):
            if count < 1:
                raise UsageError(f"{name} is {count}; make it 1 or more")
        if not 0.0 < self.hidden_share < 1.0:
            raise UsageError(f"hidden_share is {self.hidden_share}; make it more than 0 and less than 1")
        if self.engagement not in METHODS:
            raise UsageError(f'unknown engagement "{self.engagement}" (known: {", ".join(METHODS)})')
        for name, strength in asdict(self.ridges).items():
            if not 0.0 < strength < float("inf"):
                raise UsageError(f"ridges.{name} is {strength}; make it a finite number above 0")


@dataclass(frozen=True, eq=False)
class Preferences:
    """Hold the fitted preferences of U raters for N items.

    Rater u gives item i `global_mean + rater_biases[u] + item_biases[i] + p_u·q_i` stars.

    Items were fitted on the train raters' ratings alone; every rater was folded in on their own ratings.
    """

    item_factors: FloatArray
    """Factors q of the items, float32 (N, F)."""
    item_biases: FloatArray
    """How many stars above the mean an item gets, float32 (N,)."""
    rater_factors: FloatArray
    """Factors p of the raters, in stars, float32 (U, F)."""
    rater_biases: FloatArray
    """How many stars above the mean a rater gives, float32 (U,)."""
    global_mean: float
    """Mean of the train raters' ratings, in stars."""
    split: dict[str, IntArray]
    """Rater indices, int64, of `train`, `validation` and `test`; disjoint, together all raters."""
    liked: IntArray
    """Items each rater liked, newest first, int64 (U, L), -1 where there are no more; see `liked_items`."""
    errors: dict[str, dict[str, float]]
    """Root mean squared error in stars on hidden ratings: `errors[split][predictor]`, over `PREDICTORS`; NaN without
    preferences."""
    directions: FloatArray
    """Where items stand by who used them, whatever they thought of them, unit rows, float32 (N, W)."""
    interests: FloatArray
    """Where raters are drawn to among them, unit rows, float32 (U, W)."""
    explicit: bool
    """Whether ratings differ; if not (implicit feedback), all factors and biases are 0."""


def split_raters(num_users: int, seed: int) -> dict[str, IntArray]:
    """Split raters 0 … num_users − 1 at random into 70 % train, 10 % validation and 20 % test, each sorted.

    Raises:
        UsageError: if there are fewer than 10 raters.
    """
    if num_users < 10:
        raise UsageError(f"there are only {num_users} raters; bring 10 or more, so that every split has one")
    order = np.random.default_rng(seed).permutation(num_users)
    first, second = round(0.7 * num_users), round(0.8 * num_users)
    parts = (order[:first], order[first:second], order[second:])
    return {name: np.sort(part).astype(np.int64) for name, part in zip(SPLITS, parts, strict=True)}


def fit_preferences(dataset: DataSet, settings: PreferenceSettings) -> Preferences:
    """Fit preferences to the ratings, and measure their error on ratings hidden from a first fit.

    Ratings are centred and scaled by the train raters' mean and standard deviation while fitting.

    Raises:
        UsageError: if there are fewer than 10 raters, or the train raters rated nothing.
    """
    ratings = dataset.ratings
    split = split_raters(len(ratings.user_ids), settings.seed)
    of_train = np.isin(ratings.users, split["train"])
    if not of_train.any():
        raise UsageError(f"the train raters of {dataset.name} rated nothing; bring more ratings")
    explicit = bool(ratings.stars.min() < ratings.stars.max())
    errors = {name: dict.fromkeys(PREDICTORS, float("nan")) for name in SPLITS}
    if explicit:
        errors = _measure_errors(dataset, settings, split, hide_ratings(ratings, settings.hidden_share, settings.seed))
    mean, scale = _scale(ratings.stars[of_train])
    scale *= explicit  # What is all alike leaves nothing but rounding.
    raters, items = _fit_sides(dataset, settings, settings.factors, of_train, np.ones_like(of_train))
    watched_UN = watched(ratings, len(dataset.catalog))
    width = num_directions(len(split["train"]), len(dataset.catalog))
    directions_NW = METHODS[settings.engagement](watched_UN[split["train"]], width)
    return Preferences(
        item_factors=(explicit * items.factors).astype(np.float32),
        item_biases=(scale * items.biases).astype(np.float32),
        rater_factors=(scale * raters.factors).astype(np.float32),
        rater_biases=(scale * raters.biases).astype(np.float32),
        global_mean=mean,
        split=split,
        liked=liked_items(dataset, settings.liked_limit),
        errors=errors,
        directions=directions_NW,
        interests=interests(directions_NW, watched_UN),
        explicit=explicit,
    )


def hide_ratings(ratings: Ratings, share: float, seed: int) -> NDArray[np.bool_]:
    """Choose `share` of every rater's ratings at random, rounded down; return them as a mask (R,)."""
    keys = np.random.default_rng([seed, 1]).random(len(ratings))
    ranks = _ranks(ratings.users, keys)
    return np.asarray(ranks < np.floor(share * np.bincount(ratings.users)[ratings.users]))


def liked_items(dataset: DataSet, limit: int) -> IntArray:
    """List the items each rater liked, newest first, int64 (U, L), L <= `limit`, -1 where there are no more.

    Liked is a rating of at least the rater's own mean and of at least two thirds up the scale (3.5 stars of
    0.5 to 5); with implicit feedback, everything.
    """
    ratings = dataset.ratings
    raters = len(ratings.user_ids)
    stars = ratings.stars.astype(np.float64)
    counts_U = np.bincount(ratings.users, minlength=raters)
    means_U = np.bincount(ratings.users, weights=stars, minlength=raters) / np.maximum(counts_U, 1)
    low, high = dataset.star_range
    threshold = np.maximum(means_U[ratings.users], low + 2.0 / 3.0 * (high - low)) - 1e-6
    liked = ratings.take(np.flatnonzero(stars >= threshold))
    ranks = _ranks(liked.users, -liked.timestamps)
    kept = ranks < limit
    width = int(ranks[kept].max()) + 1 if kept.any() else 1
    liked_UL = np.full((raters, width), -1, dtype=np.int64)
    liked_UL[liked.users[kept], ranks[kept]] = liked.items[kept]
    return liked_UL


def _ranks(users: IntArray, keys: NDArray[np.float64] | IntArray) -> IntArray:
    """Return the rank, from 0, of every row among its user's rows by ascending key, int64 (R,)."""
    order = np.lexsort((keys, users))
    counts_U = np.bincount(users)
    starts_U = np.cumsum(counts_U) - counts_U
    ranks = np.empty(len(users), dtype=np.int64)
    ranks[order] = np.arange(len(users)) - starts_U[users[order]]
    return ranks


def _scale(stars: FloatArray) -> tuple[float, float]:
    """Return the mean and the standard deviation of ratings; 1 instead of a deviation of 0."""
    deviation = float(np.std(stars, dtype=np.float64))
    return float(np.mean(stars, dtype=np.float64)), deviation if deviation > 0.0 else 1.0


def _fit_sides(
    dataset: DataSet,
    settings: PreferenceSettings,
    width: int,
    for_items: NDArray[np.bool_],
    for_raters: NDArray[np.bool_],
) -> tuple[Side, Side]:
    """Fit the items on the ratings in one mask (R,), then fold all raters in on those in the other."""
    ratings, shape = dataset.ratings, (len(dataset.ratings.user_ids), len(dataset.catalog))
    mean, scale = _scale(ratings.stars[for_items])
    centred = (ratings.stars.astype(np.float64) - mean) / scale
    matrices = [
        RatingMatrix.of(ratings.users[rows], ratings.items[rows], centred[rows], shape)
        for rows in (for_items, for_raters)
    ]
    items = item_side(matrices[0], width, settings.sweeps, settings.ridges, settings.seed)
    return rater_side(matrices[1], items, settings.ridges), items


def _measure_errors(
    dataset: DataSet, settings: PreferenceSettings, split: dict[str, IntArray], hidden: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """Return the error of every predictor on every split's hidden ratings, fitted on what is not hidden."""
    ratings = dataset.ratings
    visible = ~hidden
    for_items = visible & np.isin(ratings.users, split["train"])
    mean, scale = _scale(ratings.stars[for_items])
    counts_N = np.bincount(ratings.items[for_items], minlength=len(dataset.catalog))
    sums_N = np.bincount(ratings.items[for_items], ratings.stars[for_items], len(dataset.catalog))
    means_N = np.where(counts_N > 0, sums_N / np.maximum(counts_N, 1), mean)
    predicted: dict[str, DoubleArray] = {
        "global_mean": np.full(len(ratings), mean),
        "item_mean": means_N[ratings.items],
    }
    for name, width in (("biases", 0), ("factors", settings.factors)):
        raters, items = _fit_sides(dataset, settings, width, for_items, visible)
        predicted[name] = mean + scale * predict(raters, items, ratings.users, ratings.items)
    low, high = dataset.star_range
    squares = {name: (np.clip(stars, low, high) - ratings.stars) ** 2 for name, stars in predicted.items()}
    rows = {name: hidden & np.isin(ratings.users, raters) for name, raters in split.items()}
    return {
        part: {name: float(np.sqrt(squares[name][mask].mean())) if mask.any() else float("nan") for name in PREDICTORS}
        for part, mask in rows.items()
    }
