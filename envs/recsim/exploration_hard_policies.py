"""Reference policies of `slatelab/InterestExplorationHard-v0` that see what agents see."""

from typing import Protocol

import torch
from torch import Tensor

from envs.interface import mask_out
from envs.recsim.interest_settings import InterestExplorationSettings
from envs.simulator import State
from envs.slates import top_k


class InterestExplorationHardInside(Protocol):
    """What these policies may look into: the model, not the user."""

    settings: InterestExplorationSettings
    device: torch.device
    time_limit: int

    def answers(self, state: State, slates_BLK: Tensor) -> Tensor:
        """Return the chances of each answer to L slates, for each type of user, (T, B, L, A)."""


def planned(simulator: InterestExplorationHardInside, state: State, price_B1: Tensor) -> Tensor:
    """Return the slates of the most expected clicks plus a price for what they tell of the user's type.

    Equation:
        max over A of E[clicks | A] + price (H(answer | A) - E[H(answer | A, type)]), under the belief; the second
        term is the mutual information of answer and type, in nats. Slots are filled from the top, each with the best
        addition, and then each is chosen once more, given all the others.
    """
    slots: list[Tensor] = []
    for slot in [*range(simulator.settings.slate_size)] * 2:
        slots[slot : slot + 1] = [_best_addition(simulator, state, price_B1, slots[:slot], slots[slot + 1 :])]
    return torch.cat(slots, dim=1)


def _best_addition(
    simulator: InterestExplorationHardInside, state: State, price_B1: Tensor, above: list[Tensor], below: list[Tensor]
) -> Tensor:
    """Return the best position (B, 1) between the slots above and below it, each (B, 1)."""
    belief_BT, offered = state["log_belief"].exp(), simulator.settings.num_candidates
    every_BM1 = torch.arange(offered, device=simulator.device).repeat(len(belief_BT), 1).unsqueeze(2)
    parts = [
        *(slot_B1.unsqueeze(1).expand(-1, offered, -1) for slot_B1 in above),
        every_BM1,
        *(slot_B1.unsqueeze(1).expand(-1, offered, -1) for slot_B1 in below),
    ]
    answers_TBMA = simulator.answers(state, torch.cat(parts, dim=2))
    expected_BMA = torch.einsum("bt,tbma->bma", belief_BT, answers_TBMA)
    known_BM = torch.einsum("bt,tbm->bm", belief_BT, torch.special.entr(answers_TBMA).sum(dim=3))
    information_BM = torch.special.entr(expected_BMA).sum(dim=2) - known_BM
    value_BM = expected_BMA[:, :, : len(parts)].sum(dim=2) + price_B1 * information_BM
    taken_BM = torch.zeros_like(value_BM, dtype=torch.bool)
    for slot_B1 in above + below:
        taken_BM = taken_BM.scatter(1, slot_B1, True)
    return mask_out(value_BM, taken_BM).argmax(dim=1, keepdim=True)


def myopic_bayes(simulator: InterestExplorationHardInside, state: State) -> Tensor:
    """Show the slate of the most expected clicks under the belief: the best myopic play from what is observed."""
    return planned(simulator, state, torch.zeros_like(state["steps"]))


def explorer(simulator: InterestExplorationHardInside, state: State) -> Tensor:
    """Show the slate of the most expected clicks plus what it tells of the type, worth less toward the end.

    It sees what agents see and knows the model, but not the user.
    """
    return planned(simulator, state, INFORMATION_PRICE * (1 - state["steps"] / simulator.time_limit))


def hand_rule(simulator: InterestExplorationHardInside, state: State) -> Tensor:
    """Show the topics of the highest click rate in this session, each counted as clicked once in one view at first.

    It needs neither the model nor the types. Quality decides between topics not shown yet.
    """
    rate_BD = (state["clicked"][:, :-1] + 1) / (state["seen"] + 1)
    return top_k(rate_BD.gather(1, state["topics"]) + 0.01 * state["quality"], simulator.settings.slate_size)


INFORMATION_PRICE = 1.0
"""Clicks that a nat of information is worth to the explorer at first."""
