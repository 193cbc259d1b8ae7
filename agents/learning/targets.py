"""Learning targets: pure functions of rewards, discounts and values, each with its equation."""

import torch
from torch import Tensor


def lambda_returns(
    rewards_TB: Tensor, discounts_TB: Tensor, next_values_TB: Tensor, last_TB: Tensor, trace: float
) -> Tensor:
    """Return the lambda-return of every step of a rollout.

    Equation:
        G_t = r_t + d_t [(1 - lambda) V(s_{t+1}) + lambda G_{t+1}]; where the session ended at t, or t is the rollout's
        last step, G_t = r_t + d_t V(s_{t+1}).
    Source:
        Sutton & Barto 2018, equation 12.18; with maximal values, Q(lambda) as in Gallici et al. 2024, arXiv 2407.04811.

    Args:
        rewards_TB: (T, B) reward of the step.
        discounts_TB: (T, B) gamma, or 0 where the user left.
        next_values_TB: (T, B) V(s_{t+1}) of the same session; of its final observation where it was truncated.
        last_TB: (T, B) bool, whether the session ended at t.
        trace: lambda in [0, 1].

    Returns:
        (T, B).
    """
    returns = []
    following_B = next_values_TB[-1]
    for reward_B, discount_B, value_B, last_B in zip(
        rewards_TB.flip(0), discounts_TB.flip(0), next_values_TB.flip(0), last_TB.flip(0), strict=True
    ):
        mixed_B = torch.where(last_B, value_B, (1 - trace) * value_B + trace * following_B)
        following_B = reward_B + discount_B * mixed_B
        returns.append(following_B)
    return torch.stack(returns[::-1])


def n_step_return(rewards_TB: Tensor, discounts_TB: Tensor, last_TB: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the first of n consecutive steps earned until it bootstraps.

    Equation:
        R = sum_{k <= m} (prod_{j < k} d_j) r_k and D = prod_{k <= m} d_k, with m the first step at which the session
        ended, else the last of the n; the target is R + D V(s_{m+1}). Nothing is taken from the session after.
    Source:
        Sutton & Barto 2018, equation 7.1; in deep Q-learning, Hessel et al. 2018, arXiv 1710.02298.

    Args:
        rewards_TB: (n, B) rewards, n at least 1.
        discounts_TB: (n, B) gamma, or 0 where the user left.
        last_TB: (n, B) bool, whether the session ended there, whether the user left or time ran out.

    Returns:
        R (B,), D (B,) and m (B,) int64.
    """
    first_1B = torch.ones_like(rewards_TB[:1])
    reached_TB = torch.cat([first_1B, (~last_TB[:-1]).to(rewards_TB.dtype).cumprod(dim=0)])
    through_TB = discounts_TB.cumprod(dim=0)
    before_TB = torch.cat([first_1B, through_TB[:-1]])
    stop_B = reached_TB.sum(dim=0).long() - 1
    return (reached_TB * before_TB * rewards_TB).sum(dim=0), through_TB.gather(0, stop_B.unsqueeze(0))[0], stop_B
