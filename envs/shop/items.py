"""Put the shop's products and personas on a device: features, planted attributes, drawn users."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from envs.features import TextFeatures
from envs.interface import Tensors
from envs.shop.catalog import PERSONAS, Personas, ShopCatalog, follow_up
from envs.simulator import CLUSTER, SPLITS, Split


class ShopItems:
    """N products on a device, as the kernel needs them.

    Args:
        shop: the generated products.
        vectors_ND: unit text features.
    """

    features: Tensor
    """(N, D + 4) float32: the text features; cosine and sine of a quarter turn times dearness; full price, discounted.

    Price and discount are shown in pairs of constant length, so that all rows are of one length (the root of 3) and the
    baseline `cosine`, for which a profile is zero there, ranks by the text alone.
    """

    def __init__(self, shop: ShopCatalog, vectors_ND: Tensor) -> None:
        def put(array: NDArray[np.float32] | NDArray[np.int64]) -> Tensor:
            return torch.as_tensor(array, device=vectors_ND.device)

        self.vectors = vectors_ND
        self.genres = put(shop.catalog.genres)
        """(N, C) one-hot categories."""
        self.categories, self.styles = put(shop.categories), put(shop.styles)
        self.quality, self.hype, self.popularity = put(shop.quality), put(shop.hype), put(shop.popularity)
        self.dearness, self.discounted = put(shop.dearness), put(shop.discounted)
        self.follows = put(follow_up())
        turn_N = self.dearness * (torch.pi / 2)
        marks_N4 = torch.stack([turn_N.cos(), turn_N.sin(), 1 - self.discounted, self.discounted], dim=1)
        self.features = torch.cat([vectors_ND, marks_N4], dim=1)
        self.beside = normalize(self.follows @ (self.genres.T @ vectors_ND), dim=1)
        """(C, D) unit mean text features of what goes with each category."""


class ShopUsers:
    """Users drawn around the personas of a split.

    Args:
        personas: the generated personas, in the order of `SPLITS`.
        features: of the catalogue's texts; maps the personas' own.
        device: where everything goes.
    """

    def __init__(self, personas: Personas, features: TextFeatures, device: torch.device) -> None:
        self.personas: Tensors = {
            "profile": features(personas.texts),
            "need": torch.as_tensor(personas.needs, device=device),
            "interest": torch.as_tensor(personas.interests, device=device),
            "taste": torch.as_tensor(personas.tastes, device=device),
            "price_sensitivity": torch.as_tensor(personas.price_sensitivity, device=device),
        }

    def draw(self, number: int, split: Split, generator: torch.Generator, perturbation: float) -> Tensors:
        """Draw users, uniformly from the personas, with noise in taste and price sensitivity.

        Returns:
            ``profile`` (number, D) unit, ``need`` and ``interest`` (number, C), ``taste`` (number, S),
            ``price_sensitivity`` (number,).
        """
        device = self.personas["taste"].device
        first = sum(PERSONAS[earlier] for earlier in SPLITS[: SPLITS.index(split)])
        persona_B = first + torch.randint(PERSONAS[split], (number,), generator=generator, device=device)
        drawn = {CLUSTER: persona_B} | {name: values[persona_B] for name, values in self.personas.items()}
        size = (number, drawn["taste"].shape[1] + 1)
        error_BS = perturbation * torch.randn(size, generator=generator, device=device)
        drawn["taste"] = drawn["taste"] + error_BS[:, 1:]
        drawn["price_sensitivity"] = drawn["price_sensitivity"] * error_BS[:, 0].exp()
        return drawn


def by_kind(values_BC: Tensor, kinds_N: Tensor, items_BK: Tensor | None) -> Tensor:
    """Return each user's value for the kind of each item, (B, K); of the whole catalogue (B, N) for None."""
    return values_BC[:, kinds_N] if items_BK is None else values_BC.gather(1, kinds_N[items_BK])
