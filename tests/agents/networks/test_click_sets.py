"""SlateQ over sets of clicks: its equations by hand, and a world that values of single items cannot tell apart."""

import itertools
import math
from typing import Any, cast

import pytest
import torch
from sketches import make_spec
from torch import Tensor, nn

from agents.learning.exploration import EpsilonSchedule
from agents.networks.click_sets import ClickSets, ClickValue, click_logits, count_click
from agents.slateq_clicks import SlateQClicks, SlateQClicksSettings
from envs.interface import Observation, Spec, Transition

TOPICS = torch.tensor([0, 0, 0, 1, 1, 2])
ATTRACTION = torch.tensor([2.0, 1.9, 1.8, 0.5, 0.4, -1.0])
EXAMINATION = torch.tensor([-0.5, 1.0, 0.2])
GAINS = torch.tensor([[1.0, -2.0, 0.5], [0.8, 0.7, 0.1], [0.9, 0.9, 0.9]])


class KnownChoice(nn.Module):
    """Attraction by id and examination by slot, the same for all users."""

    def forward(self, user_BU: Tensor, features_BMF: Tensor, ids_BM: Tensor) -> tuple[Tensor, Tensor]:
        return ATTRACTION[ids_BM].unsqueeze(1), EXAMINATION.expand(len(user_BU), -1)


class KnownGains(nn.Module):
    """The j-th click on a topic adds GAINS[topic][j - 1] to a value of 0.7; every item is of one kind, its topic."""

    def kinds(self, features: Tensor, ids: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(TOPICS[ids], 3).float()

    def forward(self, user_BU: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full((len(user_BU),), 0.7), GAINS.expand(len(user_BU), -1, -1)


def chance(slot: int, item: int) -> float:
    return float(EXAMINATION[slot].sigmoid() * ATTRACTION[item].sigmoid())


def worth(clicked: list[int]) -> float:
    """Return the value of a set of clicked items."""
    topics = [int(TOPICS[item]) for item in clicked]
    return 0.7 + sum(float(GAINS[topic, : topics.count(topic)].sum()) for topic in set(topics))


def expected(slots: dict[int, int]) -> float:
    """Return the expected value of the clicks on the filled slots, over all outcomes."""
    total = 0.0
    for outcome in itertools.product([False, True], repeat=len(slots)):
        share = 1.0
        for (slot, item), click in zip(slots.items(), outcome, strict=True):
            share *= chance(slot, item) if click else 1 - chance(slot, item)
        total += share * worth([item for item, click in zip(slots.values(), outcome, strict=True) if click])
    return total


def planned_by_hand() -> tuple[list[int], float]:
    """Return the slate for items 0 to 5, filled greedily from the most examined slot, and its expected value."""
    filled: dict[int, int] = {}
    for slot in sorted(range(3), key=lambda place: -float(EXAMINATION[place])):
        left = [item for item in range(6) if item not in filled.values()]
        filled[slot] = max(left, key=lambda item: expected(filled | {slot: item}))
    return [filled[slot] for slot in range(3)], expected(filled)


@pytest.mark.parametrize("shared", [True, False])
def test_slots_are_filled_by_what_is_expected_to_add_most(shared: bool) -> None:
    network = ClickSets(KnownChoice(), cast(ClickValue, KnownGains()))
    ids_BM = torch.arange(6).expand(4, -1)
    features_BMF = torch.zeros(1, 6, 2).expand(4, -1, -1)
    if not shared:
        ids_BM, features_BMF = ids_BM.contiguous(), features_BMF.contiguous()
    slate_BK, value_B = network.plan(torch.zeros(4, 1), features_BMF, ids_BM)
    slate, value = planned_by_hand()
    assert slate_BK.tolist() == [slate] * 4
    assert value_B.tolist() == pytest.approx([value] * 4, abs=1e-6)
    # Not the three most attractive, which are of one topic: a second click on it costs more than the first brings.
    assert [int(TOPICS[item]) for item in slate].count(0) == 1


@pytest.mark.parametrize("attraction", [-60.0, -2.0, 0.0, 3.0, 60.0])
@pytest.mark.parametrize("examination", [-60.0, 0.5, 60.0])
def test_a_click_needs_both_the_look_and_the_liking(attraction: float, examination: float) -> None:
    logit = click_logits(*torch.tensor([attraction, examination], dtype=torch.float64))
    looked, liked = 1 / (1 + math.exp(-examination)), 1 / (1 + math.exp(-attraction))
    chance = looked * liked
    missed = (1 - looked) + looked * (1 - liked)
    assert math.isfinite(float(logit))
    if 1e-12 < chance < 1 - 1e-12:
        assert float(logit) == pytest.approx(math.log(chance / missed), rel=1e-9)


def make_agent(spec: Spec, **options: Any) -> SlateQClicks:
    settings = SlateQClicksSettings(**options)
    return SlateQClicks(spec, settings, device=torch.device("cpu"), seed=0, num_users=8, num_steps=300)


def observe(users: int, spec: Spec) -> Observation:
    return {
        "user": torch.ones(users, 5),
        "candidates": torch.eye(4, 3).expand(users, 4, 3),
        "popularity": torch.zeros(users, 4),
        "candidate_ids": torch.arange(4).expand(users, -1),
    }


def test_clicks_are_counted_by_kind_whatever_their_order() -> None:
    """Three possible clicks; the chances of one, two and three on a kind, over all outcomes."""
    chances_3P = torch.tensor([[0.2, 0.5], [0.9, 0.1], [0.3, 0.0]], dtype=torch.float64)
    for order in itertools.permutations(range(3)):
        reached_BPJ = torch.zeros(1, 2, 3, dtype=torch.float64)
        for click in order:
            reached_BPJ = count_click(reached_BPJ, chances_3P[None, click])
        for kind in range(2):
            p, q, r = chances_3P[:, kind].tolist()
            all_three, none = p * q * r, (1 - p) * (1 - q) * (1 - r)
            one = p * (1 - q) * (1 - r) + (1 - p) * q * (1 - r) + (1 - p) * (1 - q) * r
            assert reached_BPJ[0, kind].tolist() == pytest.approx([1 - none, 1 - none - one, all_three], abs=1e-12)


def test_candidates_that_all_rows_share_are_planned_for_as_ones_own_with_several_seeds() -> None:
    spec, seeds, users = make_spec(candidates=4, slate=2, optional=False), [3, 4, 5], 6
    settings = SlateQClicksSettings(hidden=16)
    agent = SlateQClicks(spec, settings, device=torch.device("cpu"), seed=seeds, num_users=2, num_steps=10)
    network: Any = agent.learner.network
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weights in network.parameters():
            weights.normal_(generator=generator)
    user_BU, features_1MF = torch.randn(users, 5, generator=generator), torch.randn(1, 4, 3, generator=generator)
    shared_BMF = features_1MF.expand(users, -1, -1)
    slate_BK, value_B = network.plan(user_BU, shared_BMF, None, seeds=3)
    own_BK, own_B = network.plan(user_BU, shared_BMF.contiguous(), None, seeds=3)
    assert torch.equal(slate_BK, own_BK)
    torch.testing.assert_close(value_B, own_B)


CLICK_GAINS = ((0.5, -0.3), (0.2, 0.4))
"""Of the first and second click, on each of two kinds."""


@pytest.mark.parametrize("clicks", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("first_kind", [1.0, 0.7])
def test_an_update_by_hand(clicks: tuple[float, float], left: bool, first_kind: float) -> None:
    spec = make_spec(candidates=4, slate=2)
    agent = make_agent(spec, rollout=1, epochs=1, reward_scale=0.5, discount=0.8, kinds=2)
    network: Any = agent.learner.network
    share = (first_kind, 1 - first_kind)
    with torch.no_grad():
        network.value.out.bias.copy_(torch.tensor([[0.25, *CLICK_GAINS[0], *CLICK_GAINS[1]]]))
        network.value.item_out.weight.zero_()
        network.value.item_out.bias.copy_(torch.tensor([share]).clamp(min=1e-9).log())
    seen = observe(1, spec)
    notes = agent.choose(seen)[1]
    reward = sum(clicks)
    response_1K2 = torch.tensor([[[click, click] for click in clicks]])
    learnt = agent.update(
        Transition(
            observation=seen,
            slate=torch.tensor([[2, 0]]),
            response=response_1K2,
            reward=torch.tensor([reward]),
            discount=torch.tensor([float(not left)]),
            last=torch.tensor([left]),
            next_observation=seen,
            notes=notes,
        )
    )

    def worth(both: float, one: float) -> float:
        """Return F where two clicks and exactly one click have these chances."""
        value = 0.25
        for kind, (first, second) in zip(share, CLICK_GAINS, strict=True):
            value += first * (both * (1 - (1 - kind) ** 2) + one * kind) + second * both * kind**2
        return value

    # Of every item and slot a click has the chance sigmoid(0) sigmoid(0) = 1/4.
    following = 0.0 if left else 0.8 * worth(1 / 16, 6 / 16)
    error = abs(worth(float(reward == 2), float(reward == 1)) - (0.5 * reward + following))
    assert error < 1
    assert float(learnt["train/loss"]) == pytest.approx(0.5 * error**2, abs=1e-5)
    nats = -sum(math.log(0.25 if click else 0.75) for click in clicks)
    assert float(learnt["train/choice_loss"]) == pytest.approx(nats, abs=1e-5)


def test_it_learns_that_two_of_a_kind_are_worth_one() -> None:
    """Items 0 and 1 are of one kind, 2 and 3 of another; both shown are clicked, and a kind pays once."""
    spec = make_spec(candidates=4, slate=2)
    quiet = EpsilonSchedule(start=1.0, end=0.1, fraction=0.5)
    agent = make_agent(spec, rollout=2, minibatch=16, discount=0.0, exploration=quiet, reward_scale=1.0)
    users, kinds = 8, torch.tensor([0, 0, 1, 1])
    seen = observe(users, spec) | {"candidates": torch.zeros(1, 4, 3).expand(users, -1, -1)}
    for _ in range(300):
        slate_BK = agent.act(seen, explore=True)
        shown_BK = kinds[slate_BK]
        reward_B = 1.0 + (shown_BK[:, 0] != shown_BK[:, 1]).float()
        agent.update(
            Transition(
                observation=seen,
                slate=slate_BK,
                response=torch.ones(users, 2, 2),
                reward=reward_B,
                discount=torch.ones(users),
                last=torch.zeros(users, dtype=torch.bool),
                next_observation=seen,
            )
        )
    shown_BK = kinds[agent.act(seen, explore=False)]
    assert (shown_BK[:, 0] != shown_BK[:, 1]).all()
    network: Any = agent.learner.averaged
    pairs = torch.tensor(list(itertools.combinations(range(4), 2)))
    with torch.no_grad():
        user_BU = agent.learner.reader.user(seen)[:1].expand(len(pairs), -1)
        _, value_B = network(user_BU, torch.zeros(len(pairs), 2, 4), pairs, torch.ones(len(pairs), 2))
    apart = (kinds[pairs[:, 0]] != kinds[pairs[:, 1]]).float()
    assert value_B.tolist() == pytest.approx((1.0 + apart).tolist(), abs=0.2)


@pytest.mark.parametrize(("name", "value"), [("epochs", 0), ("kinds", 0), ("choice_weight", 0.0)])
def test_settings_that_cannot_be_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        SlateQClicksSettings(**{name: value})
