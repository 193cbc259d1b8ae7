"""REINFORCE over slates with top-K correction: each item that was credited moves by its chance to be in the slate."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from agents.learning.plackett_luce import item_log_probabilities, log_shown_chance, top_k_multiplier
from agents.learning.policy_gradient import PolicyAgent, PolicySettings
from agents.settings import check_above_zero
from envs.interface import Tensors


@dataclass(frozen=True, kw_only=True)
class ReinforceSettings(PolicySettings):
    """Settings of REINFORCE."""

    top_k_correction: bool = True
    """Raise an item's chance to be among K draws; without, its chance to be the only one."""
    weight_cap: float = 2.0
    """Largest importance weight; without reuse (``epochs`` 1 and a single minibatch) no weight is above 1."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        check_above_zero(self, "weight_cap")


def credit(clicks_BK: Tensor) -> Tensor:
    """Return the share of a step's return that each shown item answers for, (B, K); a step's shares sum to one.

    Clicked items answer for it in equal parts; without a click nobody stands out, and all items do.
    """
    number_B1 = clicks_BK.sum(dim=1, keepdim=True)
    return torch.where(number_B1 > 0, clicks_BK / number_B1.clamp(min=1), 1.0 / clicks_BK.shape[1])


class Reinforce(PolicyAgent):
    """Make the items more likely that the user clicked and that paid, over the session, more than was expected.

    Equation:
        sum over shown items i of c_i w_i lambda_K(i) A grad log pi(i | s), with pi the softmax over the candidates,
        lambda_K = K (1 - pi)^(K - 1), w = min(pi / beta, cap), beta = 1 - (1 - pi_old)^K the chance that i was shown,
        and A = G - V(s); minus the loss of V, plus the entropy of pi. Where pi = pi_old this is c_i A grad log alpha,
        with alpha = 1 - (1 - pi)^K. Of n clicked items each has the credit c_i = 1/n; without a click each item 1/K.
    Source:
        Chen et al. 2019, arXiv 1812.02353, equations 6 to 8; REINFORCE with a baseline, Williams 1992.
    Deviation:
        Slates are drawn without repeats (Gumbel top-K) and always have K items, so that alpha, the chance under draws
        with replacement, is close to the chance to be shown but not the same. The agent learns from its own slates and
        knows beta, which the paper has to learn. The paper learns from items with a reward alone and has no baseline.
        Advantages have mean 0 and deviation 1 in each rollout.
    """

    Settings: ClassVar[type[ReinforceSettings]] = ReinforceSettings
    settings: ReinforceSettings

    def log_probabilities(self, logits_BM: Tensor, slate_BK: Tensor) -> Tensor:
        """Return log pi of each item as if it were drawn alone, (B, K)."""
        return item_log_probabilities(logits_BM, slate_BK)

    def policy_loss(self, batch: Tensors, log_probs_BK: Tensor) -> tuple[Tensor, Tensor]:
        """Return minus the weighted log-probability of the credited items (B,), and whether a weight was cut (B,)."""
        slots, now_BK, old_BK = self.spec.slate_size, log_probs_BK.detach(), batch["log_probs"]
        if self.settings.top_k_correction:
            weight_BK = (now_BK - log_shown_chance(old_BK, slots)).exp()
            factor_BK = top_k_multiplier(now_BK, slots)
        else:
            weight_BK, factor_BK = (now_BK - old_BK).exp(), torch.ones_like(now_BK)
        capped_BK = weight_BK.clamp(max=self.settings.weight_cap)
        credit_BK = credit(batch["response"][..., 0])
        loss_B = -batch["advantage"] * (credit_BK * capped_BK * factor_BK * log_probs_BK).sum(dim=1)
        return loss_B, ((weight_BK > capped_BK) & (credit_BK > 0)).any(dim=1)
