"""Put the generated posts and personas of Feed-v0 on a device: planted attributes, users drawn."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from envs.feed.catalog import CATALOGUE_SEED, PERSONAS, SUBJECTS, FeedCatalog, Personas
from envs.interface import Tensors
from envs.simulator import CLUSTER, Split
from envs.text.planted import codes, draw_personas

CREATOR_CODE = 16
"""Z, numbers by which an agent tells creators apart."""
FANCY = 8
"""Numbers that say which of the subjects of a topic somebody fancies."""


class Posts:
    """The N posts of the catalogue, T topics and C creators.

    Args:
        feed: what was generated.
        device: where everything goes.
    """

    topics: Tensor
    """(N,) int64."""
    subjects: Tensor
    """(N, FANCY) unit codes of what posts are about."""
    creators: Tensor
    """(N,) int64."""
    creator_codes: Tensor
    """(N, Z) a random code of the creator, of unit length."""
    outrage: Tensor
    """(N,) in [0, 1]."""
    nourishment: Tensor
    """(N,) in [0, 1]."""
    popularity: Tensor
    """(N,) standardised."""
    shouts: Tensor
    """(N,) 1 where the text has an exclamation mark, else 0."""

    def __init__(self, feed: FeedCatalog, device: torch.device) -> None:
        def put(array: NDArray[np.generic]) -> Tensor:
            return torch.as_tensor(array, device=device)

        self.num_topics, self.num_creators = len(feed.catalog.genre_names), len(feed.creator_names)
        self.topics, self.creators = put(feed.topics), put(feed.creators)
        self.subjects = codes(len(SUBJECTS), FANCY, CATALOGUE_SEED + 2).to(device)[put(feed.subjects)]
        self.creator_codes = codes(self.num_creators, CREATOR_CODE, CATALOGUE_SEED + 4).to(device)[self.creators]
        self.outrage, self.nourishment = put(feed.outrage), put(feed.nourishment)
        self.popularity = put(feed.popularity)
        self.shouts = put(np.array(["!" in text for text in feed.catalog.texts], dtype=np.float32))


class FeedUsers:
    """Users drawn around personas.

    Args:
        personas: the generated personas, in the order of `SPLITS`.
        device: where everything goes.
    """

    def __init__(self, personas: Personas, device: torch.device) -> None:
        self._device = device
        self.personas: Tensors = {
            "taste": torch.as_tensor(personas.tastes, device=device),
            "fancy": codes(len(personas.texts), FANCY, CATALOGUE_SEED + 3).to(device),
            "temper": torch.as_tensor(personas.tempers, device=device),
        }

    def draw(self, number: int, split: Split, generator: torch.Generator, perturbation: float) -> Tensors:
        """Draw users of a split, uniformly from the personas.

        Equation:
            taste proportional to the persona's times exp(s N(0, 1)), temper the persona's times exp(s N(0, 1)), fancy
            the persona's plus s N(0, 1) / sqrt(FANCY), to unit length.

        Returns:
            the persona of each as `CLUSTER`; ``taste`` (number, T), rows sum to 1, ``fancy`` (number, FANCY) unit,
            ``temper`` (number,).
        """
        persona_B = draw_personas(PERSONAS, number, split, generator, self._device)
        drawn = {CLUSTER: persona_B} | {name: values[persona_B] for name, values in self.personas.items()}
        topics = drawn["taste"].shape[1]
        size = (number, 1 + topics + FANCY)
        error_BS = perturbation * torch.randn(size, generator=generator, device=self._device)
        drawn["temper"] = drawn["temper"] * error_BS[:, 0].exp()
        drawn["taste"] = normalize(drawn["taste"] * error_BS[:, 1 : 1 + topics].exp(), p=1, dim=1)
        drawn["fancy"] = normalize(drawn["fancy"] + error_BS[:, 1 + topics :] / FANCY**0.5, dim=1)
        return drawn
