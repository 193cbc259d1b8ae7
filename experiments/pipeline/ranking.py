"""Rank all items for every user of a task, and judge it."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from encoders.index import top_k
from experiments.pipeline.metrics import DEPTH, Floats, coverage, ndcg, recall
from experiments.pipeline.task import Task

SCORES_AT_ONCE = 1 << 24
"""Scores in memory at once: 64 MiB."""


class Model(Protocol):
    """A fitted recommender."""

    num_parameters: int
    """Numbers that were trained by descent, or 0."""

    def scores(self, users_B: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return how well each item suits some users, float32 (B, N), finite."""
        ...


class Judged(NamedTuple):
    """What a ranking is worth."""

    values: Mapping[str, Floats]
    """Metric to its value for each user (T,)."""
    coverage: float
    """Share of the ranked items in somebody's first 10."""
    chosen_by: float
    """Mean nDCG@100, by which settings are chosen."""


def rank(model: Model, task: Task) -> npt.NDArray[np.int64]:
    """Return the first 100 items for every user of a task, best first, int64 (T, 100), -1 where there are no more.

    Items that the user rated before are not ranked; equal scores come in the order of their numbers.
    """
    users_T, ranked = task.users, np.flatnonzero(task.ranked)
    depth = min(DEPTH, len(ranked))
    rows = max(1, SCORES_AT_ONCE // len(task.ranked))
    parts = []
    for start in range(0, len(users_T), rows):
        users_B = users_T[start : start + rows]
        scores_BC = np.array(model.scores(users_B)[:, ranked], dtype=np.float32)
        scores_BC[task.seen[users_B][:, ranked].toarray() > 0] = -np.inf
        ids_BK = top_k(torch.from_numpy(scores_BC), depth)[0].numpy()
        parts.append(np.where(ids_BK >= 0, ranked[ids_BK], -1))
    return np.concatenate(parts)


def judge(model: Model, task: Task) -> Judged:
    """Return what the rankings of a model are worth on a task."""
    top_TK, users_T = rank(model, task), task.users
    relevant_TN = task.relevant[users_T]
    relevant_T = np.diff(relevant_TN.indptr).astype(np.int64)
    rows_TK = np.broadcast_to(np.arange(len(users_T))[:, None], top_TK.shape)
    found = np.asarray(relevant_TN[rows_TK.ravel(), top_TK.ravel()]).reshape(top_TK.shape)
    hits_TK = (found > 0) & (top_TK >= 0)
    values = {
        "recall@10": recall(hits_TK, relevant_T, 10),
        "ndcg@10": ndcg(hits_TK, relevant_T, 10),
        "recall@100": recall(hits_TK, relevant_T, 100),
    }
    covered = coverage(top_TK[:, :10], int(task.ranked.sum()))
    return Judged(values, covered, float(ndcg(hits_TK, relevant_T, 100).mean()))
