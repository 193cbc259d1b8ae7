"""Choice models: which slot of a slate a user clicks, the no-click option always in the last column.

Pure functions of scores, shared by simulators and by agents that learn a choice model. `CHOICE_MODELS` names them all,
behind one signature:

    model.chances(scores_BK, no_click_B, empty_BK, parameters) -> (B, K + 1)
    model.clicks(scores_BK, no_click_B, empty_BK, uniform_BK, parameters) -> (B, K) bool

Chances are of a click on each slot and, in the last column, of no click at all. Where at most one slot is clicked
(``several`` is false) a row is a distribution; else each of its entries is one by itself. Two models also have
``weights``, in proportion to which options are chosen whatever stands beside them: with these a slate can be planned.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from encoders.errors import UsageError
from encoders.registry import unknown_name
from envs import click_models
from envs.choice_parameters import ChoiceParameters
from envs.interface import FEW_USERS, mask_out
from envs.tensors import scalar

__all__ = [
    "CHOICE_MODELS",
    "PLAIN_CHOICE",
    "ChoiceModel",
    "ChoiceParameters",
    "check_choice",
    "check_scores",
    "logit_weights",
    "multinomial_logit",
    "multinomial_proportional",
    "proportional_weights",
    "sample_choice",
]


LARGEST_WEIGHT, LARGEST_LOGIT = 1e30, 80.0
"""A weight, or a score whose exponential is one, of which a few still add up to a float32."""
FEW_OPTIONS = 32
"""Up to so many options many users' choices are found option by option on a CPU."""


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


def multinomial_proportional(
    scores_BK: Tensor, no_click_B: Tensor, empty_BK: Tensor | None, parameters: ChoiceParameters
) -> Tensor:
    """Return click probabilities in proportion to the scores above a minimum, at most one click a slate.

    Equation:
        p_i = (v_i - c) / ((v_0 - c) + sum_j (v_j - c)), over the slots that are not empty.
    Source:
        Ie et al. 2019, arXiv 1909.04847; c is taken off the no-click mass too.
    Deviation:
        A score below c counts as c instead of being an error, which would have to wait for the device.

    Args:
        scores_BK: (B, K) v_i.
        no_click_B: (B,) v_0; above c.
        empty_BK: (B, K) bool, slots nobody can click, or None.
        parameters: ``min_score`` c.

    Returns:
        (B, K + 1), rows sum to 1; the last column is no click.
    """
    if empty_BK is not None:
        scores_BK = scores_BK.masked_fill(empty_BK, parameters.min_score)
    scores_BC = torch.cat([scores_BK, no_click_B.unsqueeze(1)], dim=1)
    weights_BC = _above_minimum(scores_BC, parameters)
    return weights_BC / weights_BC.sum(dim=1, keepdim=True)


def logit_weights(scores_BM: Tensor, no_click_B: Tensor, parameters: ChoiceParameters) -> tuple[Tensor, Tensor]:
    """Return the weights of a multinomial logit, exp(v) up to a factor: of items (B, M) and of no click (B,)."""
    # Only ratios of weights matter: with the largest score taken off, and none left far below it, all are finite and
    # above zero.
    largest_B = torch.maximum(scores_BM.amax(dim=1), no_click_B)
    return (scores_BM - largest_B.unsqueeze(1)).clamp(min=-50).exp(), (no_click_B - largest_B).clamp(min=-50).exp()


def proportional_weights(scores_BM: Tensor, no_click_B: Tensor, parameters: ChoiceParameters) -> tuple[Tensor, Tensor]:
    """Return the weights of a proportional choice, v - c, at least 0: of items (B, M) and of no click (B,)."""
    return _above_minimum(scores_BM, parameters), _above_minimum(no_click_B, parameters)


def _above_minimum(scores: Tensor, parameters: ChoiceParameters) -> Tensor:
    return (scores - scalar(parameters.min_score, scores.dtype)).relu()


def sample_choice(probabilities_BC: Tensor, uniform_B: Tensor) -> Tensor:
    """Draw one option a row by inverting the cumulative distribution.

    Args:
        probabilities_BC: (B, C) rows that sum to 1; an option of probability 0 is never drawn.
        uniform_B: (B,) in [0, 1).

    Returns:
        (B,) int64 in [0, C); C, which is no option, where a probability is NaN.
    """
    cumulative_BC = probabilities_BC.cumsum(dim=1)
    # Below the last of the row, however it is rounded: the largest number below 1 is half a unit too small to round up.
    threshold_B = uniform_B * cumulative_BC.select(1, -1)
    if len(uniform_B) <= FEW_USERS or cumulative_BC.shape[1] > FEW_OPTIONS or not cumulative_BC.is_cpu:
        return torch.searchsorted(cumulative_BC, threshold_B.unsqueeze(1), right=True).squeeze(1)
    beyond_B = torch.zeros_like(threshold_B, dtype=torch.uint8)
    for option_B in cumulative_BC.unbind(dim=1):
        beyond_B += option_B > threshold_B
    return cumulative_BC.shape[1] - beyond_B.long()


Chances = Callable[[Tensor, Tensor, Tensor | None, ChoiceParameters], Tensor]
"""From scores (B, K), no-click score (B,), empty slots (B, K) and parameters to chances (B, K + 1)."""
Clicks = Callable[[Tensor, Tensor, Tensor | None, Tensor, ChoiceParameters], Tensor]
"""From scores, no-click score, empty slots, uniform numbers (B, K) and parameters to clicks (B, K) bool."""
Weights = Callable[[Tensor, Tensor, ChoiceParameters], tuple[Tensor, Tensor]]
"""From scores (B, M), no-click score (B,) and parameters to weights of at least 0, (B, M) and (B,)."""


class ChoiceModel(NamedTuple):
    """How a user answers a slate."""

    chances: Chances
    clicks: Clicks
    several: bool
    """Whether more than one slot can be clicked."""
    weights: Weights | None = None
    """Of a model whose chances are weights over the sum of those of the slate and of no click."""


def _click_one(
    chances: Chances,
    scores_BK: Tensor,
    no_click_B: Tensor,
    empty_BK: Tensor | None,
    uniform_BK: Tensor,
    parameters: ChoiceParameters,
) -> Tensor:
    choice_B = sample_choice(chances(scores_BK, no_click_B, empty_BK, parameters), uniform_BK[:, 0])
    return choice_B.unsqueeze(1) == torch.arange(scores_BK.shape[1], device=scores_BK.device)


def _at_most_one(chances: Chances, weights: Weights | None = None) -> ChoiceModel:
    clicks = functools.partial(_click_one, chances)  # can be pickled
    return ChoiceModel(chances, clicks, several=False, weights=weights)


def _logit(scores_BK: Tensor, no_click_B: Tensor, empty_BK: Tensor | None, parameters: ChoiceParameters) -> Tensor:
    return multinomial_logit(scores_BK, no_click_B, empty_BK)


CHOICE_MODELS: Mapping[str, ChoiceModel] = {
    "multinomial_logit": _at_most_one(_logit, logit_weights),
    "multinomial_proportional": _at_most_one(multinomial_proportional, proportional_weights),
    "exponential_cascade": _at_most_one(click_models.exponential_cascade),
    "proportional_cascade": _at_most_one(click_models.proportional_cascade),
    "position_based": ChoiceModel(click_models.position_based, click_models.position_based_clicks, several=True),
    "dependent_click": ChoiceModel(click_models.dependent_click, click_models.dependent_click_clicks, several=True),
    "user_browsing": ChoiceModel(click_models.user_browsing, click_models.user_browsing_clicks, several=True),
}
"""Name to model; every one is drawn from ``uniform_BK`` in [0, 1), the single-click ones from its first column."""

PLAIN_CHOICE = ChoiceParameters()
"""The published parameters."""


def check_choice(
    name: str, parameters: ChoiceParameters, no_click: float, *, several: bool = True, setting: str = "no_click_mass"
) -> None:
    """Refuse what is no choice model, or cannot be here.

    Args:
        name: of the model.
        parameters: of the model.
        no_click: score of clicking nothing.
        several: whether more than one click a slate makes sense here.
        setting: which setting ``no_click`` is.

    Raises:
        UsageError: an unknown name, a model of several clicks where one is meant, or proportions without any weight.
    """
    known = [key for key, model in CHOICE_MODELS.items() if several or not model.several]
    if name in CHOICE_MODELS and name not in known:
        raise UsageError(f"{name} clicks several slots, but here at most one is; use one of {', '.join(known)}")
    if name not in known:
        raise unknown_name("choice_model", name, known)
    largest = LARGEST_WEIGHT if name == "multinomial_proportional" else LARGEST_LOGIT
    if not abs(no_click) <= largest:
        raise UsageError(f"{setting} is {no_click}; make it at most {largest:g} in size, for {name}")
    if name == "multinomial_proportional" and not no_click > parameters.min_score:
        raise UsageError(
            f"{setting} {no_click} is not above min_score {parameters.min_score}, so that a slate could be "
            "without any weight; lower choice.min_score"
        )


def check_scores(name: str, parameters: ChoiceParameters, lowest: float, highest: float) -> None:
    """Refuse parameters with which scores of a known range give no chances.

    Args:
        name: of the model.
        parameters: of the model.
        lowest: score there can be.
        highest: score there can be.

    Raises:
        UsageError: a proportion of less than nothing, or a cascade that clicks with a chance above 1.
    """
    if "proportional" in name and lowest < parameters.min_score:
        raise UsageError(
            f"scores go down to {lowest:g}, below min_score {parameters.min_score:g}, and {name} has no weight for "
            f"that; lower choice.min_score to {lowest:g}"
        )
    if "cascade" in name:
        weight = math.exp(highest) if name == "exponential_cascade" else highest - parameters.min_score
        chance = parameters.score_scaling * weight
        if chance > 1:
            raise UsageError(
                f"choice.score_scaling {parameters.score_scaling:g} makes a chance of {chance:.3g} of the highest "
                f"score {highest:g}; make it at most {1 / weight:.3g}"
            )
