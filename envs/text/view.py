"""What a system sees of users and items: texts through an encoder, fame, what users clicked and what they answered.

It needs no simulator: a service keeps the same vectors of its own users.
"""

from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import embedding, normalize, pad

from envs.interface import Tensors
from envs.traces import Trace, Traces


class ViewSettings(Protocol):
    """The settings of an environment that say what a system makes of what it sees."""

    @property
    def profile_drift(self) -> float:
        """Share of a clicked item's vector in the new profile."""

    @property
    def follows_session(self) -> bool:
        """Whether profile, vectors and traces of the session move at all."""


class Reading(NamedTuple):
    """What an encoder makes of the texts of items and people."""

    items: Tensor
    """(N, D) float32, unit rows."""
    people: Tensor | None
    """(P, D) float32, unit rows, of those whose own words are read; None where a profile is made of a history."""
    fingerprint: str
    """Of the encoder."""
    words: tuple[str, ...] = ()
    """(P,) what they say of themselves."""


class Seen(NamedTuple):
    """What a system sees of a step of B users."""

    items: Tensor
    """(B, K) int64, the items shown."""
    item: Tensor
    """(B,) int64, the item that was clicked; any where none was."""
    click: Tensor
    """(B,) float32, 1 where one was, else 0."""
    judged: Tensor
    """(B,) int64, the item that the verdict is on."""
    verdict: Tensor
    """(B,) what was told of it, 0 for nothing."""
    events: Tensors
    """What the traces follow, each (B,)."""


class View:
    """Profiles, vectors and traces of sessions, in the space of the items' texts.

    A state has ``profile`` (B, D), a unit vector that candidates are looked up by; ``recent`` and ``valued`` (B, F),
    decayed means of the features of what was clicked and, times the verdict, of what was judged; ``progress`` (B, T),
    the traces.

    Args:
        reading: the texts as an encoder has them.
        popularity: (N,) standardised, as everybody sees it.
        settings: what it makes of what it sees.
        marks: (N, X) what else is observed of an item, beside its text.
    """

    TRACES: ClassVar[tuple[Trace, ...]] = (Trace("slates", 1.0, 0.02), Trace("clicks", 0.8, 0.2))
    """Numbers that sum a session up, in ``progress``; every view has the events ``slates``, ``clicks``, ``verdict``."""
    RECENT: ClassVar[float] = 0.8
    """Share of ``recent`` that stays after a slate."""
    VALUED: ClassVar[float] = 0.95
    """Share of ``valued`` that stays after a slate."""
    STATIC_ITEMS: ClassVar[bool] = True
    """Whether what is observed of an item stays the same."""

    vectors: Tensor
    """(N, D) unit text features; profiles lie among them."""
    features: Tensor
    """(N, F) what is observed of the items, apart from what changes."""

    def __init__(
        self, reading: Reading, popularity: Tensor, settings: ViewSettings, marks: Tensor | None = None
    ) -> None:
        self.vectors, self.people, self.fingerprint, self.words = reading
        self.popularity, self.settings = popularity, settings
        self.features = self.vectors if marks is None else torch.cat([self.vectors, marks], dim=1)
        self.traces = Traces(self.TRACES, self.vectors.device)

    def profile_of(self, history_BH: Tensor) -> Tensor:
        """Return the profile of people who liked H items each, the direction of their mean vector, (B, D)."""
        return normalize(self.vectors[history_BH].mean(dim=1), dim=1)

    def begin(self, profile_BD: Tensor) -> Tensors:
        """Return the entries of sessions that begin with a profile."""
        number, width, device = len(profile_BD), self.features.shape[1], profile_BD.device
        return {
            "profile": profile_BD,
            "recent": torch.zeros(number, width, device=device),
            "valued": torch.zeros(number, width, device=device),
            "progress": self.traces.empty(number),
        }

    def after(self, state: Tensors, seen: Seen) -> Tensors:
        """Return the entries one step later; those that stay are left out."""
        if not self.settings.follows_session:
            return {}
        clicked_BF = seen.click.unsqueeze(1) * embedding(seen.item, self.features)
        judged_BF = seen.verdict.unsqueeze(1) * embedding(seen.judged, self.features)
        return {
            "profile": self.turned(state["profile"], seen, clicked_BF[:, : self.vectors.shape[1]]),
            "recent": self.RECENT * state["recent"] + (1 - self.RECENT) * clicked_BF,
            "valued": self.VALUED * state["valued"] + (1 - self.VALUED) * judged_BF,
            "progress": self.traces.after(state["progress"], self._events(seen)),
        }

    def _events(self, seen: Seen) -> Tensors:
        always = {"slates": torch.ones_like(seen.click), "clicks": seen.click, "verdict": seen.verdict}
        return {name: value for name, value in always.items() if name in self.traces.followed} | seen.events

    def turned(self, profile_BD: Tensor, seen: Seen, clicked_BD: Tensor) -> Tensor:
        """Return the profiles after a step, (B, D); ``clicked_BD`` is zero where nothing was clicked."""
        drift = self.settings.profile_drift
        return normalize((1 - drift * seen.click.unsqueeze(1)) * profile_BD + drift * clicked_BD, dim=1)

    def features_of(self, state: Tensors, items_BK: Tensor) -> Tensor:
        """Return what is observed of items, (B, K, F)."""
        return embedding(items_BK, self.features)

    def shown_features(self, state: Tensors, items_BK: Tensor) -> Tensor:
        """Return what was observed of the items of the last slate, (B, K, F)."""
        return self.features_of(state, items_BK)

    def user_features(self, state: Tensors) -> Tensor:
        """Return what is observed of users, (B, U): profile, as wide as an item's features, vectors and traces."""
        profile_BF = pad(state["profile"], (0, self.item_width - self.vectors.shape[1]))
        return torch.cat([profile_BF, state["recent"], state["valued"], state["progress"]], dim=1)

    @property
    def item_width(self) -> int:
        """F of an observed item."""
        return self.features.shape[1]
