"""Actor-critic over slates: a Plackett-Luce policy, a learnt value of the state, proximal policy optimisation."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from agents.learning.plackett_luce import slot_log_probabilities
from agents.learning.policy_gradient import PolicyAgent, PolicySettings
from agents.settings import check_above_zero
from envs.interface import Tensors


@dataclass(frozen=True, kw_only=True)
class ActorCriticSettings(PolicySettings):
    """Settings of the actor-critic."""

    epochs: int = 4
    """Passes over the rollout in each update."""
    entropy: float = 0.05
    clip: float = 0.5
    """How far the chance of a slate may move from what it was when it was drawn, as a share of it."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        check_above_zero(self, "clip")


def clipped_objective(ratio_B: Tensor, advantage_B: Tensor, clip: float) -> Tensor:
    """Return what proximal policy optimisation maximises.

    Equation:
        min(rho A, clip(rho, 1 - c, 1 + c) A) with rho = pi(a | s) / pi_old(a | s).
    Source:
        Schulman et al. 2017, arXiv 1707.06347, equation 7.

    Args:
        ratio_B: (B,) rho.
        advantage_B: (B,) A.
        clip: c.

    Returns:
        (B,).
    """
    return torch.minimum(ratio_B * advantage_B, ratio_B.clamp(1.0 - clip, 1.0 + clip) * advantage_B)


class ActorCritic(PolicyAgent):
    """Make whole slates more likely that paid, over the session, more than was expected of the state.

    Equation:
        min(rho A, clip(rho, 1 - c, 1 + c) A), with rho = pi(A | s) / pi_old(A | s) of the ordered slate, pi(A | s) =
        prod_k exp l_{a_k} / sum_{i not in a_1 ... a_{k-1}} exp l_i (Plackett-Luce), and the advantage A = G - V(s),
        the generalised advantage estimate; minus the loss of V, plus the entropy of the first slot's softmax.
    Source:
        Schulman et al. 2017, arXiv 1707.06347, equation 7; advantages: Schulman et al. 2016, arXiv 1506.02438; drawing
        slates and their probability: Kool et al. 2019, arXiv 1903.06059.
    Deviation:
        Advantages have mean 0 and deviation 1 in each rollout, not in each minibatch; the value has a Huber loss, and
        is not clipped; the entropy of all slots together has no closed form, that of the first stands for it.
    """

    Settings: ClassVar[type[ActorCriticSettings]] = ActorCriticSettings
    settings: ActorCriticSettings

    def log_probabilities(self, logits_BM: Tensor, slate_BK: Tensor) -> Tensor:
        """Return the log-probability of each slot given the slots before, (B, K)."""
        return slot_log_probabilities(logits_BM, slate_BK)

    def policy_loss(self, batch: Tensors, log_probs_BK: Tensor) -> tuple[Tensor, Tensor]:
        """Return minus the clipped objective of the whole slate (B,), and whether its ratio was clipped (B,)."""
        ratio_B = (log_probs_BK.sum(dim=1) - batch["log_probs"].sum(dim=1)).exp()
        clipped_B = (ratio_B.detach() - 1.0).abs() > self.settings.clip
        return -clipped_objective(ratio_B, batch["advantage"], self.settings.clip), clipped_B
