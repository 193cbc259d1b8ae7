"""Arrays and lists become tensors, also those that torch cannot wrap."""

from typing import Any

import numpy as np
import torch


def as_tensor(values: Any) -> torch.Tensor:
    """Return a tensor of what a caller gave: a tensor, an array of any kind, a list.

    Memory is shared where torch can share it. An array that is reversed, read-only, of another byte order or of more
    than 64 bits is copied first.

    Raises:
        TypeError, ValueError, RuntimeError: it holds no numbers, or rows of unequal length.
    """
    if isinstance(values, np.ndarray):
        return torch.from_numpy(values if _can_be_shared(values) else _plain(values))
    if hasattr(values, "__array__") and not isinstance(values, torch.Tensor):
        return as_tensor(np.asarray(values))
    return torch.as_tensor(values)


def _can_be_shared(array: np.ndarray[Any, Any]) -> bool:
    kind = array.dtype
    return array.flags.writeable and kind.isnative and kind.itemsize <= 8 and min(array.strides, default=0) >= 0


def _plain(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    wide = array.dtype.kind == "f" and array.dtype.itemsize > 8
    return np.array(array, dtype=np.float64 if wide else array.dtype.newbyteorder("="), order="C")
