"""The losses that towers are fitted by, each a pure function of scores or vectors."""

import torch
from torch import Tensor


def multi_hot(ids_BL: Tensor, columns: int) -> Tensor:
    """Return which of C columns each row names, bool (B, C).

    Args:
        ids_BL: int64, -1 where there is no more.
        columns: C.
    """
    named_BC = torch.zeros((len(ids_BL), columns + 1), dtype=torch.bool, device=ids_BL.device)
    named_BC.scatter_(1, ids_BL.where(ids_BL >= 0, columns), True)
    return named_BC[:, :columns]


def in_batch_mask(targets_B: Tensor, columns_C: Tensor, own_BN: Tensor) -> Tensor:
    """Return which columns are no negatives of a row: its own target's item again, and what its user likes.

    The column of the target itself, b for row b, stays.

    Args:
        targets_B: the item that each row is to find.
        columns_C: the item of each column, the first B of them the targets.
        own_BN: what each row's user likes, bool.

    Returns:
        bool (B, C).
    """
    masked_BC = own_BN[:, columns_C] | (targets_B[:, None] == columns_C[None, :])
    rows = torch.arange(len(targets_B), device=masked_BC.device)
    masked_BC[rows, rows] = False
    return masked_BC


def infonce(scores_BC: Tensor, masked_BC: Tensor, log_q_C: Tensor) -> Tensor:
    """Return the mean loss of telling each row's target from those of the other rows.

    Equation:
        -mean_b log( exp(s_bb - log q_b) / sum_c exp(s_bc - log q_c) ) over the columns that are not masked
    Source:
        van den Oord et al. 2018, arXiv 1807.03748; the correction for what is drawn more often, Yi et al. 2019 (RecSys,
        10.1145/3298689.3346996). Without it popularity is divided out of what is learnt.

    Args:
        scores_BC: logits of C >= B items, that of row b's target in column b.
        masked_BC: columns that are no negatives of a row, bool; see `in_batch_mask`.
        log_q_C: logarithm of how often each column's item is drawn as a target.
    """
    logits_BC = (scores_BC - log_q_C).masked_fill(masked_BC, float("-inf"))
    return (logits_BC.logsumexp(dim=1) - logits_BC.diagonal()).mean()


def softmax(scores_BC: Tensor, targets_BC: Tensor, masked_BC: Tensor, log_share: float = 0.0) -> Tensor:
    """Return the mean loss of finding each row's targets among many items.

    Equation:
        sum_b n_b^-1/2 sum_{t of b} -log( exp(s_bt) / sum_c exp(s_bc - log_share [c no target of b]) ) / sum_b n_b^1/2,
        over the columns that are not masked, with n_b targets: users of many likes count more, but less than each like.
    Source:
        the multinomial likelihood of Liang et al. 2018, arXiv 1802.05814; sampled, Jean et al. 2015, arXiv 1412.2007.

    Args:
        scores_BC: logits.
        targets_BC: which columns are to be found, bool; a row without one weighs nothing.
        masked_BC: columns that are not there for a row, bool, such as what its user is known to like; no targets.
        log_share: logarithm of the share of all items that the columns other than targets were drawn as.
    """
    logits_BC = (scores_BC - log_share * ~targets_BC).masked_fill(masked_BC, float("-inf"))
    found_B = logits_BC.masked_fill(~targets_BC, 0.0).sum(dim=1)
    numbers_B = targets_BC.sum(dim=1)
    weights_B = numbers_B.clamp(min=1) ** -0.5
    apart_B = numbers_B * logits_BC.logsumexp(dim=1) - found_B
    return (weights_B * apart_B).sum() / (weights_B * numbers_B).sum().clamp(min=1)


def elsa(items_CE: Tensor, likes_BC: Tensor) -> Tensor:
    """Return how badly the items that go with what a user likes are what the user likes.

    Equation:
        mean_b | norm(x_b) - norm(x_b (A A^T - I)) |², norm(x) = x / |x|
    Source:
        ELSA, Vančura et al. 2022 (RecSys, 10.1145/3523227.3551482); over text vectors, beeFormer, arXiv 2409.10309.

    Args:
        items_CE: A, unit rows.
        likes_BC: x, what each user likes, 0 or 1; at least one in each row.
    """
    found_BC = (likes_BC @ items_CE) @ items_CE.T - likes_BC
    apart_BC = torch.nn.functional.normalize(likes_BC, dim=1) - torch.nn.functional.normalize(found_BC, dim=1)
    return apart_BC.square().sum(dim=1).mean()
