"""What every index of vectors offers, whether it looks at all of them or not, and what it may be given."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from encoders.arrays import as_tensor
from encoders.errors import UsageError

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


@runtime_checkable
class Index(Protocol):
    """Items by id, to be found by the cosine of their vectors with a query."""

    @property
    def ids(self) -> Ids:
        """The ids of the N items, ascending, int64 (N,)."""

    def __len__(self) -> int:
        """Return the number of items N."""

    def search(
        self,
        queries: NDArray[Any],
        k: int,
        exclude: NDArray[Any] | None = None,
        allowed: NDArray[Any] | Sequence[int] | None = None,
    ) -> tuple[Ids, Floats]:
        """Return the ``k`` nearest items of each query, nearest first.

        Args:
            queries: (B, D), of any length.
            k: how many, from 1 to N.
            exclude: ids not to return, (B, E), padded with -1, or a bool mask (B, N) in the order of `ids`.
            allowed: the only ids to return, for all queries, or a bool mask (N,) in the order of `ids`.

        Returns:
            ids, int64 (B, k), and cosines, float32 (B, k). Where fewer than ``k`` items are left, or found, the row
            ends in ids -1 with scores -inf.

        Raises:
            UsageError: a wrong shape, ``k`` out of range, a query that is not finite, or the id of no item.
        """

    def add(self, ids: NDArray[Any] | Sequence[int], vectors: NDArray[Any]) -> None:
        """Take in items with new ids, 0 or more.

        Raises:
            UsageError: an id is here already, twice, or below 0; a vector is zero, not finite or of another width.
        """

    def remove(self, ids: NDArray[Any] | Sequence[int]) -> None:
        """Drop items.

        Raises:
            UsageError: an id is not here, or no item would be left.
        """

    def save(self, folder: Path | str) -> None:
        """Write the index to a folder, for `encoders.retrieval.opening.load_index`.

        Raises:
            Failure: the folder cannot be written to.
        """


def check_k(k: Any, count: int) -> None:
    """Refuse a number of items that cannot be found."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= count:
        raise UsageError(f"k is {k!r}; it must be from 1 to the number of items, {count}")


def check_ids(ids: Any, name: str = "ids") -> Ids:
    """Return whole numbers as int64 (n,); refuse others, and any twice or below 0."""
    given = np.asarray(ids)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise UsageError(f"{name} are {given.dtype} of shape {given.shape}; give whole numbers in one row")
    checked = given.astype(np.int64)
    if checked.size and checked.min() < 0:
        raise UsageError(f"{name} hold {checked.min()}; ids are 0 or more")
    unique, counts = np.unique(checked, return_counts=True)
    if len(unique) < len(checked):
        raise UsageError(f"{name} hold {unique[counts > 1][0]} more than once; give each item once")
    return checked


def check_vectors(vectors: Any, name: str, width: int | None = None) -> Floats:
    """Return finite numbers as float32 (n, D), contiguous; refuse others."""
    given = as_tensor(vectors, name)
    if given.ndim != 2 or given.shape[1] == 0 or given.is_complex():
        raise UsageError(f"{name} have shape {tuple(given.shape)}; give real numbers, a row each")
    if width is not None and given.shape[1] != width:
        raise UsageError(f"{name} have shape {tuple(given.shape)}; this index wants (n, {width})")
    rows: Floats = np.ascontiguousarray(given.float().cpu().numpy())
    if not np.isfinite(rows).all():
        raise UsageError(f"{name}: row {np.flatnonzero(~np.isfinite(rows).all(axis=1))[0]} is not finite; check it")
    return rows


def item_vectors(vectors: Any, ids: Ids, width: int | None = None) -> Floats:
    """Return the vectors of items as float32 (n, D), a row for each id; refuse one without a direction."""
    rows = check_vectors(vectors, "the vectors of the items", width)
    if len(rows) != len(ids):
        raise UsageError(f"there are {len(ids)} ids and {len(rows)} vectors; give one each")
    zero = np.flatnonzero(~rows.any(axis=1))
    if len(zero):
        raise UsageError(f"the vector of item {ids[zero[0]]} is zero; drop or re-encode the item")
    return rows


def unit_rows(rows: Floats) -> Floats:
    """Scale rows to unit length; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units: Floats = (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return units


def places_of(ids: Ids, asked: Ids) -> Ids:
    """Return where each asked id stands among ascending ids; refuse one that does not."""
    places = np.searchsorted(ids, asked).clip(max=max(len(ids) - 1, 0))
    missing = asked[ids[places] != asked] if len(ids) else asked
    if len(missing):
        raise UsageError(f"item {missing[0]} is not in the index; it holds {len(ids)} items")
    return places.astype(np.int64)


def new_ids(ids: Ids, given: Any) -> Ids:
    """Return ids to take in; refuse one that is here already."""
    added = check_ids(given)
    known = added[np.isin(added, ids)]
    if len(known):
        raise UsageError(f"item {known[0]} is in the index already; remove it first")
    return added


def kept_mask(ids: Ids, removed: Any) -> NDArray[np.bool_]:
    """Return which of the ids stay, bool (N,); refuse unknown ones, and to drop all."""
    mask = np.ones(len(ids), dtype=np.bool_)
    mask[places_of(ids, check_ids(removed))] = False
    if not mask.any():
        raise UsageError("no item would be left in the index; keep one, or make another index")
    return mask


def allowed_mask(ids: Ids, allowed: Any) -> NDArray[np.bool_]:
    """Return which items may be found, bool (N,), of a mask or ids."""
    given = np.asarray(allowed)
    if given.dtype == np.bool_:
        if given.shape != ids.shape:
            raise UsageError(f"allowed is a mask of shape {given.shape}; it must be ({len(ids)},), in the order of ids")
        return given
    mask = np.zeros(len(ids), dtype=np.bool_)
    mask[places_of(ids, check_ids(given, "allowed"))] = True
    return mask


def excluded_places(ids: Ids, exclude: Any, queries: int) -> Ids:
    """Return what is excluded as positions among the ids, int64 (B, E), padded with -1."""
    given = np.asarray(exclude)
    is_mask = given.dtype == np.bool_
    if given.ndim != 2 or len(given) != queries or (is_mask and given.shape[1] != len(ids)):
        raise UsageError(
            f"exclude has shape {given.shape}; it must be a bool mask ({queries}, {len(ids)}) in the order of ids, or "
            f"item ids ({queries}, E) padded with -1"
        )
    if is_mask:
        counts = given.sum(axis=1)
        order = np.argsort(~given, axis=1, kind="stable")[:, : int(counts.max(initial=0))]
        return np.where(np.arange(order.shape[1]) < counts[:, None], order, -1).astype(np.int64)
    if given.size and given.dtype.kind not in "iu":
        raise UsageError(f"exclude holds {given.dtype}; it must be bool or whole numbers")
    places = np.full(given.shape, -1, dtype=np.int64)
    real = given != -1
    places[real] = places_of(ids, given[real].astype(np.int64))
    return places
