"""Operations on small tensors that steps of a simulator are made of."""

import functools
import itertools

import torch
from torch import Tensor
from torch.nn.functional import embedding

from envs.interface import FEW_USERS, repeats


@functools.cache
def scalar(value: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a number as a tensor: of a Python number each operation would make one first."""
    with torch.inference_mode(False):
        return torch.full((), value, dtype=dtype)


def repeats_if_any(slate_BK: Tensor) -> Tensor | None:
    """Mark as `repeats` does, but return None where a look at the slates, which is cheap on a CPU, finds none."""
    users, slots = slate_BK.shape
    if users == 1 and slate_BK.is_cpu:
        return None if len(set(slate_BK.tolist()[0])) == slots else repeats(slate_BK)
    if users > FEW_USERS and slate_BK.is_cpu:
        pairs = itertools.combinations(slate_BK.unbind(dim=1), 2)
        if not any(bool((slot_B == other_B).any()) for slot_B, other_B in pairs):
            return None
    return repeats(slate_BK)


def blanked(values_BK: Tensor, empty_BK: Tensor | None, blank: Tensor, out: Tensor | None = None) -> Tensor:
    """Return values of slots, (B, K), with ``blank`` in the empty ones, where there are any."""
    if empty_BK is not None:
        return torch.where(empty_BK, blank, values_BK, out=out)
    return values_BK if out is None else out.copy_(values_BK)


def inner_products(users_BF: Tensor, items_NF: Tensor, ids_BK: Tensor | None) -> Tensor:
    """Return the inner products of every user with items of the catalogue.

    Args:
        users_BF: (B, F).
        items_NF: (N, F).
        ids_BK: (B, K) int64, each user's own items; None for the whole catalogue, which needs no (B, N, F) copy.

    Returns:
        (B, K), or (B, N).
    """
    if ids_BK is None:
        return users_BF @ items_NF.T
    return torch.einsum("bf,bkf->bk", users_BF, embedding(ids_BK, items_NF))
