"""Put a rated catalogue and its raters on a device: text features, popularity, genres, fitted preferences."""

import logging
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from envs.catalog import DataSet
from envs.features import TextFeatures
from envs.fingerprints import fingerprint
from envs.fitted.cache import fit_fingerprint, load_or_fit
from envs.fitted.preferences import Preferences, PreferenceSettings
from envs.fitted.raters import RaterPool, draw_raters, rater_pool
from envs.fitted.scales import even_out
from envs.interface import Tensors
from envs.simulator import CLUSTER, SPLITS, Split

_logger = logging.getLogger("slatelab.envs")

MAX_TEXT_ITEMS = 16
"""Liked items in a rater's own text; at some 15 tokens an item more would be cut off at 256 tokens."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Items:
    """N items on a device, as a kernel needs them."""

    vectors: Tensor
    """(N, D) float32 unit text features."""
    popularity: Tensor
    """(N,) float32 standardised log of one plus the rating count."""
    genres: Tensor
    """(N, G) float32 multi-hot genres, rows of unit length (zero without genres)."""
    factors: Tensor
    """(N, F + 2) float32 fitted factors, the bias, and a one; the inner product with a user's is the affinity."""


class FittedUsers:
    """Users drawn around real raters, whose affinities are standardised over the catalogue.

    Their ``fingerprint`` is of items, ratings, how preferences are fitted, and the encoder.

    Args:
        dataset: catalogue and ratings.
        encoder_name: text encoder of the item (and rater) texts.
        num_features: D, principal components kept.
        text_profiles: start profiles from the rater's own text instead of the mean vector of a short history.
        device: where everything goes.

    Raises:
        UsageError: unknown encoder, too many features, too few raters.
    """

    def __init__(
        self, dataset: DataSet, encoder_name: str, num_features: int, text_profiles: bool, device: torch.device
    ) -> None:
        dataset, settings = even_out(dataset), PreferenceSettings()
        self.preferences = load_or_fit(dataset, settings)
        _logger.info(
            "preferences fitted on %s: error on hidden ratings of new raters, on the scale of %g to %g: %.3f (biases "
            "alone %.3f, item means %.3f, global mean %.3f)",
            dataset.name,
            *dataset.star_range,
            *(self.preferences.errors["test"][name] for name in ("factors", "biases", "item_mean", "global_mean")),
        )
        features = TextFeatures(dataset.catalog.texts, encoder_name, num_features, device)
        self.fingerprint = fingerprint(fit_fingerprint(dataset, settings), features.fingerprint)
        self.items = _items(dataset, features.items, self.preferences, device)
        self.pools: dict[Split, RaterPool] = {split: rater_pool(self.preferences, split, device) for split in SPLITS}
        item_factors_NF = self.items.factors[:, :-1]
        self.mean_F = item_factors_NF.mean(dim=0)
        self.covariance_FF = torch.cov(item_factors_NF.T)
        self.text_profiles: Tensor | None = None
        if text_profiles:
            self.text_profiles = features(rater_texts(dataset.catalog.texts, self.preferences.liked))

    def draw(
        self, number: int, split: Split, generator: torch.Generator, perturbation: float, history_size: int
    ) -> Tensors:
        """Draw users of a split.

        Equation:
            a_i = (p.q_i + b_i - mean_j) / sd_j, with mean and standard deviation of p.q_j + b_j over the catalogue.

        Returns:
            ``factors`` (number, F + 2), whose inner product with an item's is a_i, ``profile`` (number, D), unit, and
            the rater of each as `CLUSTER`.
        """
        drawn = draw_raters(self.pools[split], number, generator, perturbation, history_size)
        ones_B1 = torch.ones_like(drawn.factors[:, :1])
        weights_BF = torch.cat([drawn.factors, ones_B1], dim=1)
        deviation_B1 = torch.einsum("bf,fg,bg->b", weights_BF, self.covariance_FF, weights_BF).sqrt().unsqueeze(1)
        mean_B1 = (weights_BF @ self.mean_F).unsqueeze(1)
        if self.text_profiles is None:
            profile_BD = self.items.vectors[drawn.history].mean(dim=1)
        else:
            profile_BD = self.text_profiles[drawn.raters]
        return {
            CLUSTER: drawn.raters,
            "factors": torch.cat([weights_BF, -mean_B1], dim=1) / deviation_B1,
            "profile": torch.nn.functional.normalize(profile_BD, dim=1),
        }


def _items(dataset: DataSet, vectors_ND: Tensor, preferences: Preferences, device: torch.device) -> Items:
    counts_N = np.bincount(dataset.ratings.items, minlength=len(dataset.catalog))
    log_counts_N = np.log1p(counts_N)
    popularity_N = (log_counts_N - log_counts_N.mean()) / max(float(log_counts_N.std()), 1e-12)
    genres_NG = dataset.catalog.genres
    lengths_N1 = np.linalg.norm(genres_NG, axis=1, keepdims=True)
    biases_N1 = preferences.item_biases[:, None]
    factors_NF = np.concatenate([preferences.item_factors, biases_N1, np.ones_like(biases_N1)], axis=1)

    def put(array: NDArray[np.floating]) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=device)

    return Items(
        vectors=vectors_ND,
        popularity=put(popularity_N),
        genres=put(genres_NG / np.maximum(lengths_N1, 1e-12)),
        factors=put(factors_NF),
    )


def rater_texts(item_texts: tuple[str, ...], liked_UL: NDArray[np.int64]) -> list[str]:
    """Describe every rater by the texts of what they liked, newest first (U strings)."""
    return [
        " ".join(item_texts[item] for item in row[:MAX_TEXT_ITEMS] if item >= 0) or "Nothing liked yet."
        for row in liked_UL
    ]
