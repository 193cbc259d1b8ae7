"""Planted tastes of generated catalogues: where items and people stand, whatever their texts say of it."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from envs.simulator import SPLITS, Split


def codes(number: int, width: int, seed: int) -> Tensor:
    """Return random unit vectors, (number, width) float32, the same on every machine.

    Args:
        number: of kinds that people tell apart, or of people.
        width: W; the fewer, the more a liking for one kind says of the others.
        seed: of the draw.
    """
    drawn = np.random.default_rng(seed).normal(size=(number, width))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return torch.as_tensor(drawn.astype(np.float32))


def side_by_side(blocks: Sequence[Tensor]) -> Tensor:
    """Return blocks of attributes (N, A), (N, B), … side by side, to unit length, (N, A + B + …)."""
    return normalize(torch.cat(list(blocks), dim=1), dim=1)


def draw_personas(
    sizes: Mapping[Split, int], number: int, split: Split, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Draw personas of a split, uniformly; return their indices, (number,) int64.

    Args:
        sizes: how many each split has; they lie one behind the other in the order of `SPLITS`.
        number: how many to draw.
        split: whose.
        generator: where the numbers come from.
        device: of the generator.
    """
    first = sum(sizes[earlier] for earlier in SPLITS[: SPLITS.index(split)])
    return first + torch.randint(sizes[split], (number,), generator=generator, device=device)


def by_kind(values_BC: Tensor, kinds_N: Tensor, items_BK: Tensor | None) -> Tensor:
    """Return each user's value for the kind of each item, (B, K); of the whole catalogue (B, N) for None."""
    return values_BC[:, kinds_N] if items_BK is None else values_BC.gather(1, kinds_N[items_BK])
