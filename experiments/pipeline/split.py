"""Which ratings are learnt from, which are looked at once at the end. Pure functions of numpy arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from envs.catalog import Ratings

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def newest_share(ratings: Ratings, among_R: Mask, share: float) -> Mask:
    """Mark the newest ratings of each user among some, a mask (R,): a share of them, rounded up.

    Of ratings with equal times that which stands later in the file is the newer.

    Args:
        ratings: all R of them.
        among_R: those that are looked at.
        share: in (0, 1).
    """
    rows = np.flatnonzero(among_R)
    users = ratings.users[rows]
    order = np.lexsort((rows, ratings.timestamps[rows], users))
    counts_U = np.bincount(users, minlength=len(ratings.user_ids))
    ends_U = np.cumsum(counts_U)
    # How many of the user's ratings are newer.
    newer = ends_U[users[order]] - 1 - np.arange(len(rows))
    marked_R = np.zeros(len(ratings), dtype=np.bool_)
    marked_R[rows[order[newer < np.ceil(share * counts_U)[users[order]]]]] = True
    return marked_R


def newest_first(ratings: Ratings, among_R: Mask) -> Ints:
    """Return the items of each user among some ratings, newest first, int64 (U, L), -1 where there are no more."""
    rows = np.flatnonzero(among_R)
    order = np.lexsort((-rows, -ratings.timestamps[rows], ratings.users[rows]))
    rows = rows[order]
    users = ratings.users[rows]
    counts_U = np.bincount(users, minlength=len(ratings.user_ids))
    places = np.arange(len(rows)) - (np.cumsum(counts_U) - counts_U)[users]
    items_UL = np.full((len(counts_U), max(int(counts_U.max(initial=0)), 1)), -1, dtype=np.int64)
    items_UL[users, places] = ratings.items[rows]
    return items_UL


def pairs(ratings: Ratings, among_R: Mask, num_items: int) -> Any:
    """Return some ratings as a sparse matrix of ones, float32 (U, N)."""
    rows = np.flatnonzero(among_R)
    shape = (len(ratings.user_ids), num_items)
    ones = np.ones(len(rows), dtype=np.float32)
    return sparse.csr_matrix((ones, (ratings.users[rows], ratings.items[rows])), shape=shape)
