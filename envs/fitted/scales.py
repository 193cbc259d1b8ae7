"""Scales on which preferences can be fitted: ratings on an uneven one count by their ranks."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from envs.catalog import DataSet, FloatArray

MAX_DEVIATIONS = 10.0
"""An even scale is at most so many standard deviations long; one of five stars has 3 to 5."""
MIN_UPPER_SHARE = 0.1
"""At least this share of all ratings lies in the upper third of an even scale."""
LENGTHS = (1e-6, 1e6)
"""Lengths of a scale for which single precision does."""

_logger = logging.getLogger("slatelab.envs")


def even_out(dataset: DataSet) -> DataSet:
    """Return the data set on a scale over which its ratings are spread, so that squared errors mean something.

    Where they are not, as one of 99 among fives is not, nor are play counts or seconds, a rating becomes the share of
    all ratings that it exceeds, equal ones sharing. A very short or long scale becomes 0 to 1.
    """
    ratings, (low, high) = dataset.ratings, dataset.star_range
    if not len(ratings) or low == high:
        return dataset
    shares = (ratings.stars.astype(np.float64) - low) / (high - low)
    even = MAX_DEVIATIONS * shares.std() >= 1.0 and (shares >= 2.0 / 3.0).mean() >= MIN_UPPER_SHARE
    if even and LENGTHS[0] <= high - low <= LENGTHS[1]:
        return dataset
    if not even:
        _logger.warning(
            "ratings of %s run unevenly from %g to %g (half of them are %g or less), so they count by their ranks",
            *(dataset.name, low, high, np.median(ratings.stars)),
        )
        shares = _ranks(ratings.stars)
    return replace(dataset, ratings=replace(ratings, stars=shares.astype(np.float32)), star_range=(0.0, 1.0))


def _ranks(stars: FloatArray) -> NDArray[np.float64]:
    """Return the share of all others that each rating (R,) exceeds, in [0, 1]; equal ones share the mean."""
    _, level_of_row, counts = np.unique(stars, return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - (counts + 1) / 2.0
    ranks: NDArray[np.float64] = middles[level_of_row] / (len(stars) - 1)
    return ranks
