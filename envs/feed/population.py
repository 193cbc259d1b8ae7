"""Put the generated posts and personas of Feed-v0 on a device: features, planted attributes, users drawn."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from envs.features import TextFeatures
from envs.feed.catalog import CATALOGUE_SEED, PERSONAS, FeedCatalog, Personas
from envs.interface import Tensors
from envs.simulator import CLUSTER, SPLITS, Split

CREATOR_CODE = 16
"""Z, numbers by which an agent tells creators apart."""


class Posts:
    """The N posts of the catalogue, T topics and C creators.

    Args:
        feed: what was generated.
        vectors_ND: unit features of its texts, on the device where everything goes.
    """

    vectors: Tensor
    """(N, D) unit text features."""
    features: Tensor
    """(N, D + Z) text features, and a random code of the creator, of unit length."""
    topics: Tensor
    """(N,) int64."""
    creators: Tensor
    """(N,) int64."""
    outrage: Tensor
    """(N,) in [0, 1]."""
    nourishment: Tensor
    """(N,) in [0, 1]."""
    popularity: Tensor
    """(N,) standardised."""
    shouts: Tensor
    """(N,) 1 where the text has an exclamation mark, else 0."""

    def __init__(self, feed: FeedCatalog, vectors_ND: Tensor) -> None:
        def put(array: NDArray[np.generic]) -> Tensor:
            return torch.as_tensor(array, device=vectors_ND.device)

        self.vectors = vectors_ND
        self.num_topics, self.num_creators = len(feed.catalog.genre_names), len(feed.creator_names)
        self.topics, self.creators = put(feed.topics), put(feed.creators)
        self.outrage, self.nourishment = put(feed.outrage), put(feed.nourishment)
        self.popularity = put(feed.popularity)
        self.shouts = put(np.array(["!" in text for text in feed.catalog.texts], dtype=np.float32))
        codes_CZ = np.random.default_rng(CATALOGUE_SEED).normal(size=(self.num_creators, CREATOR_CODE))
        codes_CZ /= np.linalg.norm(codes_CZ, axis=1, keepdims=True)
        self.features = torch.cat([self.vectors, put(codes_CZ.astype(np.float32))[self.creators]], dim=1)

    def __len__(self) -> int:
        """Return the number of posts, N."""
        return len(self.vectors)

    def of_topic(self, values_BT: Tensor, items_BK: Tensor | None) -> Tensor:
        """Return the users' values for the topics of items, (B, K); of the whole catalogue (B, N) for None."""
        return values_BT[:, self.topics] if items_BK is None else values_BT.gather(1, self.topics[items_BK])

    def of_creator(self, values_BC: Tensor, items_BK: Tensor | None) -> Tensor:
        """Return the users' values for the creators of items, (B, K); of the whole catalogue (B, N) for None."""
        return values_BC[:, self.creators] if items_BK is None else values_BC.gather(1, self.creators[items_BK])


class FeedUsers:
    """Users drawn around personas.

    Args:
        personas: the generated personas, in the order of `SPLITS`.
        features: what maps their texts into the space of the posts.
        device: where everything goes.
    """

    def __init__(self, personas: Personas, features: TextFeatures, device: torch.device) -> None:
        self._device = device
        self._personas = {
            "profile": features(personas.texts),
            "taste": torch.as_tensor(personas.tastes, device=device),
            "temper": torch.as_tensor(personas.tempers, device=device),
        }

    def draw(self, number: int, split: Split, generator: torch.Generator, perturbation: float) -> Tensors:
        """Draw users of a split: ``profile`` (number, D), ``taste`` (number, T), rows sum to 1, ``temper`` (number,).

        Equation:
            taste proportional to the persona's times exp(s N(0, 1)), temper the persona's times exp(s N(0, 1)).
        """
        first = sum(PERSONAS[earlier] for earlier in SPLITS[: SPLITS.index(split)])
        persona_B = first + torch.randint(PERSONAS[split], (number,), generator=generator, device=self._device)
        drawn = {CLUSTER: persona_B} | {name: values[persona_B] for name, values in self._personas.items()}
        size = (number, drawn["taste"].shape[1] + 1)
        factor_BT = (perturbation * torch.randn(size, generator=generator, device=self._device)).exp()
        drawn["taste"] = normalize(drawn["taste"] * factor_BT[:, 1:], p=1, dim=1)
        drawn["temper"] = drawn["temper"] * factor_BT[:, 0]
        return drawn
