"""Reference policies of `slatelab/Boredom-v0`: myopic oracle, hand rule, near-oracle."""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from envs.boredom.settings import BoredomSettings
from envs.simulator import State
from envs.slates import top_k


class BoredomInside(Protocol):
    """What these policies may look into: items, topics and current tastes."""

    settings: BoredomSettings
    device: torch.device
    time_limit: int
    items: Tensor
    topics: Tensor

    def current_taste(self, state: State) -> Tensor:
        """Return tastes without the topics that bore now, (B, D)."""

    def logits(self, match: Tensor) -> Tensor:
        """Return the logit of relevance of inner products of taste and item, in their shape."""

    def candidate_ids(self, state: State) -> Tensor:
        """Return the items on offer, (B, M)."""


PASSABLE_RATE, TOPIC_CAP, OUT_OF_REACH = 0.15, 2.0, 1e3
"""Of the hand rule: click rate under which to try something else; slots of a topic; more than any score."""

SCARCITY = 0.8
"""Of the near-oracle: the price, in clicks, of a click on a topic about to bore; 0.7 to 0.9 earn as much."""


def match(simulator: BoredomInside, state: State) -> Tensor:
    """Return inner products of the current taste and the items on offer, (B, M)."""
    return _offered(state, simulator.current_taste(state) @ simulator.items.T)


def _offered(state: State, values_BN: Tensor) -> Tensor:
    return values_BN.gather(1, state["offer"]) if "offer" in state else values_BN


def myopic_oracle(simulator: BoredomInside, state: State) -> Tensor:
    """Show the K most relevant items, of what is not silenced by boredom: the most expected clicks of this slate."""
    return top_k(match(simulator, state), simulator.settings.slate_size)


def hand_rule(simulator: BoredomInside, state: State) -> Tensor:
    """Show what is like the clicked and unlike the shown, two of a main topic at most; reads the observation alone.

    A topic with recent clicks gets no more slots than it has clicks left before it bores.
    """
    settings = simulator.settings
    wanted_BD = state["liked"] - PASSABLE_RATE * state["seen"]
    scores_BM = _offered(state, wanted_BD @ simulator.items.T)
    topics_BM = simulator.topics[simulator.candidate_ids(state)]
    room_BD = (settings.boredom_threshold - 1 - state["recent"]).clamp(max=TOPIC_CAP)
    slots = []
    for _ in range(settings.slate_size):
        full_BM = (room_BD <= 0).gather(1, topics_BM)
        slots.append((scores_BM - OUT_OF_REACH * full_BM).argmax(dim=1, keepdim=True))
        scores_BM = scores_BM.scatter(1, slots[-1], -torch.inf)
        taken_B1 = topics_BM.gather(1, slots[-1])
        room_BD = room_BD.scatter_add(1, taken_B1, torch.full_like(room_BD[:, :1], -1.0))
    return torch.cat(slots, dim=1)


def near_oracle(simulator: BoredomInside, state: State) -> Tensor:
    """Fill the slots from the top with what earns most after its price: tiring the user, and using a topic up.

    Equation:
        max over i of p_i (1 - price_t), p_i = relevance_i epsilon^rank, t the main topic of i. With n_t the clicks on t
        that will still count after this step, X_t those the slots above bring, T the threshold and c the clicks that
        boredom costs, price_t = c P(n_t + X_t = T - 1) + 0.8 (n_t + E[X_t]) / T; nothing in the last step.

    Clicks of this slate push old ones out of the memory: how many is taken from the slate planned a first time.
    """
    relevance_BM = torch.sigmoid(simulator.logits(match(simulator, state)))
    if simulator.settings.boredom_threshold > simulator.settings.boredom_memory:
        return top_k(relevance_BM, simulator.settings.slate_size)
    forgotten_B1 = torch.full_like(state["steps"], 0.4 * simulator.settings.slate_size)
    for _ in range(2):
        slate_BK, expected_B1 = _planned(simulator, state, relevance_BM, forgotten_B1)
        forgotten_B1 = (0.9 * expected_B1).floor()
    return slate_BK


def _planned(
    simulator: BoredomInside, state: State, relevance_BM: Tensor, forgotten_B1: Tensor
) -> tuple[Tensor, Tensor]:
    """Return slates (B, K) and the clicks they are expected to bring (B, 1), if so many old clicks are forgotten."""
    settings, topics_BM = simulator.settings, simulator.topics[simulator.candidate_ids(state)]
    threshold, places_L = settings.boredom_threshold, torch.arange(settings.boredom_memory + 1, device=simulator.device)
    counts_BL = (state["recent_ages"] + 1 < settings.boredom_window) & (
        places_L < settings.boredom_memory - forgotten_B1
    )
    recent_BD = torch.zeros_like(state["recent"]).scatter_add(1, state["recent_topics"], counts_BL.float())
    last_BD1 = (threshold - 1 - recent_BD).clamp(min=0).long().unsqueeze(2)
    examined = [settings.choice.examination**rank for rank in range(settings.slate_size)]
    steps_left_B1 = (simulator.time_limit - 1 - state["steps"]).clamp(min=0)
    cost_B1 = sum(examined) * steps_left_B1.clamp(max=settings.boredom_duration)
    scarcity_B1 = SCARCITY / threshold * (steps_left_B1 > 0)

    # Chance of 0, 1, ... T - 1 clicks on each topic from the slots filled so far.
    chance_BDT = torch.zeros(*recent_BD.shape, threshold, device=simulator.device)
    chance_BDT[:, :, 0] = 1
    used_BD, expected_B1, slots = recent_BD, torch.zeros_like(steps_left_B1), []
    for share in examined:
        price_BD = cost_B1 * chance_BDT.gather(2, last_BD1).squeeze(2) + scarcity_B1 * used_BD
        gain_BM = relevance_BM * (1 - price_BD.gather(1, topics_BM))
        slots.append(gain_BM.masked_fill(relevance_BM < 0, -torch.inf).argmax(dim=1, keepdim=True))
        click_B1, topic_B1 = share * relevance_BM.gather(1, slots[-1]), topics_BM.gather(1, slots[-1])
        click_BD = torch.zeros_like(used_BD).scatter(1, topic_B1, click_B1)
        used_BD, expected_B1 = used_BD + click_BD, expected_B1 + click_B1
        one_more_BDT = pad(chance_BDT[:, :, :-1], (1, 0))
        chance_BDT = chance_BDT + click_BD.unsqueeze(2) * (one_more_BDT - chance_BDT)
        relevance_BM = relevance_BM.scatter(1, slots[-1], -1.0)
    return torch.cat(slots, dim=1), expected_B1
