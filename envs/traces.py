"""Traces: numbers that sum a session up, such as decayed clicks, each with a name."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from encoders.errors import UsageError
from envs.interface import Tensors


class Trace(NamedTuple):
    """One number of a session: x <- keep x + gain e, with e what a step brings; at first 0."""

    name: str
    keep: float
    """Share that stays after a step; 1 sums up, 0 forgets."""
    gain: float
    """Weight of what a step brings."""
    of: str = ""
    """The event it follows, where that is not called as the trace is."""


class Traces:
    """Several traces side by side, (B, T) in their order.

    Args:
        traces: T of them.
        device: where they are.

    Raises:
        UsageError: two have one name.
    """

    names: tuple[str, ...]
    followed: frozenset[str]
    """The events they follow."""

    def __init__(self, traces: Sequence[Trace], device: torch.device) -> None:
        self.names = tuple(trace.name for trace in traces)
        if len(set(self.names)) < len(self.names):
            raise UsageError(f"two traces have one name; give each its own (there are {', '.join(self.names)})")
        self._followed = tuple(trace.of or trace.name for trace in traces)
        self.followed = frozenset(self._followed)
        # Made once: to make them in a step waits for a GPU.
        self._keep_T = torch.tensor([trace.keep for trace in traces], device=device)
        self._gain_T = torch.tensor([trace.gain for trace in traces], device=device)

    def empty(self, number: int) -> Tensor:
        """Return the traces of sessions that begin, (number, T)."""
        return torch.zeros(number, len(self.names), device=self._keep_T.device)

    def after(self, traces_BT: Tensor, events: Tensors) -> Tensor:
        """Return the traces one step later.

        Args:
            traces_BT: before it.
            events: what the step brought, each (B,): all that a trace follows, and nothing else.

        Raises:
            UsageError: other events than those.
        """
        if events.keys() != self.followed:
            raise UsageError(f"the traces follow {sorted(self.followed)}, but a step brought {sorted(events)}")
        return self._keep_T * traces_BT + self._gain_T * torch.stack([events[name] for name in self._followed], dim=1)
