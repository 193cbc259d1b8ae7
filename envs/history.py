"""What a session has brought so far, as one more observation of any environment."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.errors import UsageError
from envs.interface import Metric, Observation, Policy, Spec, Tensors
from envs.simulator import Anchor, Outcome, Retrieves, ShowsSlates, Simulator, Split, State

PRESENT, NO_CLICK, ANSWERS = 0, 1, 2
"""Columns of an event: 1 where there was one, 1 where nothing was clicked, then the R columns of the response."""
ROWS = "history.rows"
"""The entry that is added to the state."""


class WithHistory:
    """A simulator that also shows the history of the session; everything else is the simulator's own.

    Observation:
        ``history`` (L + 1, F): row 0 the totals over the whole session, rows 1 to L the last L events, the newest first
        and zeros where there was none. What every shown slate brings is one event, of F = 2 + R + D columns, however
        many slots it has: 1; 1 if nothing was clicked; the sum of each response column over the clicked slots, less
        its neutral value, so that the first counts the clicks and a rating says how much better or worse than the
        middle; the mean of ``slate_items`` over the clicked slots. The totals are the sums of all events, and begin
        with the number of slates.

        All of it follows from the observations of the session: it is a memory, not a look inside.

    The state grows by (L + 1) F numbers a user; with L = 0 there are the totals alone.

    Args:
        simulator: the kernel.
        length: L.

    Raises:
        UsageError: L is not a whole number of at least 0, or there is a history already.
    """

    METRICS: ClassVar[tuple[Metric, ...]]
    ANCHORS: ClassVar[tuple[Anchor, ...]]
    POLICIES: ClassVar[Mapping[str, Policy]]
    Settings: ClassVar[type[Any]]

    settings: Any
    device: torch.device
    time_limit: int

    def __init__(self, simulator: Simulator, length: int) -> None:
        if isinstance(length, bool) or not isinstance(length, int) or length < 0:
            raise UsageError(f"the history is {length!r} events long; it has to be a whole number, 0 or more")
        if "history" in simulator.spec.shapes:
            raise UsageError("this environment shows a history already; it cannot be given a second one")
        self.simulator, self.length = simulator, length
        self._neutral_R = torch.tensor(simulator.spec.neutral_response, device=simulator.device)
        self._kernel = simulator if isinstance(simulator, ShowsSlates) else None
        if isinstance(simulator, Retrieves):
            # Some versions of Python look for the methods of such a protocol in the object alone.
            self.best_items = simulator.best_items

    def __getattr__(self, name: str) -> Any:
        """Return what is the simulator's own, such as what its reference policies look into."""
        if name == "simulator" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.simulator, name)

    @cached_property
    def spec(self) -> Spec:
        """Sizes of observation and action."""
        spec = self.simulator.spec
        width = ANSWERS + len(spec.response_columns) + spec.shapes["slate_items"][-1]
        return dataclasses.replace(spec, shapes={**spec.shapes, "history": (self.length + 1, width)})

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users of a split."""
        return self.simulator.sample_users(number, split, generator)

    def start_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw what `start` needs."""
        return self.simulator.start_noise(number, generator)

    def start(self, users: Tensors, noise: Tensors) -> State:
        """Begin sessions, without a history."""
        state = self.simulator.start(users, noise)
        number = len(next(iter(state.values())))
        return {**state, ROWS: torch.zeros(number, *self.spec.shapes["history"], device=self.device)}

    def step_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw what `step` needs."""
        return self.simulator.step_noise(number, generator)

    def step(self, state: State, slate_BK: Tensor, noise: Tensors) -> tuple[State, Outcome]:
        """Show a slate to every user, and remember what it brought."""
        following, outcome = self.simulator.step(state, slate_BK, noise)
        event_B1F = event(outcome.response, self._slate_items(following), self._neutral_R).unsqueeze(1)
        rows_BLF = state[ROWS]
        totals_B1F = rows_BLF[:, :1] + event_B1F
        newest = [event_B1F, rows_BLF[:, 1:-1]] if self.length else []
        return {**following, ROWS: torch.cat([totals_B1F, *newest], dim=1)}, outcome

    def _slate_items(self, state: State) -> Tensor:
        """Return what is observed of the last slate; a whole observation is built for it only where it has to be."""
        return self.simulator.observe(state)["slate_items"] if self._kernel is None else self._kernel.slate_items(state)

    def observe(self, state: State) -> Observation:
        """Return what an agent may see of a state, with the history."""
        return {**self.simulator.observe(state), "history": state[ROWS]}

    def candidate_ids(self, state: State) -> Tensor:
        """Return the (B, M) int64 items on offer."""
        return self.simulator.candidate_ids(state)

    def titles(self, item_ids: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return the titles of items, in the shape of ``item_ids``."""
        return self.simulator.titles(item_ids)

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the (N, D) feature vectors of the catalogue."""
        return self.simulator.item_vectors()


def event(response_BKR: Tensor, items_BKD: Tensor, neutral_R: Tensor) -> Tensor:
    """Return what a shown slate brought, in as many numbers whatever K.

    Args:
        response_BKR: (B, K, R), column 0 the click.
        items_BKD: (B, K, D) features of what was shown.
        neutral_R: (R,) the value of each column that carries no news.

    Returns:
        (B, 2 + R + D): 1, whether nothing was clicked, sums of the response less neutral and means of the features,
        both over the clicked slots and zeros without a click.
    """
    clicked_BK1 = (response_BKR[..., :1] > 0).to(response_BKR.dtype)
    clicks_B1 = clicked_BK1.sum(dim=1)
    answers_BR = (clicked_BK1 * (response_BKR - neutral_R)).sum(dim=1)
    features_BD = (clicked_BK1 * items_BKD).sum(dim=1) / clicks_B1.clamp(min=1)
    return torch.cat([torch.ones_like(clicks_B1), (clicks_B1 == 0).to(clicks_B1.dtype), answers_BR, features_BD], dim=1)
