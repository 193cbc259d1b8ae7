"""Simulated users drawn from the raters of a split: their factors, and items they liked before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from encoders.errors import UsageError
from envs.fitted.preferences import SPLITS, Preferences

MIN_LIKED = 5


@dataclass(frozen=True, eq=False)
class RaterPool:
    """Hold on one device the n raters of a split who liked at least `MIN_LIKED` items, ready to draw from."""

    raters: torch.Tensor
    """Rater indices, int64 (n,)."""
    factors: torch.Tensor
    """Their factors, float32 (n, F)."""
    liked: torch.Tensor
    """The items they liked, int64 (n, L), -1 where there are no more."""
    spread: torch.Tensor
    """Cholesky factor of the covariance of the train raters' factors, float32 (F, F)."""


@dataclass(frozen=True, eq=False)
class DrawnRaters:
    """Hold B users drawn from a pool."""

    raters: torch.Tensor
    """Whom each user was made from, rater indices, int64 (B,)."""
    factors: torch.Tensor
    """Their factors, in stars, float32 (B, F)."""
    history: torch.Tensor
    """Items each liked before, int64 (B, H); repeated in turn where there are fewer than H."""


def rater_pool(preferences: Preferences, split: str, device: torch.device | str = "cpu") -> RaterPool:
    """Put the raters of `split` who liked at least `MIN_LIKED` items on `device`.

    Raises:
        UsageError: if the split is unknown or none of its raters liked enough.
    """
    if split not in preferences.split:
        raise UsageError(f"unknown split {split!r}; use one of: {', '.join(SPLITS)}")
    raters = preferences.split[split]
    raters = raters[(preferences.liked[raters] >= 0).sum(axis=1) >= MIN_LIKED]
    if len(raters) == 0:
        raise UsageError(f"no {split} rater liked {MIN_LIKED} items; bring more ratings, or filter fewer items out")
    of_train = preferences.rater_factors[preferences.split["train"]].astype(np.float64)
    width = of_train.shape[1]
    covariance = np.cov(of_train, rowvar=False).reshape(width, width)
    # Fewer raters than factors leave it singular; the ridge is relative, since ratings may be on any scale.
    variance = max(float(covariance.trace()) / width, float(np.finfo(np.float32).tiny))
    spread = np.sqrt(variance) * np.linalg.cholesky(covariance / variance + 1e-9 * np.eye(width))
    return RaterPool(
        raters=torch.as_tensor(raters, device=device),
        factors=torch.as_tensor(preferences.rater_factors[raters], device=device),
        liked=torch.as_tensor(preferences.liked[raters], device=device),
        spread=torch.as_tensor(spread, dtype=torch.float32, device=device),
    )


def draw_raters(
    pool: RaterPool,
    number: int,
    generator: torch.Generator,
    perturbation: float = 0.0,
    history_length: int = 10,
) -> DrawnRaters:
    """Draw B = `number` users from the pool, with replacement.

    Args:
        pool: whom to draw from.
        number: how many, at least 1.
        generator: on the pool's device; every random number comes from it.
        perturbation: how far a user's factors are moved from the rater's: 0 not at all, 1 as far as a rater
            is from the mean. The noise has the covariance of the train raters' factors.
        history_length: number of liked items, H, drawn without replacement from the rater's list.

    Raises:
        UsageError: if a number is out of its range.
    """
    if number < 1 or history_length < 1 or not 0.0 <= perturbation < float("inf"):
        raise UsageError(
            f"cannot draw {number} raters with {history_length} liked items and perturbation {perturbation}; "
            "make the numbers 1 or more and the perturbation 0 or more"
        )
    device = pool.raters.device
    rows_B = torch.randint(len(pool.raters), (number,), generator=generator, device=device)
    noise_BF = torch.randn(number, pool.factors.shape[1], generator=generator, device=device)
    liked_BL = pool.liked[rows_B]
    keys_BL = torch.rand(liked_BL.shape, generator=generator, device=device)
    order_BL = keys_BL.masked_fill(liked_BL < 0, 2.0).argsort(dim=1)
    counts_B1 = (liked_BL >= 0).sum(dim=1, keepdim=True)
    turns_BH = torch.arange(history_length, device=device) % counts_B1
    return DrawnRaters(
        raters=pool.raters[rows_B],
        factors=pool.factors[rows_B] + perturbation * noise_BF @ pool.spread.T,
        history=liked_BL.gather(1, order_BL.gather(1, turns_BH)),
    )
