"""Vectors with one coordinate for a bias and one that fills up, so that cosine ranks by inner product plus bias."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.arrays import as_tensor
from encoders.errors import UsageError

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Augmented:
    """Items as unit rows whose cosine with `users` rows ranks by inner product plus each item's own bias."""

    items: Floats
    """(N, E + 2) float32 unit rows: vector, bias, and what is missing to equal length."""
    bias_weight: float
    """What users have where items have their bias."""

    def users(self, users_BE: NDArray[Any]) -> Floats:
        """Return the rows to look users up by: float32 (B, E + 2), of unit length.

        Args:
            users_BE: vectors among the items' own; zeros ask for the bias alone.

        Raises:
            UsageError: another width, or a number that is not finite.
        """
        users_BE = _matrix(users_BE, "the users' vectors")
        width = self.items.shape[1] - 2
        if users_BE.shape[1] != width:
            raise UsageError(f"the users' vectors have {users_BE.shape[1]} numbers; those of the items have {width}")
        rows_BA = np.zeros((len(users_BE), width + 2))
        rows_BA[:, :width], rows_BA[:, width] = users_BE, self.bias_weight
        lengths_B1 = np.linalg.norm(rows_BA, axis=1, keepdims=True)
        units_BA: Floats = (rows_BA / np.maximum(lengths_B1, np.finfo(np.float64).tiny)).astype(np.float32)
        return units_BA


def augment(items_NE: NDArray[Any], bias_N: NDArray[Any]) -> Augmented:
    """Return vectors whose cosine with a user u orders items by u . v_i + b_i.

    Equation:
        x_i = (v_i, b_i / s, sqrt(M² - |v_i|² - b_i² / s²)) / M with M² the largest |v_i|² + b_i² / s²;
        y = (u, s, 0) / |(u, s)|; so x_i . y = (u . v_i + b_i) / (M |(u, s)|).
        s = sqrt(max |b|) shares the numbers of float32 evenly between the two; the order is the same for any s > 0.
    Source:
        Bachrach et al. 2014 (RecSys, 10.1145/2645710.2645741): inner products as nearest neighbours; an item's bias is
        one more coordinate, Koenigstein et al. 2012 (CIKM, 10.1145/2396761.2396831).

    Args:
        items_NE: vectors of the items, of any length.
        bias_N: what is added to each item's inner product.

    Raises:
        UsageError: no matrix of numbers, a bias for another number of items, or numbers that are not finite.
    """
    items_NE = _matrix(items_NE, "the items' vectors")
    bias_N1 = _matrix(np.asarray(bias_N).reshape(-1, 1), "the bias")
    if len(bias_N1) != len(items_NE):
        raise UsageError(f"there are {len(items_NE)} items and {len(bias_N1)} biases; give one each")
    bias_weight = float(np.sqrt(np.abs(bias_N1).max()))
    scaled_N1 = bias_N1 / (bias_weight or 1.0)
    squares_N1 = (items_NE**2).sum(axis=1, keepdims=True) + scaled_N1**2
    largest = float(squares_N1.max())
    if largest == 0:
        raise UsageError("all items' vectors and biases are zero, so nothing can be ranked; check how they were made")
    rest_N1 = np.sqrt(np.maximum(largest - squares_N1, 0.0))
    rows_NA = np.concatenate([items_NE, scaled_N1, rest_N1], axis=1) / np.sqrt(largest)
    return Augmented(items=rows_NA.astype(np.float32), bias_weight=bias_weight)


def with_popularity(items_NE: NDArray[Any], popularity_N: NDArray[Any], weight: float) -> Augmented:
    """Return vectors whose cosine with a user u orders items by u . v_i + weight log(1 + n_i).

    In-batch negatives divide popularity out of what is learnt: s(u, i) is about log p(i | u) / p(i). This brings it
    back without a second stage.

    Args:
        items_NE: unit rows of the items.
        popularity_N: n, how often each item was used, 0 or more.
        weight: of the logarithm; 0 ranks by cosine alone.

    Raises:
        UsageError: as `augment`; a count below 0; a weight that is not finite.
    """
    counts_N = _matrix(np.asarray(popularity_N).reshape(-1, 1), "the popularity")[:, 0]
    if (counts_N < 0).any():
        raise UsageError(f"item {int(np.argmax(counts_N < 0))} was used {counts_N.min():g} times; counts are 0 or more")
    if not np.isfinite(weight):
        raise UsageError(f"the weight of popularity is {weight}; make it finite")
    return augment(items_NE, weight * np.log1p(counts_N))


def _matrix(rows: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Return rows of finite numbers as float64 (n, m)."""
    given = as_tensor(rows, name)
    if given.ndim != 2 or 0 in given.shape or given.is_complex():
        raise UsageError(f"{name} have shape {tuple(given.shape)} of {given.dtype}; give real numbers, one row each")
    matrix: NDArray[np.float64] = given.cpu().double().numpy()
    if not np.isfinite(matrix).all():
        row = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        raise UsageError(f"{name} have a number that is not finite in row {row}; check how they were made")
    return matrix
