"""The hidden half of a text domain: what users want, what they do, and what it does to them.

A world is made of data or of planted attributes. No encoder and no text vector reaches it, so that it is the same
whatever a system reads of its texts (`envs.text.view`), offers or shows.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from envs.interface import Metric, Tensors
from envs.simulator import Split, State

HISTORY = "history"
"""The entry of drawn users with the items that each knows already, (number, H) int64: these are not on offer."""
DECISIVENESS = "decisiveness"
"""The entry of drawn users by which what they think of items is stretched before they choose, (number,)."""


@dataclass(kw_only=True, slots=True)
class Chosen:
    """Which item of a slate each user clicked, if any."""

    items: Tensor
    """(B, K) int64, the items shown."""
    empty: Tensor
    """(B, K) bool, the slots that nobody could click."""
    opinion: Tensors
    """What users think of the items, by name, each (B, K); see `World.opinion`."""
    clicks: Tensor
    """(B, K) bool, at most one a row."""
    slot: Tensor
    """(B, 1) int64, the slot that was clicked; any where none was."""
    item: Tensor
    """(B, 1) int64, the item in that slot."""
    click: Tensor
    """(B,) float32, 1 where a slot was clicked, else 0."""


@dataclass(kw_only=True, slots=True)
class Reaction:
    """What came of a choice, as `World.react` says."""

    moved: State
    """The entries of the state that changed."""
    left: Tensor
    """(B,) bool: the user ended the session."""
    answers: Tensors = field(default_factory=dict)
    """Columns of the response beside click and reward, each (B,), of the clicked slot; see `World.neutral_answers`."""
    verdict: Tensor | None = None
    """(B,) in about [-1, 1], what was told of an item, 0 for nothing: stars, minutes, an answer. The system sees it."""
    judged: Tensor | None = None
    """(B,) int64, the item the verdict is on; None for the one clicked."""
    events: Tensors = field(default_factory=dict)
    """What the traces of the view follow beside slates, clicks and verdicts, each (B,). The system sees it."""
    extra_reward: Tensor | None = None
    """(B,) float32, what else is earned or lost in this step, whatever was clicked: in no slot's response."""
    metrics: Tensors = field(default_factory=dict)
    """Name to (B,) float32, for the log alone."""


class World(ABC):
    """Users who click at most one item of a slate, and live with what they clicked.

    A subclass says who the users are (`sample_users`), what they click (`appeal`) and what comes of it (`react`), and
    sets ``vectors``. Everything else has a default: `begin`, `begin_noise` and `react_noise` for a state and noise of
    its own, `opinion` and `reward` of items, `neutral_answers`, `measure` for the log.
    """

    METRICS: ClassVar[tuple[Metric, ...]] = ()
    """What `react` and `measure` log."""

    settings: Any
    """With ``no_click_logit``, the logit of clicking nothing."""
    device: torch.device
    vectors: Tensor
    """(N, W) where the items stand, to unit length: what a reader of their texts could at best find out."""
    people: Tensor | None = None
    """(P, W) where each rater or persona stands among the items, to unit length."""
    attributes: Mapping[str, Tensor] = {}
    """What is hidden in the items, by name, each (N, A); `envs.text.readout` tells how much of it texts say."""
    popularity: Tensor
    """(N,) standardised; everybody sees it."""
    fingerprint: str = ""
    """Hash of the data that it is made of."""

    @abstractmethod
    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users of a split: what stays the same over a session, each (number, ...).

        Users drawn around raters or personas have the id of each one's as `envs.simulator.CLUSTER`, those with a past
        its items as `HISTORY`, and those who differ in how sure they choose a `DECISIVENESS`.
        """

    @abstractmethod
    def appeal(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Return the click logit of items, (B, K); of the whole catalogue (B, N) for None."""

    @abstractmethod
    def react(self, state: State, chosen: Chosen, noise: Tensors) -> Reaction:
        """Let users live with what they clicked, and stay or leave."""

    def begin(self, users: Tensors, noise: Tensors) -> State:
        """Return the entries that the state of a session begins with, beside what came with the users."""
        return {}

    def begin_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw what `begin` needs."""
        return {}

    def react_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw what `react` needs."""
        return {}

    def neutral_answers(self) -> Mapping[str, float]:
        """Return the columns of a response beside click and reward, each with the value that says nothing."""
        return {}

    def opinion(self, state: State, items_BK: Tensor | None) -> Tensors:
        """Return what users think of items, each (B, K) or (B, N): `appeal`, and what `react` wants to know besides."""
        return {"appeal": self.appeal(state, items_BK)}

    def reward(self, state: State, items_BK: Tensor | None) -> Tensor | float:
        """Return what a click on items pays, (B, K) or (B, N), or one number for all: the only place that says it."""
        return 1.0

    def measure(self, state: State) -> Tensors:
        """Return what is logged of the state after a step, each (B,) float32."""
        return {}

    def decided(self, state: State, appeal_BK: Tensor) -> Tensor:
        """Return the logits by which users choose, (B, K): the surer, the further from that of clicking nothing.

        Equation:
            v0 + d (v - v0), with v the appeal, v0 the logit of no click and d the decisiveness (an inverse
            temperature), 1 without one.
        """
        if DECISIVENESS not in state:
            return appeal_BK
        decisiveness_B1, no_click = state[DECISIVENESS].unsqueeze(1), float(self.settings.no_click_logit)
        return torch.addcmul(no_click - no_click * decisiveness_B1, decisiveness_B1, appeal_BK)


def spread_out(
    names: Sequence[str], number: int, spread: float, generator: torch.Generator, device: torch.device
) -> Tensors:
    """Draw how people differ: for each name a factor for each user, (number,), of median 1.

    Equation:
        x = exp(s N(0, 1)).

    Args:
        names: of the factors.
        number: of users.
        spread: s, the standard deviation of the logarithm; 0 makes everybody alike.
        generator: where the numbers come from.
        device: of the generator.
    """
    normal_FB = torch.randn((len(names), number), generator=generator, device=device)
    return dict(zip(names, (spread * normal_FB).exp().unbind(0), strict=True))
