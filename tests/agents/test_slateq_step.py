"""One update of SlateQ, computed by hand: what is moved, and towards which target."""

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
from sketches import make_spec

from agents.learning.exploration import EpsilonSchedule
from agents.slateq import GIVEN, LEARNT, SlateQ, SlateQGiven, SlateQSettings
from envs.interface import Observation, Transition

SPEC = make_spec(candidates=4, slate=2)
LOGITS = torch.linspace(-1.0, 1.0, 20)
VALUES = torch.sin(torch.arange(20.0))
NO_CLICK_LOGIT, NO_CLICK_VALUE = 0.3, 0.2
GAMMA, SCALE = 0.8, 0.5


def make_agent(discount: float = GAMMA, **options: Any) -> SlateQ:
    """Return an agent whose outputs depend on the item's id alone, and are known."""
    fixed: dict[str, Any] = {"rollout": 1, "hidden": 4, "reward_scale": SCALE, "minibatch": 8, "average": 0.0}
    settings = SlateQSettings(discount=discount, **fixed, **options)
    agent = SlateQ(SPEC, settings, device=torch.device("cpu"), seed=0, num_users=1, num_steps=100)
    network: Any = agent.learner.network
    assert network.id_bias is not None
    assert network.state_out is not None
    with torch.no_grad():
        network.id_bias.weight.copy_(torch.stack([LOGITS, VALUES], dim=1))
        network.state_out.bias.copy_(torch.tensor([NO_CLICK_LOGIT, NO_CLICK_VALUE]))
    return agent


def observe(*ids: int) -> Observation:
    return {
        "user": torch.ones(1, 5),
        "candidates": torch.zeros(1, 4, 3),
        "popularity": torch.zeros(1, 4),
        "candidate_ids": torch.tensor([ids]),
    }


def best_value(ids: tuple[int, ...]) -> float:
    """Return the value of the best of all slates."""
    values = []
    for slate in itertools.combinations(ids, 2):
        weights = [math.exp(float(LOGITS[item])) for item in slate]
        none = math.exp(NO_CLICK_LOGIT)
        gains = sum(weight * float(VALUES[item]) for weight, item in zip(weights, slate, strict=True))
        values.append((none * NO_CLICK_VALUE + gains) / (none + sum(weights)))
    return max(values)


def huber(error: float) -> float:
    return 0.5 * error**2 if abs(error) < 1 else abs(error) - 0.5


NOW, NEXT = (1, 5, 9, 13), (2, 6, 10, 17)


def step(clicked: int | None, *, discount: float = 1.0, last: bool = False, reward: float = 3.0) -> Transition:
    response = torch.zeros(1, 2, 2)
    if clicked is not None:
        response[0, clicked] = torch.tensor([1.0, reward])
    return Transition(
        observation=observe(*NOW),
        slate=torch.tensor([[2, 0]]),
        response=response,
        reward=torch.tensor([reward]),
        discount=torch.tensor([discount]),
        last=torch.tensor([last]),
        next_observation=observe(*NEXT),
    )


@pytest.mark.parametrize("clicked", [0, 1, None])
@pytest.mark.parametrize("fate", ["stays", "leaves", "truncated"])
@pytest.mark.parametrize("gamma", [GAMMA, 0.0])
def test_the_value_of_what_the_user_did_moves_to_reward_plus_the_best_next_slate(
    clicked: int | None, fate: str, gamma: float
) -> None:
    agent = make_agent(gamma)
    done = step(clicked, discount=float(fate != "leaves"), last=fate != "stays")
    learnt = agent.update(dataclasses.replace(done, notes=agent.choose(observe(*NOW))[1]))
    target = SCALE * 3.0 + (0.0 if fate == "leaves" else gamma * best_value(NEXT))
    did = NO_CLICK_VALUE if clicked is None else float(VALUES[[9, 1][clicked]])
    assert float(learnt["train/loss"]) == pytest.approx(huber(did - target), abs=1e-5)


@pytest.mark.parametrize("clicked", [0, 1, None])
def test_the_choice_model_is_a_logit_over_the_slate_and_no_click(clicked: int | None) -> None:
    learnt = make_agent().update(step(clicked))
    logits = [float(LOGITS[9]), float(LOGITS[1]), NO_CLICK_LOGIT]
    chosen = 2 if clicked is None else clicked
    expected = math.log(sum(math.exp(logit) for logit in logits)) - logits[chosen]
    assert float(learnt["train/choice_loss"]) == pytest.approx(expected, abs=1e-5)


def test_losses_are_told_as_means_over_minibatches() -> None:
    settings = SlateQSettings(rollout=2, minibatch=1, hidden=4, learning_rate=1e-9)
    agent = SlateQ(SPEC, settings, device=torch.device("cpu"), seed=0, num_users=1, num_steps=100)
    assert agent.update(step(0)) == {}
    assert float(agent.update(step(None))["train/choice_loss"]) == pytest.approx(math.log(3), abs=1e-5)


def test_the_slate_shown_is_the_best_of_all_slates() -> None:
    agent = make_agent()
    assert float(agent._value(observe(*NEXT))) == pytest.approx(best_value(NEXT), abs=1e-6)
    assert agent.act(observe(*NEXT), explore=False).shape == (1, 2)


@pytest.mark.parametrize("clicked", [0, None])
def test_only_the_value_of_what_the_user_did_moves(clicked: int | None) -> None:
    agent = make_agent()
    network: Any = agent.learner.network
    assert network.id_bias is not None
    assert network.state_out is not None
    agent.update(step(clicked))
    moved = (network.id_bias.weight[0, :, 1] != VALUES).nonzero().flatten().tolist()
    assert moved == ([] if clicked is None else [9])
    none_moved = bool((network.state_out.bias[0, 1] - NO_CLICK_VALUE).abs() > 1e-4)
    assert none_moved == (clicked is None)


def test_extreme_logits_leave_values_finite() -> None:
    agent = make_agent()
    network: Any = agent.learner.network
    assert network.id_bias is not None
    with torch.no_grad():
        network.id_bias.weight[0, :, 0] = torch.linspace(-80, 80, 20)
    assert agent._value(observe(*NEXT)).isfinite()
    assert len(set(agent.act(observe(*NEXT), explore=False)[0].tolist())) == 2


def test_answers_are_learnt_for_the_clicked_item_around_the_neutral_answer() -> None:
    spec = make_spec(candidates=4, slate=2, answers=1)
    settings = SlateQSettings(rollout=1, hidden=4)
    for clicked, expected in ((0, (5.0 - 3.0) ** 2), (None, 0.0)):
        agent = SlateQ(spec, settings, device=torch.device("cpu"), seed=0, num_users=1, num_steps=100)
        response = torch.zeros(1, 2, 3)
        if clicked is not None:
            response[0, clicked] = torch.tensor([1.0, 1.0, 5.0])
        plain = step(clicked)
        learnt = agent.update(
            Transition(
                observation=plain.observation,
                slate=plain.slate,
                response=response,
                reward=plain.reward,
                discount=plain.discount,
                last=plain.last,
                next_observation=plain.next_observation,
            )
        )
        assert float(learnt["train/answer_loss"]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("weight", "moves"), [(0.5, True), (0.0, False)])
def test_answers_are_learnt_as_far_as_their_weight_says(weight: float, moves: bool) -> None:
    spec = make_spec(candidates=4, slate=2, answers=1)
    settings = SlateQSettings(rollout=1, hidden=4, answer_weight=weight)
    agent = SlateQ(spec, settings, device=torch.device("cpu"), seed=0, num_users=1, num_steps=100)
    response = torch.tensor([[[1.0, 1.0, 5.0], [0.0, 0.0, 0.0]]])
    agent.update(dataclasses.replace(step(0), response=response))
    network: Any = agent.learner.network
    # Five stars are two above the neutral three; the other item of the slate has not answered.
    clicked, other = network.id_bias.weight.detach()[0, [NOW[2], NOW[0]], 2].tolist()
    assert (clicked > 1e-4) == moves
    assert other == 0.0


@pytest.mark.parametrize("clicked", [0, 1, None])
def test_an_update_raises_the_choice_logit_of_what_the_user_did_and_lowers_the_others(clicked: int | None) -> None:
    agent = make_agent()
    agent.update(step(clicked))
    network: Any = agent.learner.network
    assert network.id_bias is not None
    assert network.state_out is not None
    slate_ids = [NOW[2], NOW[0]]
    after = [network.id_bias.weight.detach()[0, item, 0] - LOGITS[item] for item in slate_ids]
    moved = [float(change) for change in (*after, network.state_out.bias.detach()[0, 0] - NO_CLICK_LOGIT)]
    chosen = 2 if clicked is None else clicked
    assert moved[chosen] > 0
    assert all(change < 0 for option, change in enumerate(moved) if option != chosen)


def test_without_a_value_of_no_click_the_slate_is_the_one_clicked_for_most_and_no_click_teaches_nothing() -> None:
    agent = make_agent(no_click_value=False)
    weights = [math.exp(float(LOGITS[item])) for item in NEXT]
    expected = max(
        sum(weights[i] * float(VALUES[NEXT[i]]) for i in pair)
        / (math.exp(NO_CLICK_LOGIT) + sum(weights[i] for i in pair))
        for pair in itertools.combinations(range(4), 2)
    )
    assert float(agent._value(observe(*NEXT))) == pytest.approx(expected, abs=1e-6)
    network: Any = agent.learner.network
    agent.update(step(None))
    assert torch.equal(network.id_bias.weight[0, :, 1], VALUES)
    assert float(network.state_out.bias[0, 1].detach()) == pytest.approx(NO_CLICK_VALUE)
    agent.update(step(0))
    assert not torch.equal(network.id_bias.weight[0, :, 1], VALUES)


def test_sarsa_values_the_slate_that_is_shown_next_and_q_the_best_one() -> None:
    always_random = EpsilonSchedule(start=1.0, end=1.0)
    values = {}
    for target in ("q", "sarsa"):
        agent = make_agent(target=target, exploration=always_random)
        slate_BK, notes = agent.choose(observe(*NEXT))
        values[target] = float(notes["value"])
    ids = [NEXT[position] for position in slate_BK[0].tolist()]
    none, weights = math.exp(NO_CLICK_LOGIT), [math.exp(float(LOGITS[item])) for item in ids]
    worth = none * NO_CLICK_VALUE + sum(w * float(VALUES[i]) for w, i in zip(weights, ids, strict=True))
    assert values["sarsa"] == pytest.approx(worth / (none + sum(weights)), abs=1e-6)
    assert values["q"] == pytest.approx(best_value(NEXT), abs=1e-6)
    assert values["sarsa"] < values["q"]


def test_a_given_choice_model_is_planned_with_and_not_learnt() -> None:
    agent = make_agent(choice="multinomial_proportional", slate="top_k")
    observation = observe(*NEXT) | {
        "user": torch.tensor([[0.5, -1.0, 0.0, 9.0, 9.0]]),
        "candidates": torch.tensor([[[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [-3.0, 0, 0]]]),
    }
    weights_BM, values_BM, no_click_weight_B, _ = agent._options(observation, agent.learner.network)
    # Scores 0.5, -1, 0 and -1.5 above the minimum of -1, and 1 for no click.
    assert weights_BM.tolist() == [[1.5, 0.0, 1.0, 0.0]]
    assert no_click_weight_B.tolist() == [2.0]
    torch.testing.assert_close(values_BM[0], VALUES[list(NEXT)])
    gains = [float(w * (v - NO_CLICK_VALUE)) for w, v in zip(weights_BM[0], values_BM[0], strict=True)]
    assert set(agent.act(observation, explore=False)[0].tolist()) == set(sorted(range(4), key=lambda i: -gains[i])[:2])
    agent.update(step(1))
    assert torch.equal(agent.learner.network.id_bias.weight[0, :, 0], LOGITS)


def matched_agent(**options: Any) -> SlateQ:
    """Return an agent whose curve is known: the logit is twice the match where that is positive, else 0."""
    settings = SlateQSettings(rollout=1, hidden=4, choice="learnt_by_match", **options)
    agent = SlateQ(SPEC, settings, device=torch.device("cpu"), seed=0, num_users=1, num_steps=100)
    network: Any = agent.learner.network
    with torch.no_grad():
        network.curve_hidden.weight.fill_(1.0)
        network.curve_out.weight.fill_(2.0 / network.curve_out.weight.shape[-1])
    return agent


MATCHED = {
    "user": torch.tensor([[0.5, -1.0, 0.0, 9.0, 9.0]]),
    "candidates": torch.tensor([[[1.0, 0, 0], [0, 1.0, 0], [3.0, 0.5, 7.0], [0, 0, 1.0]]]),
}


def test_a_choice_by_match_is_a_curve_of_interest_times_features_and_nothing_else() -> None:
    agent = matched_agent()
    weights_BM, _, no_click_weight_B, _ = agent._options(observe(*NEXT) | MATCHED, agent.learner.network)
    # Matches 0.5, -1, 1 and 0; popularity, ids and the rest of the user change nothing. Up to one factor for all.
    logits = (weights_BM / no_click_weight_B.unsqueeze(1)).log()
    torch.testing.assert_close(logits, torch.tensor([[1.0, 0.0, 2.0, 0.0]]), rtol=1e-5, atol=1e-5)
    learnt = agent.update(dataclasses.replace(step(1), observation=observe(*NOW) | MATCHED))
    # The slate holds candidates 2 and 0; the second is clicked.
    assert float(learnt["train/choice_loss"]) == pytest.approx(math.log(math.e**2 + math.e + 1) - 1, abs=1e-5)


def test_a_choice_by_match_shares_nothing_with_the_values() -> None:
    moved = []
    for weight in (0.001, 0.1):
        agent = matched_agent(choice_weight=weight, max_gradient_norm=1e6)
        agent.update(dataclasses.replace(step(0), observation=observe(*NOW) | MATCHED))
        network: Any = agent.learner.network
        moved.append([weights.detach().clone() for weights in network.network.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*moved, strict=True))


def test_a_choice_by_match_is_learnt_where_users_choose_in_proportion() -> None:
    users, generator = 512, torch.Generator().manual_seed(0)
    settings = SlateQSettings(rollout=1, hidden=4, choice="learnt_by_match", discount=0.0, learning_rate=0.02)
    parts: Any = {"device": torch.device("cpu"), "seed": 0, "num_users": users, "num_steps": 150}
    agent = SlateQ(make_spec(candidates=4, slate=2), settings, **parts)
    slate_BK, nothing_B = torch.tensor([[0, 1]]).expand(users, 2), torch.zeros(users)

    def chances(weights_BM: torch.Tensor, no_click_B: torch.Tensor) -> torch.Tensor:
        weights_BC = torch.cat([weights_BM[:, :2], no_click_B.unsqueeze(1)], dim=1)
        return weights_BC / weights_BC.sum(dim=1, keepdim=True)

    for left in reversed(range(150)):
        observation = {name: value.expand(users, *value.shape[1:]) for name, value in observe(*NOW).items()}
        observation["user"] = 2 * torch.rand((users, 5), generator=generator) - 1
        observation["candidates"] = torch.eye(3)[torch.randint(3, (users, 4), generator=generator)]
        scores_BM = torch.einsum("bd,bmd->bm", observation["user"][:, :3], observation["candidates"])
        true_BC = chances(scores_BM + 1, nothing_B + 2)
        if left:
            click_BK = (torch.multinomial(true_BC, 1, generator=generator) == torch.arange(2)).float()
            answer: Any = {"response": torch.stack([click_BK, click_BK], dim=2), "reward": nothing_B}
            answer |= {"discount": nothing_B, "last": nothing_B == 0, "next_observation": observation}
            agent.update(Transition(observation=observation, slate=slate_BK, **answer))
    weights_BM, _, no_click_B, _ = agent._options(observation, agent.learner.network)
    gap_B = torch.special.xlogy(true_BC, true_BC / chances(weights_BM, no_click_B)).sum(dim=1)
    assert float(gap_B.mean()) < 0.01, "nats a slate; 0.077 with the same chances for all"


def test_slateq_given_is_told_how_users_choose_and_learns_it_in_no_case() -> None:
    for choice in (*LEARNT, *GIVEN):
        settings = SlateQSettings(rollout=1, hidden=4, choice=choice)
        parts: Any = {"device": torch.device("cpu"), "seed": 0, "num_users": 1, "num_steps": 100}
        if choice in GIVEN:
            SlateQGiven(SPEC, settings, **parts)
        else:
            with pytest.raises(ValueError, match=f"choice is {choice}, but here the environment's own is given"):
                SlateQGiven(SPEC, settings, **parts)


@pytest.mark.parametrize(
    "wrong",
    [
        {"slate": "best"},
        {"target": "expected"},
        {"choice": "cascade"},
        {"no_click_score": -1.0, "choice": "multinomial_proportional"},
        {"network": "three_tower"},
        {"choice_weight": 0.0},
        {"choice_weight": 0.0, "choice": "learnt_by_match"},
    ],
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SlateQSettings(**wrong)
