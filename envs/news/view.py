"""What a news service sees: readers' own words, what they read and for how long, and the hour."""

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import embedding

from envs.interface import Tensors
from envs.news.catalog import WEEK
from envs.news.items import NewsItems
from envs.news.settings import NewsSettings
from envs.text.view import Reading, View
from envs.traces import Trace

NUM_TIMES = 4
"""Columns of the candidates that depend on the hour."""


class NewsView(View):
    """Text features beside how fresh an article is and how near its event, both of the hour.

    Args:
        reading: the texts as an encoder has them.
        items: hours, events and reach, which everybody sees.
        settings: how far profiles move.
    """

    TRACES: ClassVar[tuple[Trace, ...]] = (
        Trace("slates", 1.0, 0.02),
        Trace("recent_clicks", 0.8, 0.2, of="clicks"),
        Trace("clicks", 0.95, 0.05),
        Trace("recent_reading", 0.8, 0.2, of="verdict"),
        Trace("reading", 0.95, 0.05, of="verdict"),
        Trace("bad_reading", 0.95, 0.05),
    )
    STATIC_ITEMS = False

    def __init__(self, reading: Reading, items: NewsItems, settings: NewsSettings) -> None:
        super().__init__(reading, items.popularity, settings)
        self._items = items

    @property
    def item_width(self) -> int:
        """F of an observed article."""
        return self.features.shape[1] + NUM_TIMES

    def user_features(self, state: Tensors) -> Tensor:
        """Return what is observed of users, with the hour of the day and of the week, (B, U)."""
        turn_B1 = (state["clock"] * (2 * math.pi / 24)).unsqueeze(1)
        hours = [turn_B1.sin(), turn_B1.cos(), state["clock"].unsqueeze(1) / WEEK]
        return torch.cat([super().user_features(state), *hours], dim=1)

    def features_of(self, state: Tensors, items_BK: Tensor) -> Tensor:
        """Return what is observed of articles at this hour, (B, K, F)."""
        return self._at(state["clock"], items_BK)

    def shown_features(self, state: Tensors, items_BK: Tensor) -> Tensor:
        """Return what was observed of the articles of the last slate, at the hour of that slate, (B, K, F)."""
        return self._at(state["slate_clock"], items_BK)

    def _at(self, clock_B: Tensor, items_BK: Tensor) -> Tensor:
        """Return text features, f, sqrt(1 - f²), b and sqrt(1 - b²) of articles at an hour, (B, K, D + 4).

        Freshness f and burst b are shown in pairs of unit length, so that all rows are of one length (the root of 3)
        and the baseline `cosine`, for which a profile is zero there, ranks by the text alone.
        """
        fresh_BK, burst_BK = self._items.timing(clock_B, items_BK)
        pairs = [fresh_BK, (1 - fresh_BK.square()).sqrt(), burst_BK, (1 - burst_BK.square()).sqrt()]
        return torch.cat([embedding(items_BK, self.features), torch.stack(pairs, dim=2)], dim=2)
