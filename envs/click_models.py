"""Users who read a slate from the top: cascades, position-based, dependent click and user browsing models.

Each model has two functions of the same arguments: its chances (B, K + 1), in closed form, and its clicks (B, K),
drawn slot by slot from one uniform number a slot. Loops run over slots, never over users.
"""

import torch
from torch import Tensor

from envs.choice_parameters import ChoiceParameters


def exponential_cascade(
    scores_BK: Tensor, no_click_B: Tensor, empty_BK: Tensor | None, parameters: ChoiceParameters
) -> Tensor:
    """Return click chances of a user who reads down and stops at the first click.

    Equation:
        P(click i | i is reached) = beta min(sigma exp(v_i), 1): who considers a slot at all, with chance beta, clicks
        it with the rest.
    Source:
        Craswell et al. 2008, "An experimental comparison of click position-bias models"; with these weights in
        Ie et al. 2019, arXiv 1909.04847.
    Deviation:
        A chance above 1, before attention, counts as 1 instead of being an error, which would have to wait for the
        device; where the range of scores is known, settings are checked against it (`envs.choice.check_scores`).

    Args:
        scores_BK: (B, K) v_i, from the top of the slate down.
        no_click_B: (B,), not used: whoever reads to the end clicks nothing.
        empty_BK: (B, K) bool, slots nobody can click, or None.
        parameters: ``attention`` beta and ``score_scaling`` sigma.

    Returns:
        (B, K + 1), rows sum to 1; the last column is no click.
    """
    return _first_click(_considered(scores_BK.exp(), empty_BK, parameters))


def proportional_cascade(
    scores_BK: Tensor, no_click_B: Tensor, empty_BK: Tensor | None, parameters: ChoiceParameters
) -> Tensor:
    """Return click chances of a cascade whose weights are the scores themselves.

    Equation:
        P(click i | i is reached) = beta clip(sigma (v_i - c), 0, 1).
    Source:
        As `exponential_cascade`, with the same deviation.

    Args:
        scores_BK: as `exponential_cascade`.
        no_click_B: as `exponential_cascade`.
        empty_BK: as `exponential_cascade`.
        parameters: ``attention`` beta, ``score_scaling`` sigma and ``min_score`` c.

    Returns:
        (B, K + 1), rows sum to 1; the last column is no click.
    """
    return _first_click(_considered(scores_BK - parameters.min_score, empty_BK, parameters))


def attraction(scores_BK: Tensor, no_click_B: Tensor, empty_BK: Tensor | None) -> Tensor:
    """Return the chance to click an item that is looked at: its logit choice against no click alone.

    Equation:
        A_i = exp(v_i) / (exp(v_0) + exp(v_i)).

    Args:
        scores_BK: (B, K) v_i.
        no_click_B: (B,) v_0.
        empty_BK: (B, K) bool, slots nobody can click, or None.

    Returns:
        (B, K) in [0, 1]; 0 where empty.
    """
    attraction_BK = torch.sigmoid(scores_BK - no_click_B.unsqueeze(1))
    return attraction_BK if empty_BK is None else attraction_BK.masked_fill(empty_BK, 0.0)


def position_based(
    scores_BK: Tensor, no_click_B: Tensor, empty_BK: Tensor | None, parameters: ChoiceParameters
) -> Tensor:
    """Return click chances of a user who looks at lower slots less; clicks are independent.

    Equation:
        P(click at rank r) = epsilon^r A_r, r from 0; P(no click) = prod_r (1 - epsilon^r A_r).
    Source:
        Richardson, Dominowska and Ragno 2007, "Predicting clicks"; Craswell et al. 2008.

    Args:
        scores_BK: (B, K) v_i, from the top of the slate down.
        no_click_B: (B,) v_0, of `attraction`.
        empty_BK: (B, K) bool, slots nobody can click, or None.
        parameters: ``examination`` epsilon.

    Returns:
        (B, K + 1): for each slot the chance that it is clicked, several may be; the last column is no click at all.
    """
    chances_BK = _by_position(attraction(scores_BK, no_click_B, empty_BK), parameters)
    return torch.cat([chances_BK, (1 - chances_BK).prod(dim=1, keepdim=True)], dim=1)


def position_based_clicks(
    scores_BK: Tensor,
    no_click_B: Tensor,
    empty_BK: Tensor | None,
    uniform_BK: Tensor,
    parameters: ChoiceParameters,
) -> Tensor:
    """Draw the clicks of `position_based`, (B, K) bool, from ``uniform_BK`` in [0, 1)."""
    return uniform_BK < _by_position(attraction(scores_BK, no_click_B, empty_BK), parameters)


def dependent_click(
    scores_BK: Tensor, no_click_B: Tensor, empty_BK: Tensor | None, parameters: ChoiceParameters
) -> Tensor:
    """Return click chances of a cascade that goes on after a click with probability lambda.

    Equation:
        P(click i | i is reached) = A_i; P(i + 1 is reached | i is reached) = 1 - A_i (1 - lambda).
    Source:
        Guo, Liu and Wang 2009, "Efficient multiple-click models in web search".
    Deviation:
        One lambda for all ranks.

    Args:
        scores_BK: as `position_based`.
        no_click_B: as `position_based`.
        empty_BK: as `position_based`.
        parameters: ``continuation`` lambda.

    Returns:
        (B, K + 1): for each slot the chance that it is clicked, several may be; the last column is no click at all.
    """
    attraction_BK = attraction(scores_BK, no_click_B, empty_BK)
    reached_BK = _before(1 - (1 - parameters.continuation) * attraction_BK)
    return torch.cat([reached_BK * attraction_BK, (1 - attraction_BK).prod(dim=1, keepdim=True)], dim=1)


def dependent_click_clicks(
    scores_BK: Tensor,
    no_click_B: Tensor,
    empty_BK: Tensor | None,
    uniform_BK: Tensor,
    parameters: ChoiceParameters,
) -> Tensor:
    """Draw the clicks of `dependent_click`, (B, K) bool, from ``uniform_BK`` in [0, 1).

    One number a slot decides both: below lambda A the user clicks and goes on, below A they click and stop.
    """
    attraction_BK = attraction(scores_BK, no_click_B, empty_BK)
    click_BK = uniform_BK < attraction_BK
    stop_BK = click_BK & (uniform_BK >= parameters.continuation * attraction_BK)
    return click_BK & (_before((~stop_BK).to(attraction_BK.dtype)) > 0)


def user_browsing(
    scores_BK: Tensor, no_click_B: Tensor, empty_BK: Tensor | None, parameters: ChoiceParameters
) -> Tensor:
    """Return click chances of a user who looks on less, the further down since the last click.

    Equation:
        P(click at rank r | last click at rank l) = E(r, l) A_r with E(r, l) = epsilon^(r - l - 1), and l = -1 before
        the first click; the chance of each l follows by recursion over the ranks.
    Source:
        Dupret and Piwowarski 2008, "A user browsing model to predict search engine click data".
    Deviation:
        The paper fits a table E(r, l); here it falls geometrically with the distance, so without a click it is that
        of `position_based`.

    Args:
        scores_BK: as `position_based`.
        no_click_B: as `position_based`.
        empty_BK: as `position_based`.
        parameters: ``examination`` epsilon.

    Returns:
        (B, K + 1): for each slot the chance that it is clicked, several may be; the last column is no click at all.
    """
    attraction_BK = attraction(scores_BK, no_click_B, empty_BK)
    slots = attraction_BK.shape[1]
    decay_K = parameters.examination ** torch.arange(slots, device=attraction_BK.device)
    # Column l of last_BL is the chance that the last click so far was at rank l - 1; column 0 is none yet.
    last_BL = torch.ones_like(attraction_BK[:, :1])
    clicked = []
    for rank in range(slots):
        conditional_BL = attraction_BK[:, rank : rank + 1] * decay_K[: rank + 1].flip(0)
        joint_BL = last_BL * conditional_BL
        clicked.append(joint_BL.sum(dim=1, keepdim=True))
        last_BL = torch.cat([last_BL - joint_BL, clicked[-1]], dim=1)
    return torch.cat([*clicked, last_BL[:, :1]], dim=1)


def user_browsing_clicks(
    scores_BK: Tensor,
    no_click_B: Tensor,
    empty_BK: Tensor | None,
    uniform_BK: Tensor,
    parameters: ChoiceParameters,
) -> Tensor:
    """Draw the clicks of `user_browsing`, (B, K) bool, from ``uniform_BK`` in [0, 1)."""
    attraction_BK = attraction(scores_BK, no_click_B, empty_BK)
    examination_B = torch.ones_like(no_click_B)
    clicked = []
    for rank in range(attraction_BK.shape[1]):
        click_B = uniform_BK[:, rank] < examination_B * attraction_BK[:, rank]
        examination_B = torch.where(click_B, 1.0, examination_B * parameters.examination)
        clicked.append(click_B)
    return torch.stack(clicked, dim=1)


def _by_position(attraction_BK: Tensor, parameters: ChoiceParameters) -> Tensor:
    """Return the chance that a slot is looked at and its item attracts."""
    ranks_K = torch.arange(attraction_BK.shape[1], device=attraction_BK.device)
    return attraction_BK * parameters.examination**ranks_K


def _considered(weights_BK: Tensor, empty_BK: Tensor | None, parameters: ChoiceParameters) -> Tensor:
    """Return the chance that a slot once reached is considered and clicked, (B, K): never above the attention."""
    chances_BK = parameters.attention * (parameters.score_scaling * weights_BK).clamp(0, 1)
    return chances_BK if empty_BK is None else chances_BK.masked_fill(empty_BK, 0.0)


def _before(kept_BK: Tensor) -> Tensor:
    """Return for each slot the product over the slots above it."""
    return torch.cat([torch.ones_like(kept_BK[:, :1]), kept_BK.cumprod(dim=1)[:, :-1]], dim=1)


def _first_click(conditional_BK: Tensor) -> Tensor:
    """Return the chance that each slot is the first clicked, and in the last column that none is."""
    passed_BK = 1 - conditional_BK
    return torch.cat([_before(passed_BK) * conditional_BK, passed_BK.prod(dim=1, keepdim=True)], dim=1)
