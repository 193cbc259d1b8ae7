"""What reading explains: how much of a hidden world a linear reader finds in the items' texts, on items held out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders import load_encoder
from envs.text.domain import TextDomain
from envs.text.settings import WORLD

VECTORS = "vectors"
"""The name of the world's own vectors among what is read out."""
FOLDS = 5
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
"""Of the ridge regression; each fold chooses one on its training items alone."""

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Explained:
    """Shares of the variance over items of something hidden; about 0 for texts that say nothing of it, at most 1."""

    texts: float
    """From the encoder's own vectors of the texts."""
    view: float
    """From what the view keeps of them."""


def explained(simulator: TextDomain[Any]) -> dict[str, Explained]:
    """Return how much of the world's vectors, and of each planted attribute, the texts of the items say.

    Args:
        simulator: of a text domain; its settings name the encoder.
    """
    world = simulator.world
    hidden = {VECTORS: world.vectors, **world.attributes}
    texts_NE, view_ND = text_vectors(simulator), simulator.view.vectors.cpu().numpy()
    return {
        name: Explained(
            texts=held_out_r2(texts_NE, value.cpu().numpy()), view=held_out_r2(view_ND, value.cpu().numpy())
        )
        for name, value in hidden.items()
    }


def text_vectors(simulator: TextDomain[Any]) -> Array:
    """Return the encoder's own vectors of the items' texts, (N, E); of ``world``, which reads nothing, the world's."""
    encoder = simulator.settings.encoder
    if encoder == WORLD:
        vectors_NW: Array = simulator.world.vectors.cpu().numpy()
        return vectors_NW
    return load_encoder(encoder, device=str(simulator.device), corpus=simulator.texts).encode(simulator.texts)


def held_out_r2(inputs_NE: Array, targets_NA: Array, seed: int = 0) -> float:
    """Return the share of the targets' variance that a ridge regression explains on items it has not seen.

    Equation:
        R² = 1 - Σ (y - ŷ)² / Σ (y - ȳ)², sums over held-out items and all columns, ȳ their mean; the mean over folds.

    Args:
        inputs_NE: N items, five or more.
        targets_NA: what is to be found out of them.
        seed: of the shuffle that parts items into folds.

    Returns:
        At most 1; below 0 for a regression that is worse than the mean; NaN for targets that do not vary.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold

    inputs_NE, targets_NA = inputs_NE.astype(np.float64), targets_NA.astype(np.float64)
    shares = []
    for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(inputs_NE):
        told_NA = RidgeCV(PENALTIES).fit(inputs_NE[train], targets_NA[train]).predict(inputs_NE[test])
        held_NA = targets_NA[test]
        error = ((held_NA - told_NA.reshape(held_NA.shape)) ** 2).sum()
        total = ((held_NA - held_NA.mean(axis=0)) ** 2).sum()
        shares.append(1 - error / total if total > 0 else np.nan)
    return float(np.mean(shares))
