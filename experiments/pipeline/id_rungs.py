"""Rungs that know items by who liked them alone: random, popularity, item-kNN, EASE."""

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from experiments.pipeline.rung import Rung, Setting
from experiments.pipeline.task import Task
from experiments.seeds import derive_seed

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
ITEMS_AT_ONCE = 512


class Constant:
    """Score every item the same for every user: (N,)."""

    num_parameters = 0

    def __init__(self, scores_N: Floats) -> None:
        self.scores_N = scores_N

    def scores(self, users_B: Ints) -> Floats:
        """Return the scores of all items for some users, float32 (B, N)."""
        return np.broadcast_to(self.scores_N, (len(users_B), len(self.scores_N)))


class Chance:
    """Score items at random, the same for a user whoever else is asked for."""

    num_parameters = 0

    def __init__(self, num_items: int, seed: int) -> None:
        self.num_items, self.seed = num_items, seed

    def scores(self, users_B: Ints) -> Floats:
        """Return the scores of all items for some users, float32 (B, N), in [0, 1)."""
        items_N = np.arange(self.num_items, dtype=np.uint64)
        cells_BN = np.uint64(self.seed) + users_B.astype(np.uint64)[:, None] * np.uint64(self.num_items) + items_N
        return (mixed(cells_BN) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)


def mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return numbers that look random, one for each.

    Source:
        Steele, Lea and Flood 2014 (OOPSLA, 10.1145/2660193.2660195), SplitMix64.
    """
    numbers = numbers * np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


class Neighbours:
    """Score an item by how like it the items are that a user liked: sparse similarities (N, N), column by column."""

    num_parameters = 0

    def __init__(self, likes_UN: Any, similar_NN: Any) -> None:
        self.likes_UN, self.similar_NN = likes_UN, similar_NN

    def scores(self, users_B: Ints) -> Floats:
        """Return the scores of all items for some users, float32 (B, N)."""
        found: Floats = (self.likes_UN[users_B] @ self.similar_NN).toarray().astype(np.float32)
        return found


class Linear:
    """Score items by precomputed scores, (U, N) float32."""

    num_parameters = 0

    def __init__(self, scores_UN: Floats) -> None:
        self.scores_UN = scores_UN

    def scores(self, users_B: Ints) -> Floats:
        """Return the scores of all items for some users, float32 (B, N)."""
        return self.scores_UN[users_B]


def item_similarities(likes_UN: Any, neighbours: int, shrinkage: float) -> Any:
    """Return how like two items are by who liked both, sparse float32 (N, N), each column with its largest entries.

    Equation:
        s_ij = c_ij / (sqrt(n_i n_j) + h), with c_ij the users who liked both and n_i those who liked i; s_ii = 0.
    Source:
        Sarwar et al. 2001 (WWW, 10.1145/371920.372071); shrunk as in Ferrari Dacrema et al. 2019, arXiv 1907.06902.

    Args:
        likes_UN: sparse ones.
        neighbours: entries that are kept in a column, at most.
        shrinkage: h, in users.
    """
    num_items, met = likes_UN.shape[1], np.flatnonzero(np.asarray(likes_UN.sum(axis=0)).ravel())
    likes_UM = likes_UN[:, met]  # (items that nobody liked are like none)
    by_item_MU = likes_UM.T.tocsr()
    lengths_M = np.sqrt(np.asarray(likes_UM.sum(axis=0)).ravel())
    kept, blocks = min(neighbours, len(met)), []
    for start in range(0, len(met), ITEMS_AT_ONCE):
        places = np.arange(start, min(start + ITEMS_AT_ONCE, len(met)))
        both_IM = (by_item_MU[places] @ likes_UM).toarray()
        both_IM[np.arange(len(places)), places] = 0.0
        similar_IM = both_IM / (lengths_M[places, None] * lengths_M + shrinkage)
        others_IK = np.argpartition(similar_IM, len(met) - kept, axis=1)[:, len(met) - kept :]
        values_IK = np.take_along_axis(similar_IM, others_IK, axis=1).astype(np.float32)
        rows_IK = np.broadcast_to(met[places, None], others_IK.shape)
        blocks.append((values_IK.ravel(), met[others_IK].ravel(), rows_IK.ravel()))
    values, others, items = (np.concatenate(each) for each in zip(*blocks, strict=True))
    similar_NN = sparse.csr_matrix((values, (others, items)), shape=(num_items, num_items))
    similar_NN.eliminate_zeros()
    return similar_NN


def ease_scores(likes_UN: Any, penalty: float) -> Floats:
    """Return the scores of a linear autoencoder that may not explain an item by itself, float32 (U, N).

    Equation:
        B = I − P diag(P)^-1 with P = (XᵀX + λ I)^-1; scores X B.
        With fewer users than items X P = K^-1 X and diag(P) = (1 − diag(Xᵀ K^-1 X)) / λ, K = X Xᵀ + λ I (U × U), so
        that nothing of N × N is made.
    Source:
        Steck 2019 (WWW), arXiv 1905.03375.

    Args:
        likes_UN: sparse ones X.
        penalty: λ, above 0.
    """
    users, items = likes_UN.shape
    dense_UN = likes_UN.toarray().astype(np.float64)
    if users < items:
        kernel_UU = dense_UN @ dense_UN.T + penalty * np.eye(users)
        product_UN = linalg.solve(kernel_UU, dense_UN, assume_a="pos")
        diagonal_N = (1.0 - np.einsum("un,un->n", dense_UN, product_UN)) / penalty
    else:
        inverse_NN = linalg.inv(dense_UN.T @ dense_UN + penalty * np.eye(items))
        product_UN = dense_UN @ inverse_NN
        diagonal_N = np.diag(inverse_NN)
    scores_UN: Floats = (dense_UN - product_UN / diagonal_N).astype(np.float32)
    return scores_UN


def _random(task: Task, setting: Setting) -> Chance:
    return Chance(len(task.texts), derive_seed(setting.seed, "random rung"))


def _popularity(task: Task, setting: Setting) -> Constant:
    return Constant(task.popularity)


def _item_knn(task: Task, setting: Setting) -> Neighbours:
    similar_NN = item_similarities(task.likes, setting.choice["neighbours"], setting.choice["shrinkage"])
    return Neighbours(task.likes, similar_NN)


def _ease(task: Task, setting: Setting) -> Linear:
    return Linear(ease_scores(task.likes, setting.choice["penalty"]))


ID_RUNGS = (
    Rung(name="random", fit=_random),
    Rung(name="popularity", fit=_popularity),
    Rung(
        name="item_knn",
        fit=_item_knn,
        choices=[{"neighbours": k, "shrinkage": h} for k, h in product((20, 50, 100, 200), (0.0, 5.0, 20.0))],
    ),
    Rung(name="ease", fit=_ease, choices=[{"penalty": float(each)} for each in (30, 100, 200, 300, 500, 1000)]),
)
