"""Choice models: which slot of a slate a user clicks, the no-click option always in the last column.

Pure functions of logits, shared by simulators and by agents that learn a choice model.
"""

import torch
from torch import Tensor


def multinomial_logit(logits_BK: Tensor, no_click_logit_B: Tensor, empty_BK: Tensor | None = None) -> Tensor:
    """Return click probabilities of the multinomial logit, at most one click a slate.

    Equation:
        p_i = exp(v_i) / (exp(v_0) + sum_j exp(v_j)), over the slots that are not empty.
    Source:
        McFadden 1974; as user choice model in Ie et al. 2019, arXiv 1905.12767, section 4.2.

    Args:
        logits_BK: (B, K) float32 v_i of the items of the slate.
        no_click_logit_B: (B,) float32 v_0.
        empty_BK: (B, K) bool, slots nobody can click; ``None`` means all are filled.

    Returns:
        (B, K + 1) float32, rows sum to 1; the last column is no click.
    """
    if empty_BK is not None:
        logits_BK = mask_out(logits_BK, empty_BK)
    return torch.cat([logits_BK, no_click_logit_B.unsqueeze(1)], dim=1).softmax(dim=1)


def sample_choice(probabilities_BC: Tensor, uniform_B: Tensor) -> Tensor:
    """Draw one option a row by inverting the cumulative distribution.

    Args:
        probabilities_BC: (B, C) rows that sum to 1; an option of probability 0 is never drawn.
        uniform_B: (B,) in [0, 1).

    Returns:
        (B,) int64 in [0, C).
    """
    cumulative_BC = probabilities_BC.cumsum(dim=1)
    threshold_B1 = (uniform_B * cumulative_BC[:, -1]).unsqueeze(1)
    return (cumulative_BC <= threshold_B1).sum(dim=1).clamp(max=probabilities_BC.shape[1] - 1)


def mask_out(values: Tensor, excluded: Tensor) -> Tensor:
    """Return ``values`` with ``-inf`` where ``excluded``: the one place that writes it."""
    return values.masked_fill(excluded, -torch.inf)
