"""Candidate sources: which M of the catalogue's N items an agent may choose from."""

import torch
from torch import Tensor

DRAWS_PER_SLOT = 3
"""Random items drawn for each exploration slot; what is already seen or drawn is passed over."""


def exploration_noise(number: int, num_items: int, num_slots: int, generator: torch.Generator) -> Tensor:
    """Draw the items that `explore` may put into E slots, (number, 3 E) int64 in [0, num_items)."""
    size = (number, DRAWS_PER_SLOT * num_slots)
    return torch.randint(num_items, size, generator=generator, device=generator.device)


def explore(nearest_BM: Tensor, seen_BN: Tensor, draws_BJ: Tensor) -> Tensor:
    """Give the last E of the M nearest items' places to random items.

    The first E draws that are unseen, not among the M nearest and not drawn before take the last E places, so no item
    stands twice in a row; where too few draws are left, the nearest items keep their places.

    Args:
        nearest_BM: (B, M) int64, distinct in each row.
        seen_BN: (B, N) bool, items not to offer.
        draws_BJ: (B, 3 E) int64 from `exploration_noise`; E may be 0.

    Returns:
        (B, M) int64, distinct in each row.
    """
    slots = draws_BJ.shape[1] // DRAWS_PER_SLOT
    if slots == 0:
        return nearest_BM
    last = nearest_BM.shape[1]
    taken_BN = seen_BN.scatter(1, nearest_BM, True)
    usable_BJ = ~(taken_BN.gather(1, draws_BJ) | _drawn_before(draws_BJ))
    rank_BJ = usable_BJ.cumsum(dim=1) - 1
    # Every draw is written to the place of its rank; what is not usable or left over goes to a column that is cut off.
    place_BJ = torch.where(usable_BJ & (rank_BJ < slots), last - 1 - rank_BJ, last)
    padded = torch.cat([nearest_BM, nearest_BM[:, :1]], dim=1)
    return padded.scatter(1, place_BJ, draws_BJ)[:, :last]


def _drawn_before(draws_BJ: Tensor) -> Tensor:
    """Mark the draws that stand earlier in their row, (B, J) bool; a stable sort is cheaper than all J² pairs."""
    drawn_BJ, order_BJ = draws_BJ.sort(dim=1, stable=True)
    same_BJ = torch.nn.functional.pad(drawn_BJ[:, 1:] == drawn_BJ[:, :-1], (1, 0))
    return torch.zeros_like(same_BJ).scatter(1, order_BJ, same_BJ)


def forget_when_exhausted(seen_BN: Tensor, unseen_B: Tensor, num_candidates: int) -> tuple[Tensor, Tensor]:
    """Clear the memory of every user with fewer than M unseen items left, so that a candidate set always exists.

    Args:
        seen_BN: (B, N) bool.
        unseen_B: (B,) int64, how many are unseen; kept as a count because summing (B, N) costs more than the rest.
        num_candidates: M.

    Returns:
        both arguments, with the exhausted users' rows started over.
    """
    exhausted_B = unseen_B < num_candidates
    # As bytes: a bool operation that is broadcast over rows is not vectorised, and this is B x N of them.
    kept_B1 = (~exhausted_B).view(torch.uint8).unsqueeze(1)
    return (seen_BN.view(torch.uint8) * kept_B1).view(torch.bool), unseen_B.masked_fill(exhausted_B, seen_BN.shape[1])
