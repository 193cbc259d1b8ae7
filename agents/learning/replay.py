"""Uniform replay on the device, exact to restore."""

import torch
from torch import Tensor

from agents.state import above, below, check_alike, to_device
from agents.streams import Streams
from envs.interface import Tensors


class Replay:
    """Keep the newest rows of named tensors in a ring; each of S seeds has its own.

    Args:
        capacity: rows kept of a seed.
        streams: sources of the samples.
    """

    def __init__(self, capacity: int, streams: Streams) -> None:
        self.capacity, self.streams = capacity, streams
        self.added, self._loaded = 0, False
        self._columns: Tensors = {}

    def __len__(self) -> int:
        """Return the number of rows held of a seed."""
        return min(self.added, self.capacity)

    def add(self, rows: Tensors) -> None:
        """Append rows (S B, ...), overwriting the oldest; B is at most the capacity."""
        places = self._places(self.streams.each(len(next(iter(rows.values())))))
        seeds = len(self.streams)
        if not self._columns:
            self._columns = {
                name: value.new_zeros((seeds, self.capacity, *value.shape[1:])) for name, value in rows.items()
            }
        elif self._loaded:
            # What was saved is only now seen beside what this agent keeps.
            kept = {name: column[0, 0] for name, column in self._columns.items()}
            check_alike("replay.rows", {name: value[0] for name, value in rows.items()}, kept)
        self._loaded = False
        for name, value in rows.items():
            self._columns[name][:, places] = value.view(seeds, len(places), *value.shape[1:])
        self.added += len(places)

    def _places(self, number: int) -> Tensor:
        """Return where the next rows of a seed go, (number,)."""
        if number > self.capacity:
            raise ValueError(f"a replay of {self.capacity} rows cannot take {number} at once; enlarge it")
        return (self.added + torch.arange(number, device=self.streams.device)) % self.capacity

    def sample(self, number: int) -> Tensors:
        """Return rows (S number, ...) drawn uniformly with replacement, ``number`` of each seed."""
        rows = self.streams.integers(len(self), len(self.streams) * number)
        return self.take(rows.view(len(self.streams), number))

    def take(self, places_SN: Tensor) -> Tensors:
        """Return the rows (S N, ...) at places of the ring, (S, N) int64."""
        if len(self.streams) > 1:
            places_SN = places_SN + self.capacity * torch.arange(len(self.streams), device=places_SN.device)[:, None]
        rows = places_SN.flatten()
        return {name: value.flatten(0, 1)[rows] for name, value in self._columns.items()}

    def state_dict(self) -> Tensors:
        """Return the rows held, (S, rows, ...), and the place of the ring."""
        held = {name: value[:, : len(self)].clone() for name, value in self._columns.items()}
        return above("rows", held) | {"added": torch.tensor(self.added)}

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it was saved with another capacity.
        """
        rows = to_device(below("rows", tensors), self.streams.device)
        held = max((value.shape[1] for value in rows.values()), default=0)
        if held != min(int(tensors["added"]), self.capacity) or any(len(value[0]) != held for value in rows.values()):
            raise ValueError(
                f"the saved replay holds {held} rows, which does not fit one of {self.capacity}; "
                "load it into an agent with the same settings"
            )
        self.added, self._columns = 0, {}
        if rows:
            Replay.add(self, {name: value.flatten(0, 1) for name, value in rows.items()})
        self.added, self._loaded = int(tensors["added"]), held > 0
