"""What a step of fitting meets: some users, what of their likes is told and what is to be found, and which items."""

from typing import NamedTuple

import torch
from torch import Tensor

from encoders.tuning.settings import TuningSettings

PAD = -1


class Draw(NamedTuple):
    """Some users with their likes parted; ids are of items, int64, -1 where there is no more."""

    liked: Tensor
    """(B, L) all likes, newest first."""
    history: Tensor
    """(B, L) those that are told, at least one."""
    targets: Tensor
    """(B, L) the others, at least one."""
    disliked: Tensor
    """(B, K) dislikes that are told, as large a share."""


def part(liked_BL: Tensor, disliked_BK: Tensor, settings: TuningSettings, generator: torch.Generator) -> Draw:
    """Part each user's likes into history and targets, by a share drawn for each user.

    Args:
        liked_BL: at least two in each row.
        disliked_BK: in the same form.
        settings: the bounds of the share.
        generator: on the CPU.
    """
    low, high = settings.least_history, settings.most_history
    share_B1 = (low + (high - low) * torch.rand((len(liked_BL), 1), generator=generator)).to(liked_BL.device)
    order_BL = torch.rand(liked_BL.shape, generator=generator).to(liked_BL.device)
    real_BL = liked_BL >= 0
    # Whatever the share, the user's first in the drawn order is told and the last one is to be found.
    first_B1 = order_BL.where(real_BL, 2.0).min(dim=1, keepdim=True).values
    last_B1 = order_BL.where(real_BL, -1.0).max(dim=1, keepdim=True).values
    told_BL = real_BL & ((order_BL < share_B1) | (order_BL == first_B1)) & (order_BL < last_B1)
    heard_BK = torch.rand(disliked_BK.shape, generator=generator).to(liked_BL.device) < share_B1
    return Draw(
        liked=liked_BL,
        history=liked_BL.where(told_BL, PAD),
        targets=liked_BL.where(real_BL & ~told_BL, PAD),
        disliked=disliked_BK.where(heard_BK, PAD),
    )


def one_each(ids_BL: Tensor, generator: torch.Generator) -> Tensor:
    """Return one id of each row at random, int64 (B,); each row has one at least."""
    order_BL = torch.rand(ids_BL.shape, generator=generator).to(ids_BL.device)
    return ids_BL.gather(1, order_BL.where(ids_BL >= 0, -1.0).argmax(dim=1, keepdim=True)).squeeze(1)


def between_ranks(scores_BN: Tensor, low: int, high: int, number: int, generator: torch.Generator) -> Tensor:
    """Return items drawn from some ranks of each row, int64 (B, number), with repetition: mined hard negatives.

    Args:
        scores_BN: the items that may not be drawn at -inf.
        low: the first rank that is drawn, from 0.
        high: the last one, exclusive; less where there are fewer items.
        number: how many.
        generator: on the CPU.
    """
    high = min(high, scores_BN.shape[1])
    low = min(low, high - 1)
    ranked_BH = scores_BN.topk(high, dim=1).indices[:, low:]
    places = torch.randint(high - low, (len(scores_BN), number), generator=generator)
    return ranked_BH.gather(1, places.to(ranked_BH.device))


class Scored(NamedTuple):
    """The C items of a step, and where each of the N items stands among them."""

    ids: Tensor
    """(C,) items, int64."""
    place: Tensor
    """(N + 1,) position of an item among them, int64, -1 where it is not; one entry more for the id -1."""
    drawn: Tensor
    """(C,) whether an item was drawn, bool; the others are here for a user's sake."""
    share: float
    """Share of all items that is drawn."""

    def places(self, ids: Tensor) -> Tensor:
        """Return positions for ids of any shape; -1 stays."""
        return self.place[ids]


def scored(met_M: Tensor, num_items: int, needed: Tensor, many: int, generator: torch.Generator) -> Scored:
    """Return the items of a step: all that can be learnt of if they are not too many, else some and what is needed.

    Args:
        met_M: the items that can be learnt of, int64.
        num_items: N.
        needed: ids that have to be among them, of any shape, -1 for none.
        many: how many are drawn at most.
        generator: on the CPU.
    """
    ids_C = drawn = met_M
    if len(met_M) > many:
        drawn = met_M[torch.randperm(len(met_M), generator=generator)[:many].to(met_M.device)]
        ids_C = torch.unique(torch.cat([drawn, needed[needed >= 0]]))
    place_N = torch.full((num_items + 1,), PAD, device=met_M.device)
    place_N[ids_C] = torch.arange(len(ids_C), device=met_M.device)
    drawn_N = torch.zeros(num_items, dtype=torch.bool, device=met_M.device)
    drawn_N[drawn] = True
    return Scored(ids_C, place_N, drawn_N[ids_C], len(drawn) / len(met_M))
