"""What `info` says of every user: numbers alone, under the same names from the first reset on.

``response`` (K, R) and ``slate_ids`` (K) of the slate, and the simulator's metrics; with arrays also ``titles`` (K, W),
see `envs.adapters.title_bytes`. Where nothing was shown, such as at a reset, the ids are -1 and all else is 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from envs.interface import Tensors
from envs.simulator import Outcome

NO_ITEM = -1
Arrays = dict[str, NDArray[Any]]


def of_slates(ids_BK: Tensor, outcome: Outcome) -> Tensors:
    """Return what came of the slates of a step."""
    return {"response": outcome.response, "slate_ids": ids_BK, **outcome.metrics}


def of_no_slate(like: Tensors, number: int) -> Tensors:
    """Return the same of users to whom nothing was shown yet."""
    return {name: value.new_full((number, *value.shape[1:]), _blank(name)) for name, value in like.items()}


def blanked(told: Tensors, rows_B: Tensor) -> Tensors:
    """Return new entries that tell of some users that nothing was shown to them."""
    return {
        name: value.masked_fill(rows_B.view(-1, *[1] * (value.dim() - 1)), _blank(name)) for name, value in told.items()
    }


def at_ends(told: Arrays, ended: NDArray[np.bool_]) -> tuple[Arrays, Arrays]:
    """Return what is told where sessions end and others begin: of those that begin, and of those that ended.

    Either tells of the other rows too, the first what came of their slates, the second nothing.
    """
    begun, last = {}, {}
    for name, value in told.items():
        begun[name], last[name] = value.copy(), np.full_like(value, _blank(name))
        begun[name][ended], last[name][ended] = _blank(name), value[ended]
    return begun, last


def _blank(name: str) -> int:
    return NO_ITEM if name == "slate_ids" else 0
