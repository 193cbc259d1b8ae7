"""What the policy agents learn from, by hand: advantages, the clipped objective, the top-K correction, credit."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from sketches import Loop, build, make_observation, make_spec, make_transition
from torch import Tensor

from agents.actor_critic import ActorCritic, ActorCriticSettings, clipped_objective
from agents.learning.plackett_luce import log_shown_chance, slot_log_probabilities
from agents.learning.policy_gradient import PolicyAgent
from agents.reinforce import Reinforce, ReinforceSettings, credit
from envs.interface import Observation, Tensors, Transition
from envs.slates import top_k

SPEC = make_spec(candidates=4, slate=2, optional=False)
NAMES = ("reinforce", "actor_critic")
GAMMA, TRACE, SCALE = 0.9, 0.8, 0.5

each_agent = pytest.mark.parametrize("name", NAMES)


def observe(value: float) -> Observation:
    """Return one user, whose first number the tests below take for the value of the state."""
    return {"user": torch.full((1, 5), value), "candidates": torch.eye(4)[None, :, :3]}


def step(value: float, following: float, reward: float, discount: float, last: bool) -> Transition:
    return Transition(
        observation=observe(value),
        slate=torch.tensor([[2, 0]]),
        response=torch.zeros(1, 2, 2),
        reward=torch.tensor([reward]),
        discount=torch.tensor([discount]),
        last=torch.tensor([last]),
        next_observation=observe(following),
    )


STEPS = (
    step(1.0, 2.0, reward=4.0, discount=1.0, last=False),
    step(2.0, 7.0, reward=0.0, discount=1.0, last=True),  # truncated: 7 is the value of the final observation
    step(3.0, 5.0, reward=2.0, discount=1.0, last=False),
    step(5.0, 9.0, reward=6.0, discount=0.0, last=True),  # left: 9 must not count
    step(4.0, 8.0, reward=1.0, discount=1.0, last=False),  # the rollout ends: 8 stands for what follows
)


def learnt_rows(agent: PolicyAgent, monkeypatch: pytest.MonkeyPatch, steps: tuple[Transition, ...]) -> Tensors:
    """Return the rows that an agent learns from, when the first number of a user is the value of the state."""
    seen: list[Tensors] = []
    whole = agent.learner.minibatches

    def minibatches(rows: Tensors) -> Iterator[Tensors]:
        seen.append(rows)
        return whole(rows)

    score = agent._score
    monkeypatch.setattr(agent, "_score", lambda network, user, offer: (score(network, user, offer)[0], user[:, 0]))
    monkeypatch.setattr(agent.learner, "minibatches", minibatches)
    for transition in steps:
        agent.update(dataclasses.replace(transition, notes=agent.choose(transition.observation)[1]))
    return seen[0]


def make(name: str, **settings: Any) -> Any:
    fixed = {"gamma": GAMMA, "trace": TRACE, "reward_scale": SCALE, "rollout": 5, "epochs": 1, "minibatch": 5}
    return build(name, SPEC, num_users=1, **(fixed | settings))


@each_agent
def test_advantages_are_generalised_advantage_estimates(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = learnt_rows(make(name), monkeypatch, STEPS)
    # Temporal differences with rewards scaled by 1/2, and their discounted sums within a session.
    delta = [
        2.0 + 0.9 * 2.0 - 1.0,
        0.0 + 0.9 * 7.0 - 2.0,
        1.0 + 0.9 * 5.0 - 3.0,
        3.0 - 5.0,
        0.5 + 0.9 * 8.0 - 4.0,
    ]
    by_hand = [delta[0] + 0.72 * delta[1], delta[1], delta[2] + 0.72 * delta[3], delta[3], delta[4]]
    torch.testing.assert_close(rows["target"] - rows["value"], torch.tensor(by_hand))
    mean = sum(by_hand) / 5
    deviation = math.sqrt(sum((each - mean) ** 2 for each in by_hand) / 5)
    normal = [(each - mean) / deviation for each in by_hand]
    torch.testing.assert_close(rows["advantage"], torch.tensor(normal), rtol=1e-5, atol=1e-5)


@each_agent
def test_with_gamma_zero_only_the_reward_of_the_step_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = learnt_rows(make(name, gamma=0.0), monkeypatch, STEPS)
    torch.testing.assert_close(rows["target"], SCALE * torch.tensor([4.0, 0.0, 2.0, 6.0, 1.0]))


@each_agent
def test_advantages_that_are_all_alike_count_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    same = tuple(step(1.0, 1.0, reward=1.0, discount=0.0, last=True) for _ in range(5))
    assert learnt_rows(make(name), monkeypatch, same)["advantage"].tolist() == [0.0] * 5


def trained(name: str, **settings: Any) -> Any:
    """Return an agent whose logits are no longer all zero."""
    spec = make_spec()
    return Loop(spec).steps(build(name, spec, **settings), 12)


def logits_of(agent: PolicyAgent, observation: Observation) -> Tensor:
    return agent._read(observation, agent.learner.network)[0]


@each_agent
def test_without_exploration_the_highest_logits_are_shown_in_order(name: str) -> None:
    agent = trained(name)
    observation = make_observation(agent.spec, 20, torch.Generator().manual_seed(1))
    logits_BM = logits_of(agent, observation)
    assert float(logits_BM.std(dim=1).min()) > 0
    assert torch.equal(agent.act(observation, explore=False), top_k(logits_BM, 2))


def test_exploring_slates_are_drawn_from_the_policy() -> None:
    agent = trained("actor_critic", learning_rate=0.05)
    one = make_observation(agent.spec, 1, torch.Generator().manual_seed(1))
    observation = {key: value.expand(20_000, *value.shape[1:]).clone() for key, value in one.items()}
    slates_BK = agent.act(observation, explore=True)
    logits_BM = logits_of(agent, observation)
    for slate in ([0, 1], [3, 2], [5, 4]):
        chance = float(slot_log_probabilities(logits_BM[:1], torch.tensor([slate])).sum().exp())
        share = float((slates_BK == torch.tensor(slate)).all(dim=1).float().mean())
        assert share == pytest.approx(chance, abs=4.5 * math.sqrt(chance / 20_000))


@each_agent
def test_a_slate_that_it_did_not_choose_is_taken_as_its_own(name: str) -> None:
    agent, generator = trained(name, rollout=3), torch.Generator().manual_seed(1)
    observation = make_observation(agent.spec, 16, generator)
    slate_BK = torch.tensor([[5, 1]]).expand(16, -1)
    transition, _ = make_transition(agent.spec, observation, slate_BK, generator)
    logits_BM = logits_of(agent, observation)
    agent.update(transition)
    kept = agent.collector.state_dict()
    assert torch.equal(kept["slate"][-1], slate_BK)
    torch.testing.assert_close(kept["log_probs"][-1], agent.log_probabilities(logits_BM, slate_BK))


@each_agent
def test_a_slate_with_an_empty_slot_does_no_harm(name: str) -> None:
    agent, generator = build(name, make_spec(), rollout=1), torch.Generator().manual_seed(1)
    observation = make_observation(agent.spec, 16, generator)
    transition, _ = make_transition(agent.spec, observation, torch.ones(16, 2, dtype=torch.int64), generator)
    agent.update(transition)
    assert all(value.isfinite().all() for value in agent.state_dict().values())


@each_agent
def test_a_rollout_is_passed_over_as_often_as_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    agent: Any = build(name, make_spec(), rollout=2, minibatch=10, epochs=3)
    losses: list[Tensor] = []
    monkeypatch.setattr(agent.learner, "descend", losses.append)
    Loop(agent.spec).steps(agent, 2)
    # 2 steps of 16 users: minibatches of 10, 10, 10 and 2.
    assert len(losses) == 3 * 4


def test_the_clipped_objective_by_hand() -> None:
    ratio = torch.tensor([1.5, 1.5, 0.5, 0.5, 1.1, 0.9], requires_grad=True)
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0, 2.0, -2.0])
    objective = clipped_objective(ratio, advantage, clip=0.2)
    torch.testing.assert_close(objective, torch.tensor([1.2, -1.5, 0.5, -0.8, 2.2, -1.8]))
    (slope,) = torch.autograd.grad(objective.sum(), ratio)
    # Nothing is gained by moving on where the ratio has moved far enough; where it went the wrong way, there is.
    torch.testing.assert_close(slope, torch.tensor([0.0, -1.0, 1.0, 0.0, 2.0, -2.0]))


def actor_critic(**settings: Any) -> ActorCritic:
    return ActorCritic(
        SPEC, ActorCriticSettings(**settings), device=torch.device("cpu"), seed=0, num_users=1, num_steps=9
    )


def test_the_actor_critics_ratio_is_that_of_the_whole_ordered_slate() -> None:
    agent = actor_critic(clip=0.3)
    old_BK = torch.tensor([[0.4, 0.5], [0.4, 0.5]]).log()
    now_BK = torch.tensor([[0.5, 0.44], [0.7, 0.5]]).log()
    loss_B, clipped_B = agent.policy_loss({"log_probs": old_BK, "advantage": torch.tensor([2.0, 2.0])}, now_BK)
    # 0.22 / 0.2 = 1.1 stays; 0.35 / 0.2 = 1.75 is cut to 1.3.
    torch.testing.assert_close(loss_B, torch.tensor([-2.2, -2.6]))
    assert clipped_B.tolist() == [False, True]


def test_the_actor_critic_measures_slots_given_the_slots_before() -> None:
    logits_1M = torch.tensor([[1.0, 2.0, 3.0, 4.0]]).log()
    log_probs = actor_critic().log_probabilities(logits_1M, torch.tensor([[3, 0]]))
    torch.testing.assert_close(log_probs.exp(), torch.tensor([[4 / 10, 1 / 6]]))


def reinforce(**settings: Any) -> Reinforce:
    return Reinforce(SPEC, ReinforceSettings(**settings), device=torch.device("cpu"), seed=0, num_users=1, num_steps=9)


def played(clicks: list[float], advantage: float, old: list[float]) -> Tensors:
    response_BK2 = torch.tensor([clicks]).unsqueeze(2).repeat(1, 1, 2)
    return {"response": response_BK2, "advantage": torch.tensor([advantage]), "log_probs": torch.tensor([old]).log()}


def test_credit_goes_to_what_was_clicked_or_in_parts_to_all_that_was_shown() -> None:
    clicks_BK = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]])
    expected = torch.tensor([[0.0, 1.0, 0.0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.0, 0.5]])
    torch.testing.assert_close(credit(clicks_BK), expected)


def test_the_weight_of_a_clicked_item_by_hand() -> None:
    now_BK = torch.tensor([[0.5, 0.2]]).log().requires_grad_()
    loss_B, capped_B = reinforce(weight_cap=0.9).policy_loss(played([0.0, 1.0], 3.0, old=[0.5, 0.1]), now_BK)
    # beta = 1 - 0.9^2 = 0.19, so that 0.2 / 0.19 is cut to 0.9; lambda = 2 (1 - 0.2).
    assert float(loss_B.detach()) == pytest.approx(-3.0 * 0.9 * 1.6 * math.log(0.2), rel=1e-5)
    (slope_BK,) = torch.autograd.grad(loss_B.sum(), now_BK)
    torch.testing.assert_close(slope_BK, torch.tensor([[0.0, -3.0 * 0.9 * 1.6]]))
    assert capped_B.tolist() == [True]


def test_the_weight_without_the_correction_is_the_ratio_of_chances() -> None:
    now_BK = torch.tensor([[0.5, 0.15]]).log()
    agent = reinforce(top_k_correction=False)
    loss_B, capped_B = agent.policy_loss(played([0.0, 1.0], 3.0, old=[0.5, 0.1]), now_BK)
    assert float(loss_B) == pytest.approx(-3.0 * 1.5 * math.log(0.15), rel=1e-5)
    assert capped_B.tolist() == [False]


def test_without_a_click_all_shown_share_the_blame() -> None:
    now_BK = torch.tensor([[0.5, 0.2]]).log()
    loss_B, _ = reinforce().policy_loss(played([0.0, 0.0], -1.0, old=[0.5, 0.2]), now_BK)
    first, second = (0.5 / 0.75) * 2 * 0.5 * math.log(0.5), (0.2 / 0.36) * 2 * 0.8 * math.log(0.2)
    assert float(loss_B) == pytest.approx(0.5 * (first + second), rel=1e-5)


def test_a_weight_that_is_cut_counts_only_where_there_is_credit() -> None:
    now_BK = torch.tensor([[0.9, 0.05]]).log()
    _, capped_B = reinforce(weight_cap=0.6).policy_loss(played([0.0, 1.0], 1.0, old=[0.1, 0.05]), now_BK)
    assert capped_B.tolist() == [False]


def test_on_its_own_slates_the_step_is_that_of_the_log_chance_to_be_shown() -> None:
    log_pi_BK = torch.tensor([[0.3, 0.6]]).log().requires_grad_()
    loss_B, _ = reinforce().policy_loss(played([1.0, 1.0], 4.0, old=[0.3, 0.6]), log_pi_BK)
    (ours,) = torch.autograd.grad(loss_B.sum(), log_pi_BK)
    (exact,) = torch.autograd.grad(-2.0 * log_shown_chance(log_pi_BK, 2).sum(), log_pi_BK)
    torch.testing.assert_close(ours, exact)


def test_for_slates_of_one_item_the_correction_is_none() -> None:
    spec = make_spec(candidates=4, slate=1, optional=False)
    agents = [
        Reinforce(
            spec,
            ReinforceSettings(top_k_correction=corrected),
            device=torch.device("cpu"),
            seed=0,
            num_users=1,
            num_steps=9,
        )
        for corrected in (True, False)
    ]
    batch = played([1.0], 1.5, old=[0.3])
    losses = [float(agent.policy_loss(batch, torch.tensor([[0.4]]).log())[0]) for agent in agents]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@each_agent
def test_entropy_is_rewarded(name: str) -> None:
    """With nothing to gain, an agent that is paid for entropy flattens its policy, and one that is not leaves it."""
    flat, plain = (trained(name, learning_rate=0.05, entropy=weight, num_steps=10_000) for weight in (5.0, 0.0))
    observation = make_observation(flat.spec, 200, torch.Generator().manual_seed(1))
    spread = [float(logits_of(agent, observation).std(dim=1).mean()) for agent in (flat, plain)]
    assert spread[0] < 0.5 * spread[1]


@each_agent
def test_slates_without_exploration_are_made_with_the_mean_of_the_weights(name: str) -> None:
    agent = trained(name, learning_rate=0.05, average=0.9)
    observation = make_observation(agent.spec, 50, torch.Generator().manual_seed(1))
    mean_BM, latest_BM = (agent._read(observation, net)[0] for net in (agent.learner.averaged, agent.learner.network))
    assert not torch.allclose(mean_BM, latest_BM)
    assert torch.equal(agent.act(observation, explore=False), top_k(mean_BM, 2))
    theirs = build(name, agent.spec, seed=3, average=0.9)
    theirs.load_state_dict({key: value.clone() for key, value in agent.state_dict().items()})
    assert torch.equal(theirs.act(observation, explore=False), top_k(mean_BM, 2))


@each_agent
def test_the_history_of_a_session_is_read_where_it_is_asked_for(name: str) -> None:
    spec = make_spec()
    spec = dataclasses.replace(spec, shapes={**spec.shapes, "history": (4, 7)})
    agent: Any = build(name, spec, history="gru", history_length=3, rollout=1)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        observation = make_observation(spec, 16, generator) | {"history": torch.randn(16, 4, 7, generator=generator)}
        slate_BK, notes = agent.choose(observation)
        transition, _ = make_transition(make_spec(), observation, slate_BK, generator, notes)
        following = transition.next_observation | {"history": torch.zeros(16, 4, 7)}
        agent.update(dataclasses.replace(transition, observation=observation, next_observation=following))
    values = [
        agent._value(observation | {"history": history}) for history in (torch.zeros(16, 4, 7), torch.ones(16, 4, 7))
    ]
    assert not torch.allclose(*values)
