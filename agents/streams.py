"""Random streams, one for each seed: what is drawn for a seed does not depend on the seeds beside it.

Rows of S seeds stand one seed after the other, as many of each: (S B, ...).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from envs.interface import restore_stream
from envs.slates import top_k


class Streams:
    """S independent random streams on one device.

    Args:
        seeds: one seed, or several that are to be trained at once.
        device: where the numbers are drawn.
    """

    def __init__(self, seeds: int | Sequence[int], device: torch.device) -> None:
        self.device = device
        given = [seeds] if isinstance(seeds, int) else list(seeds)
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in given]

    def __len__(self) -> int:
        """Return S."""
        return len(self.generators)

    def each(self, rows: int) -> int:
        """Return how many of the rows are of one seed."""
        if rows % len(self):
            raise ValueError(f"{rows} rows cannot be shared by {len(self)} seeds")
        return rows // len(self)

    def seed_by_seed(self, value_TB: Tensor) -> Tensor:
        """Return the rows (T B, ...) of T steps of B users (T, B, ...), those of a seed together."""
        if len(self) == 1:
            return value_TB.flatten(0, 1)
        split_TSB = value_TB.reshape(len(value_TB), len(self), -1, *value_TB.shape[2:])
        return split_TSB.transpose(0, 1).flatten(0, 2)

    def uniform(self, rows: int, *shape: int) -> Tensor:
        """Draw from U[0, 1), (rows, *shape)."""
        own = (self.each(rows), *shape)
        return self._joined(lambda stream: torch.rand(own, generator=stream, device=self.device))

    def normal(self, rows: int, *shape: int) -> Tensor:
        """Draw from N(0, 1), (rows, *shape)."""
        own = (self.each(rows), *shape)
        return self._joined(lambda stream: torch.randn(own, generator=stream, device=self.device))

    def integers(self, high: int, rows: int, *shape: int) -> Tensor:
        """Draw uniform integers in [0, high), (rows, *shape)."""
        own = (self.each(rows), *shape)
        return self._joined(lambda stream: torch.randint(high, own, generator=stream, device=self.device))

    def permutation(self, number: int) -> Tensor:
        """Draw a random order of the numbers below ``number`` for each seed, (S, number)."""
        order = self._joined(lambda stream: torch.randperm(number, generator=stream, device=self.device))
        return order.view(len(self), number)

    def slates(self, batch: int, num_candidates: int, slate_size: int) -> Tensor:
        """Draw uniform slates without repeats, (batch, K) int64."""
        return top_k(self.uniform(batch, num_candidates), slate_size)

    def _joined(self, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        drawn = [draw(stream) for stream in self.generators]
        return drawn[0] if len(drawn) == 1 else torch.cat(drawn)

    def state(self) -> Tensor:
        """Return where the streams are, uint8: (bytes,) of a single one, else (S, bytes)."""
        states = [stream.get_state() for stream in self.generators]
        return states[0] if len(states) == 1 else torch.stack(states)

    def restore(self, saved: Tensor) -> None:
        """Go on from a `state`."""
        for stream, state in zip(self.generators, saved.view(len(self), -1), strict=True):
            restore_stream(stream, state)
