"""Put the articles and personas of the news on a device: hours, planted attributes, drawn users."""

import math
import re

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from envs.interface import Tensors
from envs.news.catalog import CATALOGUE_SEED, PERSONAS, SUBJECTS, NewsCatalog, Personas
from envs.news.settings import NewsSettings
from envs.news.words import EVENTS
from envs.simulator import CLUSTER, Split
from envs.text.planted import codes, draw_personas

FANCY = 8
"""Numbers that say which of the subjects of a section somebody follows."""
LOUD = re.compile(r"[!?]|\b(you|this|nobody|everyone|everybody|shock)\b", re.IGNORECASE)
"""What an editor would forbid in a headline."""


class NewsItems:
    """N articles on a device, in the order of their publication.

    Args:
        news: the generated articles.
        settings: how freshness and events rise and fall.
        device: where they go.
    """

    def __init__(self, news: NewsCatalog, settings: NewsSettings, device: torch.device) -> None:
        def put(array: NDArray[np.generic]) -> Tensor:
            return torch.as_tensor(array, device=device)

        self.settings = settings
        self.sections = normalize(put(news.catalog.genres), dim=1)
        """(N, T) sections, rows of unit length."""
        self.subjects = codes(len(SUBJECTS), FANCY, CATALOGUE_SEED + 2).to(device)[put(news.subjects)]
        """(N, FANCY) unit codes of what articles are about."""
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


class NewsUsers:
    """Users drawn around the personas of a split.

    Args:
        personas: the generated personas, in the order of `SPLITS`.
        settings: how far users lie from their persona, and when they come.
        device: where everything goes.
    """

    def __init__(self, personas: Personas, settings: NewsSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.personas: Tensors = {
            "taste": torch.as_tensor(personas.tastes, device=device),
            "fancy": codes(len(personas.texts), FANCY, CATALOGUE_SEED + 3).to(device),
            "lure": torch.as_tensor(personas.lures, device=device),
        }

    def draw(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users, uniformly from the personas, with noise in taste and fancy.

        Returns:
            the persona of each as `CLUSTER`; ``taste`` (number, T), ``fancy`` (number, FANCY) unit, ``lure`` and hour
            ``clock``, each (number,).
        """
        settings, device = self.settings, self.device
        persona_B = draw_personas(PERSONAS, number, split, generator, device)
        drawn = {CLUSTER: persona_B} | {name: values[persona_B] for name, values in self.personas.items()}
        sections = drawn["taste"].shape[1]
        error_BS = settings.perturbation * torch.randn((number, sections + FANCY), generator=generator, device=device)
        uniform_B = torch.rand(number, generator=generator, device=device)
        return drawn | {
            "taste": drawn["taste"] + error_BS[:, :sections],
            "fancy": normalize(drawn["fancy"] + error_BS[:, sections:] / FANCY**0.5, dim=1),
            "clock": settings.first_hour + (settings.last_hour - settings.first_hour) * uniform_B,
        }
