"""How good rankings are. Pure functions of numpy arrays: T users, K places."""

import numpy as np
import numpy.typing as npt

from envs.interface import Metric

Floats = npt.NDArray[np.float64]
Hits = npt.NDArray[np.bool_]

METRICS = (
    Metric("recall@10", "share", "higher", "relevant items among the first 10, over the most that could be there"),
    Metric("ndcg@10", "share", "higher", "the same, a place counting the less the later it is, over the ideal ranking"),
    Metric("recall@100", "share", "higher", "relevant items among the first 100, over the most that could be there"),
    Metric("coverage", "share", "higher", "ranked items that are among the first 10 of a user; no interval"),
)
"""Of every rung on the ladder."""
DEPTH = 100
"""Places of a ranking that are looked at."""


def recall(hits_TK: Hits, relevant_T: npt.NDArray[np.int64], k: int) -> Floats:
    """Return the share of relevant items that are found among the first k places, float64 (T,).

    Equation:
        recall@k = sum_{i <= k} hit_i / min(k, relevant)

    Args:
        hits_TK: whether the item in each place is relevant; there may be fewer places than k.
        relevant_T: relevant items of each user, at least 1.
        k: places that count.
    """
    found_T: Floats = hits_TK[:, :k].sum(axis=1) / np.minimum(k, relevant_T)
    return found_T


def ndcg(hits_TK: Hits, relevant_T: npt.NDArray[np.int64], k: int) -> Floats:
    """Return the discounted gain of the first k places over that of the ideal ranking, float64 (T,).

    Equation:
        nDCG@k = sum_{i <= k} hit_i / log2(i + 1) / sum_{i <= min(k, relevant)} 1 / log2(i + 1)
    Source:
        Järvelin and Kekäläinen 2002, ACM TOIS 20(4).

    Args:
        hits_TK: whether the item in each place is relevant; there may be fewer places than k.
        relevant_T: relevant items of each user, at least 1.
        k: places that count.
    """
    discounts_K = 1.0 / np.log2(np.arange(2, k + 2))
    ideal_T = np.cumsum(discounts_K)[np.minimum(k, relevant_T) - 1]
    gained_T: Floats = hits_TK[:, :k] @ discounts_K[: hits_TK.shape[1]]
    share_T: Floats = gained_T / ideal_T
    return share_T


def coverage(top_TK: npt.NDArray[np.int64], num_ranked: int) -> float:
    """Return the share of the ranked items that stand in a place of a user.

    Args:
        top_TK: item in each place, -1 where there is none.
        num_ranked: items that are ranked.
    """
    shown = np.unique(top_TK)
    return float((shown >= 0).sum() / num_ranked)
