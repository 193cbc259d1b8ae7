"""Exact retrieval by id."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from encoders.errors import Failure
from encoders.index import CosineIndex
from encoders.retrieval.protocol import (
    Floats,
    Ids,
    allowed_mask,
    check_ids,
    check_k,
    check_vectors,
    excluded_places,
    item_vectors,
    kept_mask,
    new_ids,
)
from encoders.retrieval.storing import write_index


class ExactIndex:
    """Look at every item: `encoders.CosineIndex` with ids, filters, and items that come and go.

    Equal cosines come by lower id. `Index` says what the methods do.

    Args:
        vectors: one row an item, (N, D).
        ids: of the rows, 0 or more; 0 to N - 1 without it.

    Raises:
        UsageError: as `add`.
    """

    def __init__(self, vectors: NDArray[Any], ids: NDArray[Any] | Sequence[int] | None = None) -> None:
        checked = np.arange(len(vectors)) if ids is None else check_ids(ids)
        self._hold(checked.astype(np.int64), item_vectors(vectors, checked))

    def _hold(self, ids: Ids, vectors_ND: Floats) -> None:
        order = np.argsort(ids)  # so that what comes by lower row comes by lower id
        # (Kept as given: to scale what is scaled already would move its last bits at every change.)
        self._ids, self._vectors_ND = ids[order], vectors_ND[order]
        self._index = CosineIndex(self._vectors_ND)

    @property
    def ids(self) -> Ids:
        """The ids of the N items, ascending, int64 (N,)."""
        return self._ids

    def __len__(self) -> int:
        """Return the number of items N."""
        return len(self._ids)

    def search(
        self,
        queries: NDArray[Any],
        k: int,
        exclude: NDArray[Any] | None = None,
        allowed: NDArray[Any] | Sequence[int] | None = None,
    ) -> tuple[Ids, Floats]:
        """Return the ``k`` nearest items of each query, nearest first, equal scores by lower id; see `Index`."""
        check_k(k, len(self))
        rows = check_vectors(queries, "the queries", self._vectors_ND.shape[1])
        barred = None if exclude is None else excluded_places(self._ids, exclude, len(rows))
        if allowed is None:
            places, scores = self._index.search(rows, k, barred)
            return self._named(self._ids, places), scores
        open_rows = np.flatnonzero(allowed_mask(self._ids, allowed))
        found_Bk = np.full((len(rows), k), -1, dtype=np.int64)
        scores_Bk = np.full((len(rows), k), -np.inf, dtype=np.float32)
        if not len(open_rows):
            return found_Bk, scores_Bk
        among = CosineIndex(self._vectors_ND[open_rows])
        if barred is not None:
            new_place = np.full(len(self) + 1, -1, dtype=np.int64)
            new_place[open_rows] = np.arange(len(open_rows))
            barred = new_place[barred]
        width = min(k, len(open_rows))
        places, scores_Bk[:, :width] = among.search(rows, width, barred)
        found_Bk[:, :width] = self._named(self._ids[open_rows], places)
        return found_Bk, scores_Bk

    @staticmethod
    def _named(ids: Ids, places: Ids) -> Ids:
        return np.where(places < 0, -1, ids[places])

    def add(self, ids: NDArray[Any] | Sequence[int], vectors: NDArray[Any]) -> None:
        """Take in items with new ids; see `Index`."""
        added = new_ids(self._ids, ids)
        rows = item_vectors(vectors, added, self._vectors_ND.shape[1])
        self._hold(np.concatenate([self._ids, added]), np.concatenate([self._vectors_ND, rows]))

    def remove(self, ids: NDArray[Any] | Sequence[int]) -> None:
        """Drop items; see `Index`."""
        kept = kept_mask(self._ids, ids)
        self._hold(self._ids[kept], self._vectors_ND[kept])

    def save(self, folder: Path | str) -> None:
        """Write the index to a folder; see `Index`."""
        arrays: dict[str, NDArray[Any]] = {"ids": self._ids, "vectors": self._vectors_ND}
        write_index(folder, "exact", safetensors.numpy.save(arrays), {})

    @classmethod
    def from_bytes(cls, content: bytes) -> "ExactIndex":
        """Return the index of what `save` wrote.

        Raises:
            Failure: it is something else.
        """
        try:
            arrays = safetensors.numpy.load(content)
            return cls(arrays["vectors"], arrays["ids"])
        except (SafetensorError, KeyError, ValueError) as error:
            raise Failure(f"this is no exact index ({error}); save it again") from error
