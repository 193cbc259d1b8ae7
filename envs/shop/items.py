"""Put the shop's products and personas on a device: planted attributes, drawn users."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from envs.interface import Tensors
from envs.shop.catalog import CATALOGUE_SEED, NOUNS, PERSONAS, Personas, ShopCatalog, follow_up
from envs.simulator import CLUSTER, Split
from envs.text.planted import codes, draw_personas

FANCY = 8
"""Numbers that say which of the kinds of a category somebody fancies."""


class ShopItems:
    """N products on a device, as the kernel needs them.

    Args:
        shop: the generated products.
        device: where they go.
    """

    def __init__(self, shop: ShopCatalog, device: torch.device) -> None:
        def put(array: NDArray[np.float32] | NDArray[np.int64]) -> Tensor:
            return torch.as_tensor(array, device=device)

        self.genres = put(shop.catalog.genres)
        """(N, C) one-hot categories."""
        self.categories, self.styles = put(shop.categories), put(shop.styles)
        self.kinds = codes(len(NOUNS), FANCY, CATALOGUE_SEED + 2).to(device)[put(shop.kinds)]
        """(N, FANCY) unit codes of what products are called."""
        self.quality, self.hype, self.popularity = put(shop.quality), put(shop.hype), put(shop.popularity)
        self.dearness, self.discounted = put(shop.dearness), put(shop.discounted)
        self.follows = put(follow_up())
        """(C, C) which categories go with which."""

    def marks(self) -> Tensor:
        """Return what everybody sees beside the text, (N, 4): cosine and sine of a quarter turn times dearness; full
        price, discounted.

        They are pairs of constant length, so that all rows of features are of one length (the root of 3) and the
        baseline `cosine`, for which a profile is zero there, ranks by the text alone.
        """
        turn_N = self.dearness * (torch.pi / 2)
        return torch.stack([turn_N.cos(), turn_N.sin(), 1 - self.discounted, self.discounted], dim=1)


class ShopUsers:
    """Users drawn around the personas of a split.

    Args:
        personas: the generated personas, in the order of `SPLITS`.
        device: where everything goes.
    """

    def __init__(self, personas: Personas, device: torch.device) -> None:
        self.device = device
        self.personas: Tensors = {
            "need": torch.as_tensor(personas.needs, device=device),
            "interest": torch.as_tensor(personas.interests, device=device),
            "taste": torch.as_tensor(personas.tastes, device=device),
            "fancy": codes(len(personas.texts), FANCY, CATALOGUE_SEED + 3).to(device),
            "price_sensitivity": torch.as_tensor(personas.price_sensitivity, device=device),
        }

    def draw(self, number: int, split: Split, generator: torch.Generator, perturbation: float) -> Tensors:
        """Draw users, uniformly from the personas, with noise in taste, fancy and price sensitivity.

        Returns:
            the persona of each as `CLUSTER`; ``need`` and ``interest`` (number, C), ``taste`` (number, S), ``fancy``
            (number, FANCY) unit, ``price_sensitivity`` (number,).
        """
        persona_B = draw_personas(PERSONAS, number, split, generator, self.device)
        drawn = {CLUSTER: persona_B} | {name: values[persona_B] for name, values in self.personas.items()}
        styles = drawn["taste"].shape[1]
        size = (number, 1 + styles + FANCY)
        error_BS = perturbation * torch.randn(size, generator=generator, device=self.device)
        drawn["price_sensitivity"] = drawn["price_sensitivity"] * error_BS[:, 0].exp()
        drawn["taste"] = drawn["taste"] + error_BS[:, 1 : 1 + styles]
        drawn["fancy"] = normalize(drawn["fancy"] + error_BS[:, 1 + styles :] / FANCY**0.5, dim=1)
        return drawn
