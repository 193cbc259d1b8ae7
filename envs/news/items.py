"""Put the articles and personas of the news on a device: features, hours, planted attributes, drawn users."""

import math
import re

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from envs.features import TextFeatures
from envs.interface import Tensors
from envs.news.catalog import PERSONAS, NewsCatalog, Personas
from envs.news.settings import NewsSettings
from envs.news.words import EVENTS
from envs.simulator import CLUSTER, SPLITS, Split

NUM_TIMES = 4
"""Columns of the candidates that depend on the hour."""
LOUD = re.compile(r"[!?]|\b(you|this|nobody|everyone|everybody|shock)\b", re.IGNORECASE)
"""What an editor would forbid in a headline."""


class NewsItems:
    """N articles on a device, in the order of their publication.

    Args:
        news: the generated articles.
        vectors_ND: unit text features.
        settings: how freshness and events rise and fall.
    """

    def __init__(self, news: NewsCatalog, vectors_ND: Tensor, settings: NewsSettings) -> None:
        def put(array: NDArray[np.float32]) -> Tensor:
            return torch.as_tensor(array, device=vectors_ND.device)

        self.settings = settings
        self.vectors = vectors_ND
        self.sections = normalize(put(news.catalog.genres), dim=1)
        """(N, T) sections, rows of unit length."""
        self.hours, self.popularity = put(news.hours), put(news.popularity)
        self.clickbait, self.depth = put(news.clickbait), put(news.depth)
        event_hours = np.array([*(event.hour for event in EVENTS), math.inf], dtype=np.float32)
        self.event_hours = put(event_hours[news.events])
        """(N,) hour of the article's event; infinite without one."""
        self.loud = put(np.array([LOUD.search(title) is not None for title in news.catalog.titles], dtype=np.float32))
        """(N,) 0 or 1: whether the headline shouts, asks, or speaks to the reader."""

    def timing(self, clock_B: Tensor, items_BK: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return freshness and burst of articles at an hour, each (B, K) in [0, 1]; (B, N) for None.

        Equation:
            f_i = exp(-age_i / 8 h), 0 before publication; b_i = exp((h - h_e) / 6 h) before the event's hour h_e and
            exp(-(h - h_e) / 10 h) after it, 0 without an event.
        """
        settings, clock_B1 = self.settings, clock_B.unsqueeze(1)
        age_BK = clock_B1 - (self.hours if items_BK is None else self.hours[items_BK])
        since_BK = clock_B1 - (self.event_hours if items_BK is None else self.event_hours[items_BK])
        fresh_BK = torch.exp(-age_BK.clamp(min=0) / settings.freshness_hours) * (age_BK >= 0)
        decay_BK = torch.where(since_BK < 0, since_BK / settings.burst_rise, -since_BK / settings.burst_fall)
        return fresh_BK, decay_BK.exp()

    def features(self, vectors_BKD: Tensor, clock_B: Tensor, items_BK: Tensor) -> Tensor:
        """Return text features, f, sqrt(1 - f²), b and sqrt(1 - b²) of articles at an hour, (B, K, D + 4).

        Freshness f and burst b are shown in pairs of unit length, so that all rows are of one length (the root of 3)
        and the baseline `cosine`, for which a profile is zero there, ranks by the text alone.
        """
        fresh_BK, burst_BK = self.timing(clock_B, items_BK)
        pairs = [fresh_BK, (1 - fresh_BK.square()).sqrt(), burst_BK, (1 - burst_BK.square()).sqrt()]
        return torch.cat([vectors_BKD, torch.stack(pairs, dim=2)], dim=2)


class NewsUsers:
    """Users drawn around the personas of a split.

    Args:
        personas: the generated personas, in the order of `SPLITS`.
        features: of the catalogue's texts; maps the personas' own.
        settings: how far users lie from their persona, and when they come.
        device: where everything goes.
    """

    def __init__(
        self, personas: Personas, features: TextFeatures, settings: NewsSettings, device: torch.device
    ) -> None:
        self.settings, self.device = settings, device
        self.personas: Tensors = {
            "profile": features(personas.texts),
            "taste": torch.as_tensor(personas.tastes, device=device),
            "lure": torch.as_tensor(personas.lures, device=device),
        }

    def draw(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Return ``profile`` (number, D), ``taste`` (number, T), and ``lure`` and hour ``clock``, each (number,)."""
        settings, device = self.settings, self.device
        first = sum(PERSONAS[earlier] for earlier in SPLITS[: SPLITS.index(split)])
        persona_B = first + torch.randint(PERSONAS[split], (number,), generator=generator, device=device)
        drawn = {CLUSTER: persona_B} | {name: values[persona_B] for name, values in self.personas.items()}
        error_BT = torch.randn(drawn["taste"].shape, generator=generator, device=device)
        uniform_B = torch.rand(number, generator=generator, device=device)
        return drawn | {
            "taste": drawn["taste"] + settings.perturbation * error_BT,
            "clock": settings.first_hour + (settings.last_hour - settings.first_hour) * uniform_B,
        }
