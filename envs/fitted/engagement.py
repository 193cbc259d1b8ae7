"""What people watch, whatever they think of it: a taste for engagement, out of who rated what at all."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from encoders.errors import UsageError
from envs.catalog import FloatArray, Ratings

FAME_POWER = 0.4
"""Exponent of an item's number of raters by which its column is divided, so that fame does not fill the directions."""
MOST_DIRECTIONS = 32
FEWEST_DIRECTIONS = 2
ROWS_A_DIRECTION = 20
"""Raters, and items, that a direction of taste needs to be more than noise."""


Method = Literal["svd", "poisson"]
"""How directions of taste are found: see `METHODS`."""
MOST_SWEEPS = 500
"""Multiplicative updates after which a Poisson factorisation stops, settled or not."""


def num_directions(num_raters: int, num_items: int) -> int:
    """Return how many directions of taste a data set of this size carries, from 2 to 32."""
    return max(FEWEST_DIRECTIONS, min(MOST_DIRECTIONS, num_raters // ROWS_A_DIRECTION, num_items // ROWS_A_DIRECTION))


def watched(ratings: Ratings, num_items: int) -> Any:
    """Return who rated what as a sparse matrix of zeros and ones, float64 (U, N)."""
    shape = (len(ratings.user_ids), num_items)
    seen_UN = sparse.csr_matrix((np.ones(len(ratings)), (ratings.users, ratings.items)), shape=shape)
    seen_UN.data[:] = 1.0
    return seen_UN


def engagement_vectors(watched_UN: Any, num: int) -> FloatArray:
    """Return a unit vector for each item; items that the same people watched lie near each other.

    Equation:
        A_ui = w_ui / (sqrt(n_u) n_i^0.4), with w_ui 1 where rater u watched item i, n_u and n_i row and column sums;
        e_i = the i-th row of the leading right singular vectors of A, to unit length.
    Source:
        The eigenvectors of the kernel that EASE inverts (Steck 2019, arXiv 1905.03375); rows and columns are scaled as
        in the normalised item graph of Chen et al. 2021, arXiv 2111.04400, but less for fame.

    Args:
        watched_UN: sparse, zeros and ones.
        num: W, directions kept, at least 1.

    Returns:
        float32 (N, W), each direction with the sign in which its largest entry is positive.

    Raises:
        UsageError: there is no signal: fewer than W + 1 raters or items, or all raters watched alike.
    """
    raters, items = _enough(watched_UN, num)
    rows_U = np.maximum(np.asarray(watched_UN.sum(axis=1)).ravel(), 1.0)
    columns_N = np.maximum(np.asarray(watched_UN.sum(axis=0)).ravel(), 1.0)
    scaled_UN = sparse.diags(rows_U**-0.5) @ watched_UN @ sparse.diags(columns_N**-FAME_POWER)
    start = np.ones(min(raters, items))
    _, strengths_W, directions_WN = svds(scaled_UN, k=num, v0=start, solver="arpack")
    order = np.argsort(-strengths_W)
    if strengths_W[order[-1]] < 1e-6 * strengths_W[order[0]]:
        raise _alike()
    vectors_NW = directions_WN[order].T
    largest_W = np.abs(vectors_NW).argmax(axis=0)
    vectors_NW = vectors_NW * np.sign(np.take_along_axis(vectors_NW, largest_W[None], axis=0))
    return _units(vectors_NW)


def poisson_vectors(watched_UN: Any, num: int) -> FloatArray:
    """Return a unit vector for each item: by how much more than others it belongs to each of W tastes.

    Another way from the same data to a world than `engagement_vectors`, with nothing of its algebra: parts that add up,
    a likelihood of counts, no scaling for fame.

    Equation:
        w_ui ~ Poisson(sum_t a_ut b_ti) with a, b >= 0 of most likelihood; p(t | i) = b_ti sum_u a_ut / (the same summed
        over t); e_i = sqrt(p(. | i)) less its mean over items, to unit length.
    Source:
        Poisson factorisation (Gopalan et al. 2015, arXiv 1311.1704) at its most likely point, the factorisation
        of least Kullback-Leibler divergence (Lee and Seung 2000; Cemgil 2009, 10.1155/2009/785152). Inner products of
        square roots of distributions are their Bhattacharyya affinity.
    Deviation:
        Without priors; the start is the non-negative part of the singular vectors (Boutsidis and Gallopoulos 2008).

    Args:
        watched_UN: sparse, zeros and ones.
        num: W, tastes, at least 1.

    Returns:
        float32 (N, W); zeros for items that nobody watched.

    Raises:
        UsageError: as `engagement_vectors`.
    """
    from sklearn.decomposition import NMF

    _enough(watched_UN, num)
    factorisation = NMF(
        num, solver="mu", beta_loss="kullback-leibler", init="nndsvda", random_state=0, max_iter=MOST_SWEEPS
    )
    tastes_UW = factorisation.fit_transform(watched_UN)
    parts_NW = factorisation.components_.T * tastes_UW.sum(axis=0)
    shares_NW = parts_NW / np.maximum(parts_NW.sum(axis=1, keepdims=True), 1e-12)
    known_N1 = np.asarray(watched_UN.sum(axis=0)).reshape(-1, 1) > 0
    roots_NW = np.sqrt(shares_NW)
    vectors_NW = np.where(known_N1, roots_NW - roots_NW.mean(axis=0, where=known_N1), 0.0)
    if np.linalg.norm(vectors_NW, axis=1).max() < 1e-3:
        raise _alike()
    return _units(vectors_NW)


METHODS: Mapping[Method, Callable[[Any, int], FloatArray]] = {"svd": engagement_vectors, "poisson": poisson_vectors}
"""From the name of a method to the function that makes items' directions of who watched what."""


def interests(vectors_NW: FloatArray, watched_UN: Any) -> FloatArray:
    """Return what each rater is drawn to, the mean direction of what they watched: unit rows, float32 (U, W)."""
    return _units(np.asarray(watched_UN @ vectors_NW.astype(np.float64)))


def _enough(watched_UN: Any, num: int) -> tuple[int, int]:
    """Return the numbers of raters and items; refuse fewer than directions."""
    raters, items = watched_UN.shape
    if min(raters, items) <= num:
        raise UsageError(
            f"{raters} raters and {items} items are too few for {num} directions of taste; bring more ratings"
        )
    return raters, items


def _alike() -> UsageError:
    return UsageError(
        "the ratings do not say who is drawn to what: everybody rated nearly the same items; bring ratings by "
        "people who chose what to use, not by a panel that rated everything"
    )


def _units(vectors_NW: NDArray[np.float64]) -> FloatArray:
    lengths_N1 = np.linalg.norm(vectors_NW, axis=1, keepdims=True)
    units_NW: FloatArray = np.ascontiguousarray(vectors_NW / np.maximum(lengths_N1, 1e-12), dtype=np.float32)
    return units_NW
