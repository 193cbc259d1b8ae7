"""Arrays and lists become tensors, also those that torch cannot wrap."""

from typing import Any

import numpy as np
import torch

from encoders.errors import UsageError


def as_tensor(values: Any, name: str = "what was given") -> torch.Tensor:
    """Return a tensor of what a caller gave: a tensor, an array of any kind, a list.

    Memory is shared where torch can share it. An array that is reversed, read-only, of another byte order or of more
    than 64 bits is copied first.

    Args:
        values: what was given.
        name: what it is called in a refusal.

    Raises:
        UsageError: it holds no numbers, rows of unequal length, or no dense memory.
    """
    try:
        tensor = _wrapped(values)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise UsageError(f"{name} cannot be taken for an array of numbers: {error}") from error
    if tensor.layout is not torch.strided or tensor.is_meta:
        kind = "a tensor without values (meta)" if tensor.is_meta else f"a tensor of layout {tensor.layout}"
        raise UsageError(f"{name} cannot be taken for an array of numbers: it is {kind}; make it a dense one")
    return tensor.detach() if tensor.requires_grad else tensor


def _wrapped(values: Any) -> torch.Tensor:
    if isinstance(values, np.ndarray):
        if values.flags.writeable:
            try:
                return torch.from_numpy(values)
            except (TypeError, ValueError):  # of another byte order or width, or reversed
                pass
        return torch.from_numpy(_plain(values))
    if hasattr(values, "__array__") and not isinstance(values, torch.Tensor):
        return _wrapped(np.asarray(values))
    return torch.as_tensor(values)


def _plain(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    wide = array.dtype.kind == "f" and array.dtype.itemsize > 8
    return np.array(array, dtype=np.float64 if wide else array.dtype.newbyteorder("="), order="C")
