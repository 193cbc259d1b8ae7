"""Biased matrix factorisation by alternating ridge regressions that carry their uncertainty: the maths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from envs.catalog import IntArray

DoubleArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Ridges:
    """Strengths of the ridge, in ratings' worth of evidence, for ratings of standard deviation 1."""

    rater_factors: float = 1.0
    """Pulls raters' factors towards 0."""
    item_factors: float = 5.0
    """Pulls items' factors towards 0."""
    rater_biases: float = 3.0
    """Pulls raters' biases towards 0."""
    item_biases: float = 4.0
    """Pulls items' biases towards 0."""
    noise_variance: float = 0.7
    """Variance of a rating around its prediction; scales the uncertainty of factors and biases."""


@dataclass(frozen=True, eq=False)
class Side:
    """Hold one side of the factorisation, n raters or n items with F factors, as means and covariances."""

    factors: DoubleArray
    """Means of the factors, float64 (n, F)."""
    biases: DoubleArray
    """Means of the biases, float64 (n,)."""
    factor_covariances: DoubleArray
    """Covariances of the factors, float64 (n, F, F)."""
    bias_covariances: DoubleArray
    """Covariances of each factor with the bias, float64 (n, F)."""


@dataclass(frozen=True, eq=False)
class RatingMatrix:
    """Hold ratings as two sparse matrices of one row per rater and one column per item (or the transpose)."""

    counts: Any
    """How often each pair occurs, sparse float64 (U, N)."""
    sums: Any
    """Sum of each pair's centred ratings, sparse float64 (U, N)."""

    @classmethod
    def of(cls, users: IntArray, items: IntArray, centred: DoubleArray, shape: tuple[int, int]) -> RatingMatrix:
        """Build the matrices of `shape` (U, N) from parallel arrays (R,)."""
        ones = np.ones(len(users))
        return cls(
            sparse.csr_matrix((ones, (users, items)), shape=shape),
            sparse.csr_matrix((centred, (users, items)), shape=shape),
        )

    def transposed(self) -> RatingMatrix:
        """Return the ratings with items as rows and raters as columns."""
        return RatingMatrix(self.counts.T.tocsr(), self.sums.T.tocsr())


def regress(ratings: RatingMatrix, other: Side, ridge: DoubleArray, noise_variance: float) -> Side:
    """Regress every row's ratings on the columns' factors and a constant, all rows at once.

    Args:
        ratings: n rows, m columns.
        other: the columns' side (m); held fixed.
        ridge: strength on each factor and, last, on the bias, float64 (F + 1,), positive.
        noise_variance: variance of a rating around its prediction.

    Returns:
        The rows' side (n). A row without ratings gets zeros.

    Equation: w_u = A_u⁻¹ Σ_i E[x_i (r_ui − b_i)], A_u = diag(ridge) + Σ_i E[x_i x_iᵀ], x_i = (q_i, 1),
        cov(w_u) = noise_variance · A_u⁻¹; the expectations are over the columns' own uncertainty.
    Source: Zhou et al. 2008 (alternating ridge regressions); Lim and Teh 2007 (the uncertainty).
    Deviation: the variances of prior and noise are settings, not re-estimated.
    """
    rows, width = other.factors.shape
    inputs = np.concatenate([other.factors, np.ones((rows, 1))], axis=1)
    moments = inputs[:, :, None] * inputs[:, None, :]
    moments[:, :width, :width] += other.factor_covariances
    offsets = other.biases[:, None] * inputs
    offsets[:, :width] += other.bias_covariances
    precisions = (ratings.counts @ moments.reshape(rows, -1)).reshape(-1, width + 1, width + 1)
    inverses = np.linalg.inv(precisions + np.diag(ridge))
    targets = ratings.sums @ inputs - ratings.counts @ offsets
    weights = np.einsum("nij,nj->ni", inverses, targets)
    return Side(
        factors=weights[:, :width],
        biases=weights[:, width],
        factor_covariances=noise_variance * inverses[:, :width, :width],
        bias_covariances=noise_variance * inverses[:, :width, width],
    )


def rater_side(ratings: RatingMatrix, items: Side, ridges: Ridges) -> Side:
    """Fold raters in (U): their factors and biases given the items', which stay as they are."""
    return regress(ratings, items, _ridge(items, ridges.rater_factors, ridges.rater_biases), ridges.noise_variance)


def item_side(ratings: RatingMatrix, width: int, sweeps: int, ridges: Ridges, seed: int) -> Side:
    """Fit the items' `width` factors and biases (N) to the ratings of the raters in `ratings` (U, N).

    The factors start at random from `seed`; each of the `sweeps` regresses raters on items, then items
    on raters. A `width` of 0 fits biases alone.
    """
    rows = ratings.counts.shape[1]
    generator = np.random.default_rng(seed)
    items = Side(
        factors=generator.normal(0.0, 0.1, (rows, width)),
        biases=np.zeros(rows),
        factor_covariances=np.zeros((rows, width, width)),
        bias_covariances=np.zeros((rows, width)),
    )
    by_item = ratings.transposed()
    ridge = _ridge(items, ridges.item_factors, ridges.item_biases)
    for _ in range(sweeps):
        raters = rater_side(ratings, items, ridges)
        items = regress(by_item, raters, ridge, ridges.noise_variance)
    return items


def predict(raters: Side, items: Side, rated_by: IntArray, rated: IntArray) -> DoubleArray:
    """Return the centred ratings expected of raters `rated_by` (R,) for items `rated` (R,), float64 (R,).

    Equation: b_u + b_i + p_u·q_i.
    """
    personal = np.einsum("rf,rf->r", raters.factors[rated_by], items.factors[rated])
    expected: DoubleArray = raters.biases[rated_by] + items.biases[rated] + personal
    return expected


def _ridge(side: Side, factors: float, bias: float) -> DoubleArray:
    """Return the ridge (F + 1,): `factors` on each factor, `bias` on the last column."""
    return np.append(np.full(side.factors.shape[1], factors), bias)
