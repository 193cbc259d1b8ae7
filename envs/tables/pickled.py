"""A pickled pandas table of numbers and strings, read without pandas and without running what the pickle names."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.errors import Failure


class _Frame:
    """Stand in for a DataFrame: keep its blocks."""

    blocks: _Blocks

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.blocks = state["_mgr"]


class _Blocks:
    """Stand in for a manager of blocks: rows of columns, and the names of the columns."""

    def __init__(self, blocks: tuple[tuple[NDArray[Any], Any], ...], axes: list[NDArray[np.object_]]) -> None:
        self.blocks, self.names = blocks, axes[0]


class _Labels:
    """Stand in for the classes of row and column labels."""


def _block(values: NDArray[Any], columns: Any, _ndim: int) -> tuple[NDArray[Any], Any]:
    return values, columns


def _labels(_cls: type, state: dict[str, Any]) -> Any:
    return state.get("data")


def _empty(_cls: type, shape: tuple[int, ...], kind: bytes) -> NDArray[Any]:
    return np.ndarray(shape, dtype=kind.decode())


def _filled(content: bytes, kind: Any, shape: tuple[int, ...], order: Any) -> NDArray[Any]:
    return np.frombuffer(content, dtype=kind).reshape(shape, order=order)


STAND_INS: dict[tuple[str, str], Any] = {
    ("builtins", "slice"): slice,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "_reconstruct"): _empty,
    ("numpy", "_frombuffer"): _filled,
    ("pandas", "DataFrame"): _Frame,
    ("pandas", "BlockManager"): _Blocks,
    ("pandas", "_unpickle_block"): _block,
    ("pandas", "Index"): _Labels,
    ("pandas", "RangeIndex"): _Labels,
    ("pandas", "_new_Index"): _labels,
}
"""By package and name, all that a table of numbers and strings asks for. Where within the package a name lies changes
from version to version and is not looked at; nothing of pandas is imported."""


class TableUnpickler(pickle.Unpickler):
    """Unpickle a table with `STAND_INS`, and refuse every other name."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for the object `module.name`.

        Raises:
            Failure: if a table does not need it.
        """
        known = STAND_INS.get((module.partition(".")[0], name))
        if known is None:
            raise Failure(
                f"the pickle asks for {module}.{name}, which a table does not need, so it was not read; "
                "reinstall the file from a source you trust"
            )
        return known


def read_pickled(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the columns, by name, of a pickled table.

    Raises:
        Failure: if the pickle asks for more than a table needs.
    """
    held = TableUnpickler(io.BytesIO(content)).load().blocks
    return {
        str(held.names[column]): row
        for values, columns in held.blocks
        for column, row in zip(np.arange(len(held.names))[columns], values, strict=True)
    }
