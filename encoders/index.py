"""Exact retrieval by cosine."""

import numbers
from collections.abc import Callable
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch

from encoders import devices
from encoders.arrays import as_tensor
from encoders.errors import UsageError

SCORES_AT_ONCE = 2**24
"""Scores (queries × items) held in memory at a time: 64 MiB of float32."""

ROUNDING = 5e-7
"""Cosines this near to each other may come in another order, or in none, by the rounding of float32 alone."""
SPARE = 8
"""Items beyond the k best whose cosines are looked at again on a GPU."""

Exact = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class CosineIndex:
    """Find the items whose vectors have the largest cosine with a query, exactly, on any torch device.

    Items and queries are scaled to unit length. A zero query has cosine 0 with every item. A search for queries on a
    GPU never waits for it, and so does not check the numbers in them.

    What the rounding of float32 leaves open is settled in float64, so that items of equal vectors come in order of
    their ids, and a query finds the same items in the same order alone as among others.

    Args:
        vectors: one row an item, (N, D), numpy or torch; its row is the item's id.
        device: where to search; by default where ``vectors`` are.

    Raises:
        UsageError: no matrix, no rows, a row that is zero or not finite.
    """

    def __init__(self, vectors: npt.NDArray[Any] | torch.Tensor, device: torch.device | str | None = None) -> None:
        items_ND = _real(as_tensor(vectors, "the vectors of the index"), "the vectors of the index").to(
            device=device, dtype=torch.float32
        )
        if items_ND.ndim != 2 or 0 in items_ND.shape:
            raise UsageError(f"the index wants vectors (N, D), not the shape {tuple(items_ND.shape)}")
        lengths_N = items_ND.norm(dim=1)
        bad = torch.nonzero(~(lengths_N > 0) | ~torch.isfinite(lengths_N))
        if len(bad):
            raise UsageError(f"the vector of item {int(bad[0])} is zero or not finite; drop or re-encode the item")
        self._vectors_ND: torch.Tensor = (items_ND / lengths_N[:, None]).contiguous()

    @property
    def vectors(self) -> torch.Tensor:
        """The items' unit vectors, float32 (N, D), on the index's device."""
        return self._vectors_ND

    def __len__(self) -> int:
        """Return the number of items N."""
        return len(self._vectors_ND)

    @overload
    def search(
        self, queries: torch.Tensor, k: int, exclude: torch.Tensor | npt.NDArray[Any] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]: ...

    @overload
    def search(
        self, queries: npt.NDArray[Any], k: int, exclude: torch.Tensor | npt.NDArray[Any] | None = None
    ) -> tuple[Ids, Floats]: ...

    def search(
        self,
        queries: torch.Tensor | npt.NDArray[Any],
        k: int,
        exclude: torch.Tensor | npt.NDArray[Any] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor] | tuple[Ids, Floats]:
        """Return the ``k`` nearest items of each query, nearest first, equal scores by lower id.

        Args:
            queries: (B, D), numpy or torch; the answer is of the same kind.
            k: how many, from 1 to N.
            exclude: items not to return: a bool mask (B, N), or item ids (B, E), padded with -1.

        Returns:
            ids, int64 (B, k), and cosines, float32 (B, k). Where fewer than ``k`` items are left, the row
            ends in ids -1 with scores -inf.

        Raises:
            UsageError: a wrong shape, ``k`` out of range or, in what is given on a CPU, a query that is not finite or
                the id of no item.
        """
        queries_BD = self._check_queries(queries, k)
        excluded = self._check_exclude(exclude, len(queries_BD))
        rows = max(1, SCORES_AT_ONCE // len(self))
        parts = []
        for start in range(0, max(1, len(queries_BD)), rows):
            part = slice(start, start + rows)
            parts.append(self._nearest(queries_BD[part], k, None if excluded is None else excluded[part]))
        ids_Bk, scores_Bk = parts[0] if len(parts) == 1 else (torch.cat(column) for column in zip(*parts, strict=True))
        if isinstance(queries, torch.Tensor):
            return ids_Bk, scores_Bk
        return ids_Bk.cpu().numpy(), scores_Bk.cpu().numpy()

    def _nearest(
        self, queries_BD: torch.Tensor, k: int, excluded: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids and cosines of unit rows, as `search` does."""
        scores_BN = queries_BD @ self._vectors_ND.T
        if excluded is not None:
            exclude_(scores_BN, excluded)
        return top_k(scores_BN, k, lambda rows_R, ids_RC: self._exact(queries_BD[rows_R], ids_RC))

    def _exact(self, queries_RD: torch.Tensor, ids_RC: torch.Tensor) -> torch.Tensor:
        """Return the cosines of unit rows with some items each, float32 (R, C), summed without float32's rounding."""
        exact = torch.float32 if queries_RD.device.type == "mps" else torch.float64  # (which has nothing better)
        rows = max(1, SCORES_AT_ONCE // (ids_RC.shape[1] * queries_RD.shape[1]))
        pairs = zip(torch.split(queries_RD, rows), torch.split(ids_RC, rows), strict=True)
        parts = [torch.bmm(self._vectors_ND[ids].to(exact), asked.to(exact).unsqueeze(2)) for asked, ids in pairs]
        return torch.cat(parts).squeeze(2).float()

    def _check_queries(self, queries: torch.Tensor | npt.NDArray[Any], k: int) -> torch.Tensor:
        """Return the queries as unit rows on the index's device."""
        count, width = self._vectors_ND.shape
        asked: Any = k
        if isinstance(asked, bool) or not isinstance(asked, numbers.Integral) or not 1 <= k <= count:
            raise UsageError(f"k is {k!r}; it must be from 1 to the number of items, {count}")
        queries_BD = _real(as_tensor(queries, "the queries"), "the queries").to(dtype=torch.float32)
        if queries_BD.ndim != 2 or queries_BD.shape[1] != width:
            raise UsageError(f"queries have shape {tuple(queries_BD.shape)}; this index wants (B, {width})")
        if devices.may_look(queries_BD.device) and not torch.isfinite(queries_BD).all():
            row = int(torch.nonzero(~torch.isfinite(queries_BD).all(dim=1))[0])
            raise UsageError(f"query {row} is not finite; check how user vectors are updated")
        return torch.nn.functional.normalize(queries_BD.to(self._vectors_ND.device), dim=1)

    def _check_exclude(self, exclude: torch.Tensor | npt.NDArray[Any] | None, queries: int) -> torch.Tensor | None:
        """Return the mask or ids on the index's device; None where nothing is excluded."""
        if exclude is None:
            return None
        excluded, device = as_tensor(exclude, "exclude"), self._vectors_ND.device
        is_mask = excluded.dtype == torch.bool
        if excluded.ndim != 2 or len(excluded) != queries or (is_mask and excluded.shape[1] != len(self)):
            raise UsageError(
                f"exclude has shape {tuple(excluded.shape)}; it must be a bool mask ({queries}, {len(self)}) "
                f"or item ids ({queries}, E) padded with -1"
            )
        if is_mask:
            return excluded.to(device)
        if excluded.is_floating_point() or excluded.is_complex():
            raise UsageError(f"exclude holds {excluded.dtype}; it must be bool or integer")
        if excluded.numel() == 0:
            return None
        excluded = excluded.to(torch.int64)
        if devices.may_look(excluded.device):
            lowest, highest = (int(bound) for bound in torch.aminmax(excluded))
            if lowest < -1 or highest >= len(self):
                raise UsageError(
                    f"exclude holds ids from {lowest} to {highest}; items are 0 to {len(self) - 1}, padding is -1"
                )
        return excluded.to(device)


def _real(values: torch.Tensor, name: str) -> torch.Tensor:
    """Refuse numbers of which half would be left out."""
    if values.is_complex():
        raise UsageError(f"{name} are complex numbers; give real ones")
    return values


def exclude_(scores_BN: torch.Tensor, excluded: torch.Tensor) -> None:
    """Set the scores of excluded items to -inf, in place.

    Args:
        scores_BN: float (B, N).
        excluded: a bool mask (B, N), or int64 ids (B, E) padded with -1.
    """
    if excluded.dtype == torch.bool:
        scores_BN.masked_fill_(excluded, float("-inf"))
        return
    # Padding lowers item 0 to at most +inf, that is not at all; no score is read back or written twice.
    ceiling_BE = torch.where(excluded < 0, float("inf"), float("-inf")).to(scores_BN.dtype)
    scores_BN.scatter_reduce_(1, excluded.clamp(min=0), ceiling_BE, "amin")


def top_k(scores_BN: torch.Tensor, k: int, exact: Exact | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids, int64 (B, k), and scores (B, k) of the largest scores; equal ones by lower id.

    An item with the score -inf is never returned: its place holds id -1. ``torch.topk`` leaves open which of
    equal scores it takes, and in which order. Only rows with equal scores among their first k + 1 are ranked
    again, by a key that holds score and id; on a GPU all are, since to find those rows would wait for it.

    With ``exact`` scores that lie within `ROUNDING` of each other count as equal until it has settled them; on a GPU
    so do the first k + `SPARE`.

    Args:
        scores_BN: float32 (B, N), without NaN.
        k: from 1 to N.
        exact: from the numbers of rows (R,) and ids (R, C) to scores without that rounding, (R, C).
    """
    width = scores_BN.shape[1]
    if not devices.may_look(scores_BN.device):
        ids_Bk, scores_Bk = _top_k_by_key(scores_BN, k if exact is None else min(k + SPARE, width))
        if exact is not None:
            rows_B = torch.arange(len(scores_BN), device=scores_BN.device)
            ids_Bk, scores_Bk = _settle(rows_B, ids_Bk, scores_Bk, k, exact)
        return ids_Bk.masked_fill_(scores_Bk == float("-inf"), -1), scores_Bk
    top_scores, top_ids = scores_BN.topk(min(k + 1, width), dim=1)
    ids_Bk, scores_Bk = top_ids[:, :k].contiguous(), top_scores[:, :k].contiguous()
    # Between two scores -inf there is no difference that is a number, and so no small one.
    rounding = 0.0 if exact is None else ROUNDING
    near = top_scores[:, :-1] - top_scores[:, 1:] <= rounding
    rows_R = near.any(dim=1).nonzero().squeeze(1)
    if len(rows_R):
        found_RC, ids_RC = top_scores[rows_R], top_ids[rows_R]
        if width > k and bool(near[rows_R, -1].any()):  # what is equal may go on beyond the first k + 1
            found_RN = scores_BN[rows_R]
            least_R1 = (found_RC[:, k - 1 : k] - rounding).clamp(min=torch.finfo(torch.float32).min)
            found_RC, ids_RC = found_RN.topk(max(k, int((found_RN >= least_R1).sum(dim=1).max())), dim=1)
        ids_Bk[rows_R], scores_Bk[rows_R] = _settle(rows_R, ids_RC, found_RC, k, exact)
    return ids_Bk.masked_fill_(scores_Bk == float("-inf"), -1), scores_Bk


def _settle(
    rows_R: torch.Tensor, ids_RC: torch.Tensor, scores_RC: torch.Tensor, k: int, exact: Exact | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and scores of the k best of some items, by exact scores if there are, equal ones by lower id."""
    ids_RC, order_RC = ids_RC.sort(dim=1)
    scores_RC = scores_RC.gather(1, order_RC)
    if exact is not None:
        scores_RC = exact(rows_R, ids_RC).masked_fill_(scores_RC == float("-inf"), float("-inf"))
    scores_RC, places_RC = scores_RC.sort(dim=1, descending=True, stable=True)
    return ids_RC.gather(1, places_RC[:, :k]), scores_RC[:, :k]


def _top_k_by_key(scores_BN: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rank by one int64 a score: its bits, ordered as integers, above the reversed id."""
    width = scores_BN.shape[1]
    bits_BN = (scores_BN + 0.0).view(torch.int32)  # adding zero makes -0.0 equal to 0.0
    ordered_BN = bits_BN ^ ((bits_BN >> 31) & 0x7FFFFFFF)
    reversed_N = torch.arange(width - 1, -1, -1, device=scores_BN.device)
    keys_Bk = ((ordered_BN.to(torch.int64) << 32) | reversed_N).topk(k, dim=1).values
    ids_Bk = width - 1 - (keys_Bk & 0xFFFFFFFF)
    return ids_Bk, scores_BN.gather(1, ids_Bk)
