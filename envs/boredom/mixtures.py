"""Mixtures of a few topics, as items and users of `slatelab/Boredom-v0` are."""

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize


def sparse_directions(counts_X: Tensor, num_topics: int, generator: torch.Generator) -> Tensor:
    """Draw unit vectors with some uniform entries at random topics and zeros elsewhere.

    Args:
        counts_X: (X,) int64, entries of each vector.
        num_topics: D.
        generator: of the device of ``counts_X``.

    Returns:
        (X, D) float32.
    """
    size = (len(counts_X), num_topics)
    keys_XD = torch.rand(size, generator=generator, device=generator.device)
    rank_XD = keys_XD.argsort(dim=1).argsort(dim=1)
    entries_XD = torch.rand(size, generator=generator, device=generator.device)
    return normalize(entries_XD * (rank_XD < counts_X.unsqueeze(1)), dim=1)


def count_ends(fewest: int, most: int, num_topics: int) -> Tensor:
    """Return where, on [0, 1), the chance of each count of topics but the last ends, (most - fewest,) float32.

    The count is binomial over all topics, its mean in the middle of the range, given that it is in the range.
    """
    share = (fewest + most) / 2 / num_topics
    counts = range(fewest, most + 1)
    weights = [math.comb(num_topics, n) * share**n * (1 - share) ** (num_topics - n) for n in counts]
    ends = torch.tensor(weights, dtype=torch.float64).cumsum(0) / sum(weights)
    return ends[:-1].float().contiguous()
