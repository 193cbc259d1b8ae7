"""Put a rated catalogue and its raters on a device: what pulls people, what they like, genres, popularity."""

import logging
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from envs.catalog import DataSet
from envs.fitted.cache import fit_fingerprint, load_or_fit
from envs.fitted.engagement import Method
from envs.fitted.preferences import Preferences, PreferenceSettings
from envs.fitted.raters import DrawnRaters, RaterPool, draw_raters, rater_pool
from envs.fitted.scales import even_out
from envs.interface import Tensors
from envs.simulator import SPLITS, Split

_logger = logging.getLogger("slatelab.envs")

MAX_TEXT_ITEMS = 16
"""Liked items in a rater's own text; at some 15 tokens an item more would be cut off at 256 tokens."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Items:
    """N items on a device, as a kernel needs them."""

    directions: Tensor
    """(N, W) float32 unit rows: who is drawn to one is drawn to what lies near it."""
    popularity: Tensor
    """(N,) float32 standardised log of one plus the rating count."""
    genres: Tensor
    """(N, G) float32 multi-hot genres, rows of unit length (zero without genres)."""
    factors: Tensor
    """(N, F + 2) float32 fitted factors, the bias, and a one; the inner product with a user's is the affinity."""


class FittedUsers:
    """Users drawn around real raters, whose affinities are standardised over the catalogue.

    Args:
        dataset: catalogue and ratings.
        device: where everything goes.
        engagement: how what people are drawn to is found, see `envs.fitted.engagement.METHODS`.

    Raises:
        UsageError: too few raters, or no signal in what they rated.
    """

    fingerprint: str
    """Of items, ratings and how preferences are fitted."""

    def __init__(self, dataset: DataSet, device: torch.device, engagement: Method = "svd") -> None:
        dataset, settings = even_out(dataset), PreferenceSettings(engagement=engagement)
        self.preferences = load_or_fit(dataset, settings)
        _tell(dataset, self.preferences)
        self.fingerprint = fit_fingerprint(dataset, settings)
        self.items = _items(dataset, self.preferences, device)
        self.interests = torch.as_tensor(self.preferences.interests, device=device)
        self.pools: dict[Split, RaterPool] = {split: rater_pool(self.preferences, split, device) for split in SPLITS}
        item_factors_NF = self.items.factors[:, :-1]
        self.mean_F = item_factors_NF.mean(dim=0)
        self.covariance_FF = torch.cov(item_factors_NF.T)
        ratings = dataset.ratings
        keys = np.sort(ratings.users * len(dataset.catalog) + ratings.items)
        self._rated = torch.as_tensor(keys, device=device)

    def draw(
        self, number: int, split: Split, generator: torch.Generator, perturbation: float, history_size: int
    ) -> tuple[DrawnRaters, Tensors]:
        """Draw users of a split.

        Equation:
            a_i = (p.q_i + b_i - mean_j) / sd_j, with mean and standard deviation of p.q_j + b_j over the catalogue;
            the interest is the rater's plus noise of that length times ``perturbation``, to unit length.

        Returns:
            the raters they are drawn around; ``factors`` (number, F + 2), whose inner product with an item's is a_i,
            0 where nobody has a preference, and ``interest`` (number, W), unit.
        """
        drawn = draw_raters(self.pools[split], number, generator, perturbation, history_size)
        ones_B1 = torch.ones_like(drawn.factors[:, :1])
        weights_BF = torch.cat([drawn.factors, ones_B1], dim=1)
        variance_B = torch.einsum("bf,fg,bg->b", weights_BF, self.covariance_FF, weights_BF)
        deviation_B1 = variance_B.clamp(min=1e-12).sqrt().unsqueeze(1)
        mean_B1 = (weights_BF @ self.mean_F).unsqueeze(1)
        interest_BW = self.interests[drawn.raters]
        noise_BW = torch.randn(interest_BW.shape, generator=generator, device=interest_BW.device)
        return drawn, {
            "factors": torch.cat([weights_BF, -mean_B1], dim=1) / deviation_B1,
            "interest": normalize(interest_BW + perturbation * noise_BW / noise_BW.shape[1] ** 0.5, dim=1),
        }

    def really_rated(self, raters_B: Tensor, items_B: Tensor) -> Tensor:
        """Return whether raters rated items, in the data, (B,) float32."""
        keys_B = raters_B * len(self.items.factors) + items_B
        at_B = torch.searchsorted(self._rated, keys_B).clamp(max=len(self._rated) - 1)
        return (self._rated[at_B] == keys_B).float()


def _tell(dataset: DataSet, preferences: Preferences) -> None:
    width = preferences.directions.shape[1]
    _logger.info("%s: what people are drawn to has %d directions", dataset.name, width)
    if not preferences.explicit:
        _logger.warning(
            "%s says who used what, not how well it was liked (implicit feedback): users differ in what they are drawn "
            "to, satisfaction follows from variety alone, and everybody tells 3 stars. If a column says how well, name "
            "it with rating_field (--env.rating-field)",
            dataset.name,
        )
        return
    _logger.info(
        "preferences fitted on %s: error on hidden ratings of new raters, on the scale of %g to %g: %.3f (biases "
        "alone %.3f, item means %.3f, global mean %.3f)",
        dataset.name,
        *dataset.star_range,
        *(preferences.errors["test"][name] for name in ("factors", "biases", "item_mean", "global_mean")),
    )


def _items(dataset: DataSet, preferences: Preferences, device: torch.device) -> Items:
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
        directions=put(preferences.directions),
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
