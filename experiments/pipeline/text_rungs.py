"""Rungs that know items by their texts alone, and nothing is tuned: BM25, frozen, centred, whitened vectors."""

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from encoders.errors import UsageError
from encoders.retrieval.augmented import with_popularity
from encoders.retrieval.protocol import unit_rows
from experiments.pipeline.rung import Rung, Setting
from experiments.pipeline.task import Task

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Profiles:
    """Rank items by the cosine of one vector an item and one a user: unit rows (N, E) and (U, E)."""

    def __init__(self, items_NE: Floats, users_UE: Floats, num_parameters: int = 0) -> None:
        self.items_NE, self.users_UE, self.num_parameters = items_NE, users_UE, num_parameters

    def scores(self, users_B: Ints) -> Floats:
        """Return the cosine of all items for some users, float32 (B, N)."""
        return self.users_UE[users_B] @ self.items_NE.T


class Terms:
    """Rank items by the words that they share with what a user liked: weights (N, V), queries (U, V)."""

    num_parameters = 0

    def __init__(self, queries_UV: Any, weights_NV: Any) -> None:
        self.queries_UV, self.weights_NV = queries_UV, weights_NV.tocsr()

    def scores(self, users_B: Ints) -> Floats:
        """Return the scores of all items for some users, float32 (B, N)."""
        found: Floats = (self.weights_NV @ self.queries_UV[users_B].toarray().T).T.astype(np.float32)
        return found


def mean_profiles(items_NE: Floats, likes_UN: Any) -> Floats:
    """Return the direction of the mean of what each user liked, float32 (U, E); zeros for who liked nothing."""
    return unit_rows(np.asarray(likes_UN @ items_NE))


def bm25_weights(counts_NV: Any, saturation: float, length_weight: float) -> Any:
    """Return how much each word says of each text, sparse float64 (N, V).

    Equation:
        w_nv = idf_v c_nv (k1 + 1) / (c_nv + k1 (1 − b + b l_n / mean l)), idf_v = log(1 + (N − N_v + ½) / (N_v + ½)).
    Source:
        Robertson and Zaragoza 2009, The Probabilistic Relevance Framework; the idf that is never negative is Lucene's.

    Args:
        counts_NV: how often each word stands in each text, sparse.
        saturation: k1.
        length_weight: b.
    """
    counts_NV = sparse.csr_matrix(counts_NV, dtype=np.float64)
    texts = counts_NV.shape[0]
    texts_V = np.bincount(counts_NV.indices, minlength=counts_NV.shape[1])
    rarity_V = np.log1p((texts - texts_V + 0.5) / (texts_V + 0.5))
    lengths_N = np.asarray(counts_NV.sum(axis=1)).ravel()
    relative_N = lengths_N / max(lengths_N.mean(), 1e-12)
    damping_n = np.repeat(saturation * (1 - length_weight + length_weight * relative_N), np.diff(counts_NV.indptr))
    weights_NV = counts_NV.copy()
    weights_NV.data = rarity_V[counts_NV.indices] * counts_NV.data * (saturation + 1) / (counts_NV.data + damping_n)
    return weights_NV


def whitening(vectors_ND: Floats, known_N: npt.NDArray[np.bool_], components: int, power: float) -> Floats:
    """Return vectors along the leading principal directions, scaled towards equal spread; unit rows (N, E).

    Equation:
        y = (x − μ) V_E Λ_E^-power, to unit length, with μ and V Λ Vᵀ mean and covariance of the known rows.
    Source:
        Su et al. 2021, arXiv 2103.15316, with power ½.
    """
    known_KD = vectors_ND[known_N].astype(np.float64)
    centre_D = known_KD.mean(axis=0)
    spread_D, directions_DD = np.linalg.eigh(np.cov(known_KD - centre_D, rowvar=False))
    kept = np.argsort(-spread_D)[: min(components, len(known_KD) - 1)]
    scales_E = np.maximum(spread_D[kept], 1e-9 * spread_D.max()) ** -power
    return unit_rows((vectors_ND - centre_D) @ (directions_DD[:, kept] * scales_E))


def centred(task: Task) -> Floats:
    """Return the frozen vectors without what all known ones have in common, unit rows (N, D)."""
    return unit_rows(task.vectors - task.vectors[task.known].mean(axis=0))


def _bm25(task: Task, setting: Setting) -> Terms:
    from sklearn.feature_extraction.text import CountVectorizer

    texts = task.texts
    if setting.choice["form"] == "title":
        texts = tuple(text.partition(". Genres:")[0] for text in texts)
    try:
        counts_NV = CountVectorizer(token_pattern=r"(?u)\b\w+\b").fit_transform(texts)
    except ValueError as error:
        raise UsageError("the texts hold no word, so bm25 has nothing to compare; give the items titles") from error
    weights_NV = bm25_weights(counts_NV, setting.choice["k1"], setting.choice["b"])
    return Terms(task.likes @ counts_NV, weights_NV)


def _frozen(task: Task, setting: Setting) -> Profiles:
    return Profiles(task.vectors, mean_profiles(task.vectors, task.likes))


def _centred(task: Task, setting: Setting) -> Profiles:
    items_ND = centred(task)
    return Profiles(items_ND, mean_profiles(items_ND, task.likes))


def _whitened(task: Task, setting: Setting) -> Profiles:
    items_NE = whitening(task.vectors, task.known, setting.choice["components"], setting.choice["power"])
    return Profiles(items_NE, mean_profiles(items_NE, task.likes))


def popular(model: Profiles, task: Task, weight: float) -> Profiles:
    """Return the same vectors with a popularity coordinate more: cosine ranks by u . v + weight log(1 + likes)."""
    augmented = with_popularity(model.items_NE, task.popularity, weight)
    return Profiles(augmented.items, augmented.users(model.users_UE), model.num_parameters)


WEIGHTS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3)
"""Of the logarithm of likes beside a cosine."""


def with_popularity_rung(name: str) -> Rung:
    """Return the rung that adds a popularity coordinate to the vectors of another."""

    def fit(task: Task, setting: Setting) -> Profiles:
        model = setting.others(name, task)
        if not isinstance(model, Profiles):
            raise TypeError(f"{name} ranks by no cosine, so it takes no popularity coordinate")
        return popular(model, task, setting.choice["weight"])

    return Rung(name=f"{name}_popularity", fit=fit, needs=(name,), choices=[{"weight": weight} for weight in WEIGHTS])


TEXT_RUNGS = (
    Rung(
        name="bm25",
        fit=_bm25,
        choices=[{"form": f, "k1": k1, "b": b} for f, k1, b in product(("title", "all"), (0.5, 1.2, 2.0), (0.0, 0.75))],
    ),
    Rung(name="frozen", fit=_frozen),
    Rung(name="centred", fit=_centred),
    Rung(
        name="whitened",
        fit=_whitened,
        choices=[{"components": e, "power": p} for e, p in product((32, 64, 128, 256, 384), (0.25, 0.5))],
    ),
    with_popularity_rung("whitened"),
)
