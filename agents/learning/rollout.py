"""A rollout: T consecutive steps of B users, kept on the device in preallocated tensors."""

from collections.abc import Iterator

import torch

from agents.state import check_alike
from agents.streams import Streams
from envs.interface import Tensors


class Rollout:
    """Collect named tensors (B, ...) for T steps.

    Args:
        length: T.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.size, self._loaded = 0, False
        self._columns: Tensors = {}

    def add(self, step: Tensors) -> None:
        """Append one step; every step has the same names and shapes."""
        if not self._columns:
            self._columns = {name: value.new_empty((self.length, *value.shape)) for name, value in step.items()}
        elif self._loaded:
            # What was saved is only now seen beside what this agent keeps.
            check_alike("rollout", step, {name: column[0] for name, column in self._columns.items()})
        self._loaded = False
        for name, value in step.items():
            self._columns[name][self.size] = value
        self.size += 1

    @property
    def full(self) -> bool:
        """Whether T steps are in."""
        return self.size == self.length

    def take(self) -> Tensors:
        """Return the full rollout, each tensor (T, B, ...), and start over."""
        self.size = 0
        return self._columns

    def state_dict(self) -> Tensors:
        """Return the steps collected so far; nothing right after `take`."""
        return {name: value[: self.size].clone() for name, value in self._columns.items() if self.size}

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it holds as many steps as a rollout has, or more: `take` would have taken them.
        """
        held = max((len(value) for value in tensors.values()), default=0)
        if held >= self.length:
            raise ValueError(
                f"the saved rollout holds {held} steps, this agent learns after {self.length}; "
                "load it into an agent with the same settings"
            )
        self.size, self._columns = 0, {}
        for step in zip(*tensors.values(), strict=True):
            self.add(dict(zip(tensors, step, strict=True)))
        self._loaded = held > 0


def minibatches(columns: Tensors, size: int, streams: Streams) -> Iterator[Tensors]:
    """Yield the rows of all columns in random order, `size` of each seed at a time; a shorter rest comes last.

    Args:
        columns: named tensors (S N, ...), N rows of each seed, one seed after the other.
        size: rows of a seed in a minibatch.
        streams: one of each seed.
    """
    number = streams.each(len(next(iter(columns.values()))))
    order_SN = streams.permutation(number)
    if len(streams) > 1:
        order_SN = order_SN + number * torch.arange(len(streams), device=order_SN.device).unsqueeze(1)
    for start in range(0, number, size):
        rows = order_SN[:, start : start + size].flatten()
        yield {name: value[rows] for name, value in columns.items()}
