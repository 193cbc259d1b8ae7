"""Whose memory an entry is: what all rows share, what must be copied first, and what may be written in place.

An entry is a tensor whose first axis is the users. What all of them see alike is one entry with stride 0.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from envs.interface import Tensors, is_shared


def places(tensors: Tensors) -> set[int]:
    """Return where the entries are stored."""
    return {_place(value) for value in tensors.values()}


def _place(value: Tensor) -> int:
    return value.untyped_storage().data_ptr()


def apart(tensors: Tensors, state: Tensors) -> Tensors:
    """Copy what is stored in the state, or is shared by all rows, and so may be a catalogue.

    Shared entries are copied once, not for each row. A single row is always copied: what it shares cannot be told.
    """
    if _rows(tensors) == 1:
        return {name: value.clone() for name, value in tensors.items()}
    owned = places(state)
    return {name: _own(value, owned) for name, value in tensors.items()}


def arrays(tensors: Tensors, state: Tensors) -> dict[str, NDArray[Any]]:
    """Return the same as arrays; what all rows share is read-only."""
    if _rows(tensors) == 1:
        return {name: (value if value.is_cpu else value.cpu()).numpy().copy() for name, value in tensors.items()}
    owned = places(state)
    return {name: _array(value, owned) for name, value in tensors.items()}


def _rows(tensors: Tensors) -> int:
    return next(iter(tensors.values())).shape[0]


def _own(value: Tensor, owned: set[int]) -> Tensor:
    if is_shared(value):
        return value[:1].clone().expand_as(value)
    return value.clone() if _place(value) in owned else value


def _array(value: Tensor, owned: set[int]) -> NDArray[Any]:
    if is_shared(value):
        return np.broadcast_to(value[0].cpu().numpy(), tuple(value.shape))
    array: NDArray[Any] = value.cpu().numpy()
    return array.copy() if _place(value) in owned else array


def take_rows(state: Tensors, rows: Tensor) -> Tensors:
    """Return some rows of every entry; a shared entry stays shared."""
    number = len(rows)
    return {
        name: value[:1].expand(number, *value.shape[1:]) if is_shared(value) else value.index_select(0, rows)
        for name, value in state.items()
    }


def replace_rows(state: Tensors, rows: Tensor, other: Tensors, lent: set[int] | None) -> Tensors:
    """Return the state with some rows replaced by the rows of another.

    Args:
        state: the entries.
        rows: (B',) int64, which are replaced.
        other: of each entry the B' new rows.
        lent: where others may still read; entries stored anywhere else are written in place. None: no entry is.
    """
    stored = [_place(value) for value in state.values()]

    def replaced(value: Tensor, new: Tensor, place: int) -> Tensor:
        if _same_memory(value, new):
            return value
        mine = lent is not None and place not in lent and stored.count(place) == 1 and value.is_contiguous()
        return value.index_copy_(0, rows, new) if mine else value.index_copy(0, rows, new)

    return {
        name: replaced(value, other[name], place) for (name, value), place in zip(state.items(), stored, strict=True)
    }


def choose_rows(mask_B: Tensor, one: Tensors, other: Tensors) -> Tensors:
    """Return the rows of one where the mask is set, else those of the other."""
    return {name: _choose(mask_B, one[name], value) for name, value in other.items()}


def _choose(mask_B: Tensor, one: Tensor, other: Tensor) -> Tensor:
    if _same_memory(one, other):
        return one
    return torch.where(mask_B.view(-1, *[1] * (one.dim() - 1)), one, other)


def _same_memory(one: Tensor, other: Tensor) -> bool:
    """Tell whether a shared entry and the rows of another are the same memory, so that none can replace the other."""
    rows_are_one = is_shared(one) and (is_shared(other) or len(other) == 1)
    return rows_are_one and one.data_ptr() == other.data_ptr() and one[0].stride() == other[0].stride()


class LastObservation(Mapping[str, Tensor]):
    """The observation at the end of a step, before sessions began anew; an entry is put together when it is read.

    Few sessions end in a step, and a copy of all rows for the sake of these costs as much as the observation itself.

    Args:
        observation: (B, ...) after the new sessions began; users who go on saw the same before.
        rows: (B',) int64, whose sessions ended.
        ended: (B', ...) what these saw at last.
    """

    def __init__(self, observation: Tensors, rows: Tensor, ended: Tensors) -> None:
        self._observation, self._rows, self._ended = observation, rows, ended
        self._entries: Tensors = {}

    def __getitem__(self, name: str) -> Tensor:
        """Return the entry of all users, (B, ...)."""
        if name not in self._entries:
            self._entries[name] = self._entry(self._observation[name], self._ended[name])
        return self._entries[name]

    def _entry(self, value: Tensor, ended: Tensor) -> Tensor:
        alike = is_shared(value) and (is_shared(ended) or len(ended) == 1)
        if alike and torch.equal(value[0], ended[0]):
            return value[:1].clone().expand_as(value)  # a catalogue is not copied for each row
        return value.index_copy(0, self._rows, ended)

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(self._observation)

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._observation)
