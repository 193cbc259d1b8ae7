"""Which articles of the week are on offer at an hour, and which of them to whom."""

import torch
from torch import Tensor

from envs.candidates import CandidateSource, forget_when_exhausted
from envs.news.items import NewsItems
from envs.news.settings import NewsSettings
from envs.simulator import State


class NewsOffer:
    """Offer articles that are published, not too old and not seen; a state has ``clock``, ``seen`` and ``shown``.

    Articles stand in the order of their publication, so that what is published and not too old is a window of ids.

    Args:
        settings: the greatest age, and how time goes on.
        items: the articles.
        source: of candidates, among all articles.
    """

    def __init__(self, settings: NewsSettings, items: NewsItems, source: CandidateSource) -> None:
        self.source = source
        self._max_age, self._hours_N = settings.max_age, items.hours
        self._hours_per_slate = settings.minutes_per_slate / 60
        self._all_N = torch.arange(len(items.hours), device=items.hours.device)

    def window(self, state: State) -> tuple[Tensor, Tensor]:
        """Return the first article on offer and the first that is not yet published, each (B, 1) int64.

        The window reaches further back than the greatest age where a user has seen so many articles that fewer than M
        unseen ones might be left in it.
        """
        clock_B = state["clock"]
        end_B = torch.searchsorted(self._hours_N, clock_B, right=True)
        young_B = torch.searchsorted(self._hours_N, clock_B - self._max_age)
        enough_B = end_B - state["shown"] - self.source.least_unseen
        return torch.minimum(young_B, enough_B).clamp(min=0).unsqueeze(1), end_B.unsqueeze(1)

    def closed(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Mark articles that are seen, not yet published or too old, (B, K) bool; (B, N) for None."""
        first_B1, end_B1 = self.window(state)
        if items_BK is None:
            return state["seen"] | (self._all_N < first_B1) | (self._all_N >= end_B1)
        return state["seen"].gather(1, items_BK) | (items_BK < first_B1) | (items_BK >= end_B1)

    def candidates(self, state: State, noise: Tensor) -> Tensor:
        """Return the articles on offer to each user, (B, M) int64; of the whole catalogue every one of the week."""
        if self.source.whole:
            return self.source.offer(state["profile"], state["seen"], noise)
        if not noise.is_floating_point():
            # Draws from the whole catalogue: fold them into the window.
            first_B1, end_B1 = self.window(state)
            noise = first_B1 + noise % (end_B1 - first_B1)
        return self.source.offer(state["profile"], self.closed(state, None), noise)

    def fresh(self, number: int, known_BH: Tensor | None = None) -> State:
        """Return ``seen`` and ``shown`` of sessions that begin; ``clock`` comes with the users, and no history does."""
        return {
            "seen": self.source.fresh(number)["seen"],
            "shown": torch.zeros(number, dtype=torch.int64, device=self._all_N.device),
        }

    def remember(self, state: State, items_BK: Tensor, empty_BK: Tensor) -> State:
        """Return ``seen``, ``shown`` and ``clock`` after a slate, and the hour of that slate; the clock moves on.

        An article that was not on offer stays unseen: it may be yet to come. Who has fewer unseen published articles
        than M is offered all of them again.
        """
        clock_B = state["clock"] + self._hours_per_slate
        seen_BK = state["seen"].gather(1, items_BK) | ~self.closed(state, items_BK)
        shown_B = state["shown"] + (~empty_BK).sum(dim=1)
        unseen_B = torch.searchsorted(self._hours_N, clock_B, right=True) - shown_B
        least = self.source.least_unseen
        seen_BN, _ = forget_when_exhausted(state["seen"].scatter(1, items_BK, seen_BK), unseen_B, least)
        return {"seen": seen_BN, "shown": shown_B.masked_fill(unseen_B < least, 0)} | {
            "clock": clock_B,
            "slate_clock": state["clock"],
        }
