"""Estimates with intervals over users, or over those they are drawn around. Pure functions of numpy arrays."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEVEL = 0.95
RESAMPLES = 2_000
_CHUNK = 100


class Estimate(NamedTuple):
    """A mean over users with its 95 % interval over their clusters."""

    mean: float
    ci_low: float | None
    """Lower end; None where an interval over users has no meaning."""
    ci_high: float | None
    n: int
    """Users."""


def read_estimate(plain: Mapping[str, Any]) -> Estimate:
    """Return an estimate as JSON holds it; a mean that is null was not finite."""
    estimate = Estimate(**plain)
    return estimate._replace(mean=math.nan) if estimate.mean is None else estimate


class Sample(NamedTuple):
    """What each user contributes to a ratio of sums; a plain mean has a denominator of ones."""

    numerator: Floats
    """(n,)"""
    denominator: Floats
    """(n,), positive."""


def mean_sample(values_n: Floats) -> Sample:
    """Return the sample of a plain mean over users, from (n,) values."""
    return Sample(values_n, np.ones_like(values_n))


def bootstrap_ratios(
    samples: Mapping[str, Sample], cluster_n: Ints, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Mapping[str, Floats]:
    """Resample clusters of users with replacement and return the ratio of sums of each resample.

    Users drawn around one rater are alike; as if they were independent, intervals would be too narrow. A cluster comes
    with all its users: what differs between these is in the sums of the clusters already, and to draw them anew would
    count it twice. Users of a single cluster are drawn one by one, which says nothing of users around others.

    All samples are resampled together, with the same clusters, so that differences of two of them are paired.

    Equation:
        r_b = sum_c w_bc num_c / sum_c w_bc den_c, with num_c and den_c the sums over the users of cluster c, and w_b
        multinomial(C; 1/C, …).
    Source:
        Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8.

    Args:
        samples: name to numerator and denominator, each (n,) over the same users.
        cluster_n: (n,) whom each user was drawn around; all different where users are independent.
        rng: the randomness.
        resamples: how many.

    Returns:
        Name to (resamples,).
    """
    if not samples:
        return {}
    _, cluster_n = np.unique(cluster_n, return_inverse=True)
    if not cluster_n.any():
        cluster_n = np.arange(len(cluster_n))
    numerators_cs = np.stack([np.bincount(cluster_n, sample.numerator) for sample in samples.values()], axis=1)
    denominators_cs = np.stack([np.bincount(cluster_n, sample.denominator) for sample in samples.values()], axis=1)
    clusters = len(numerators_cs)
    chunks = []
    for start in range(0, resamples, _CHUNK):
        drawn = min(_CHUNK, resamples - start)
        weights_bc = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=drawn).astype(np.float64)
        chunks.append((weights_bc @ numerators_cs) / (weights_bc @ denominators_cs))
    ratios_bs = np.concatenate(chunks)
    return {name: ratios_bs[:, column] for column, name in enumerate(samples)}


def ratio(sample: Sample) -> float:
    """Return the ratio of sums of a sample."""
    return float(sample.numerator.sum() / sample.denominator.sum())


def percentile_interval(values_b: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile bootstrap interval of (resamples,) values."""
    low, high = np.quantile(values_b, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def estimate(sample: Sample, resampled_b: Floats) -> Estimate:
    """Return the ratio of a sample with the percentile interval of its resamples."""
    return Estimate(ratio(sample), *percentile_interval(resampled_b), len(sample.numerator))


def paired_difference(first: Sample, second: Sample, first_b: Floats, second_b: Floats) -> Estimate:
    """Return first − second over the same users, with the interval of the resampled differences."""
    difference = ratio(first) - ratio(second)
    return Estimate(difference, *percentile_interval(first_b - second_b), len(first.numerator))


def resample_runs(returns_bS: Floats, rng: np.random.Generator) -> Floats:
    """Resample the runs of an agent on top of clusters of users that are resampled already.

    All runs meet one panel, so users and runs are crossed, not nested: each resample draws clusters once for all runs
    (`bootstrap_ratios`), and then runs, both with replacement. The mean over its runs is the resampled mean.

    Source:
        Owen 2007, The pigeonhole bootstrap, arXiv 0712.1111.

    Args:
        returns_bS: (resamples, S), in each resample of clusters the mean of each run.
        rng: the randomness.

    Returns:
        (resamples, S), in each row the entries of S runs drawn from that row.
    """
    drawn_bS = rng.integers(returns_bS.shape[1], size=returns_bS.shape)
    return np.take_along_axis(returns_bS, drawn_bS, axis=1)


def interquartile_mean(values: Floats) -> Floats:
    """Return the mean of the middle half of the last axis: a quarter of it, rounded down, is cut off at each end.

    Source:
        Agarwal et al. 2021, arXiv 2108.13264.
    """
    ordered = np.sort(values, axis=-1)
    cut = values.shape[-1] // 4
    middle: Floats = ordered[..., cut : values.shape[-1] - cut].mean(axis=-1)
    return middle


def gini(counts_N: Floats) -> float:
    """Return how unequal non-negative counts are: 0 all equal, towards 1 all in one.

    Equation:
        G = sum_i (2 i - N - 1) x_i / (N sum_i x_i), x sorted ascending, i from 1.
    Source:
        Gini 1912; as a measure of exposure in Fleder and Hosanagar 2009.

    Args:
        counts_N: (N,).

    Returns:
        In [0, 1); 0 where all counts are 0.
    """
    ordered_N = np.sort(counts_N)
    total = ordered_N.sum()
    if total == 0:
        return 0.0
    items = len(ordered_N)
    ranks_N = np.arange(1, items + 1)
    return float(((2 * ranks_N - items - 1) * ordered_N).sum() / (items * total))


def score(value: float, random: float, ceiling: float) -> float | None:
    """Return (value − random) / (ceiling − random); None where the anchors are equal, or something is not finite."""
    found = math.nan if ceiling == random else (value - random) / (ceiling - random)
    return found if math.isfinite(found) else None


def best_first(value: float) -> float:
    """Return what sorts numbers the highest first, and last what is not a number."""
    return math.inf if math.isnan(value) else -value
