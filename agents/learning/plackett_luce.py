"""The Plackett-Luce policy over slates: draw, log-probability, entropy, and the top-K correction of one item's chance.

Slots are filled one after the other, each by a softmax over the candidates that are left.
"""

import math

import torch
from torch import Tensor

from agents.streams import Streams
from envs.interface import mask_out
from envs.slates import top_k


def sample_slate(logits_BM: Tensor, slate_size: int, streams: Streams) -> Tensor:
    """Draw ordered slates without repeats.

    Equation:
        The K candidates of highest l_i + G_i with G_i = -log(-log U_i); drawn so, a slate A = (a_1, ..., a_K) has the
        chance prod_k exp l_{a_k} / sum_{i not in a_1 ... a_{k-1}} exp l_i.
    Source:
        Gumbel top-k, Kool et al. 2019, arXiv 1903.06059; the distribution is that of Plackett 1975 and Luce 1959.

    Args:
        logits_BM: (B, M) l.
        slate_size: K.
        streams: of the noise, one draw for each candidate.

    Returns:
        (B, K) int64, the first drawn first.
    """
    uniform_BM = streams.uniform(*logits_BM.shape)
    # A U of 0 has the Gumbel value of minus infinity: that candidate comes last, as it should.
    return top_k(logits_BM - uniform_BM.log().neg().log(), slate_size)


def slot_log_probabilities(logits_BM: Tensor, slate_BK: Tensor) -> Tensor:
    """Return the log-probability of each slot of an ordered slate given the slots before; their sum is the slate's.

    Equation:
        log p_k = l_{a_k} - log sum_{i not in a_1 ... a_{k-1}} exp l_i.
    Source:
        Plackett 1975.

    Args:
        logits_BM: (B, M) l.
        slate_BK: (B, K) int64 positions without repeats.

    Returns:
        (B, K), at most 0.
    """
    slots = slate_BK.shape[1]
    shown_BK = logits_BM.gather(1, slate_BK)
    # What is left at slot k: slots k to K, and what the slate leaves out. Summed so, not as a difference, it is exact
    # where the slate holds almost all of the chance; and the M candidates are read once, not once a slot.
    left_BKC = shown_BK.unsqueeze(1).expand(-1, slots, -1)
    gone_KK = torch.ones(slots, slots, dtype=torch.bool, device=shown_BK.device).tril(diagonal=-1)
    left_BKC = mask_out(left_BKC, gone_KK)
    if slots < logits_BM.shape[1]:
        shown_BM = torch.zeros_like(logits_BM, dtype=torch.bool).scatter(1, slate_BK, True)
        rest_B = mask_out(logits_BM, shown_BM).logsumexp(dim=1)
        left_BKC = torch.cat([left_BKC, rest_B.view(-1, 1, 1).expand(-1, slots, 1)], dim=2)
    return shown_BK - left_BKC.logsumexp(dim=2)


def item_log_probabilities(logits_BM: Tensor, slate_BK: Tensor) -> Tensor:
    """Return log pi of each item of a slate under the softmax over all candidates, (B, K)."""
    return logits_BM.gather(1, slate_BK) - logits_BM.logsumexp(dim=1, keepdim=True)


def entropy(logits_BM: Tensor) -> Tensor:
    """Return the entropy of the softmax over the candidates, in nats, (B,): that of the first slot."""
    log_BM = logits_BM.log_softmax(dim=1)
    return -(log_BM.exp() * log_BM).sum(dim=1)


def log_shown_chance(log_pi: Tensor, slate_size: int) -> Tensor:
    """Return the log of the chance that an item is among K draws with replacement.

    Equation:
        alpha = 1 - (1 - pi)^K.
    Source:
        Chen et al. 2019, arXiv 1812.02353, section 4.3.

    Args:
        log_pi: log-probability of the item in one draw, any shape; however low, the outcome is finite.
        slate_size: K.

    Returns:
        in [log pi, log K pi], at most 0, in the shape of ``log_pi``.
    """
    alpha = -torch.expm1(slate_size * torch.log1p(-log_pi.exp().clamp(max=1.0)))
    # Where pi is next to nothing, or too small for a float at all, alpha is K pi.
    return torch.where(log_pi < -20, log_pi + math.log(slate_size), alpha.log())


def top_k_multiplier(log_pi: Tensor, slate_size: int) -> Tensor:
    """Return the factor of the top-K correction, the derivative by pi of the chance to be shown.

    Equation:
        lambda_K = K (1 - pi)^(K - 1).
    Source:
        Chen et al. 2019, arXiv 1812.02353, equation 7.

    Args:
        log_pi: log-probability of the item in one draw, any shape.
        slate_size: K.

    Returns:
        in [0, K], in the shape of ``log_pi``; 1 for K = 1.
    """
    return slate_size * (1.0 - log_pi.exp()).clamp(min=0.0) ** (slate_size - 1)
