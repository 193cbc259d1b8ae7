"""What a feed sees: users' own words, what they engaged with and found worth it, whose posts, and when they came."""

from typing import ClassVar

import torch
from torch import Tensor

from envs.feed.population import Posts
from envs.feed.settings import FeedSettings
from envs.interface import Tensors
from envs.text.view import Reading, View
from envs.traces import Trace


class FeedView(View):
    """Text features beside a code of the creator, and the calendar of visits.

    Args:
        reading: the texts as an encoder has them.
        posts: creators and reach, which everybody sees.
        settings: how far profiles move.
    """

    TRACES: ClassVar[tuple[Trace, ...]] = (
        Trace("slates", 1.0, 0.02),
        Trace("engagements", 0.8, 0.2, of="clicks"),
        Trace("recent_answers", 0.8, 0.2, of="verdict"),
        Trace("answers", 0.95, 0.05, of="verdict"),
    )
    RECENT = 0.9

    def __init__(self, reading: Reading, posts: Posts, settings: FeedSettings) -> None:
        super().__init__(reading, posts.popularity, settings, posts.creator_codes)

    def user_features(self, state: Tensors) -> Tensor:
        """Return what is observed of users, with the calendar, (B, U)."""
        return torch.cat([super().user_features(state), 0.1 * torch.log1p(state["visit"])], dim=1)
