"""Uniform replay on the device, exact to restore."""

import torch

from agents.state import above, below, to_device
from envs.interface import Tensors


class Replay:
    """Keep the newest rows of named tensors in a ring.

    Args:
        capacity: rows kept.
        generator: source of the samples.
    """

    def __init__(self, capacity: int, generator: torch.Generator) -> None:
        self.capacity, self.generator = capacity, generator
        self.added = 0
        self._columns: Tensors = {}

    def __len__(self) -> int:
        """Return the number of rows held."""
        return min(self.added, self.capacity)

    def add(self, rows: Tensors) -> None:
        """Append rows (B, ...), overwriting the oldest; B is at most the capacity."""
        number = len(next(iter(rows.values())))
        if number > self.capacity:
            raise ValueError(f"a replay of {self.capacity} rows cannot take {number} at once; enlarge it")
        device = self.generator.device
        places = (self.added + torch.arange(number, device=device)) % self.capacity
        if not self._columns:
            self._columns = {name: value.new_zeros((self.capacity, *value.shape[1:])) for name, value in rows.items()}
        for name, value in rows.items():
            self._columns[name][places] = value
        self.added += number

    def sample(self, number: int) -> Tensors:
        """Return rows (number, ...) drawn uniformly with replacement."""
        rows = torch.randint(len(self), (number,), generator=self.generator, device=self.generator.device)
        return {name: value[rows] for name, value in self._columns.items()}

    def state_dict(self) -> Tensors:
        """Return the rows held and the place of the ring."""
        held = {name: value[: len(self)].clone() for name, value in self._columns.items()}
        return above("rows", held) | {"added": torch.tensor(self.added)}

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it was saved with another capacity.
        """
        rows = to_device(below("rows", tensors), self.generator.device)
        held = max((len(value) for value in rows.values()), default=0)
        if held != min(int(tensors["added"]), self.capacity):
            raise ValueError(
                f"the saved replay holds {held} rows, which does not fit one of {self.capacity}; "
                "load it into an agent with the same settings"
            )
        self.added, self._columns = 0, {}
        if rows:
            self.add(rows)
        self.added = int(tensors["added"])
