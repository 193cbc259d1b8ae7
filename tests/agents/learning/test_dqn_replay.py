"""Learning from replay, by hand: n-step targets, importance weights, when it starts; and the known errors of others."""

from typing import Any

import pytest
import torch
from sketches import Loop, build, make_spec
from test_dqn_step import GAMMA, NEXT, NOW, ONLINE, SCALE, SPEC, TARGET, make_agent, next_value, observe, step

from agents.dqn import DQN
from agents.learning.prioritised import PrioritisedReplay
from envs.interface import Transition

SHOWN = float(ONLINE[[9, 1]].mean())
"""The value of the slate that `step` shows."""


def huber(error: float) -> float:
    return 0.5 * error**2 if abs(error) < 1 else abs(error) - 0.5


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("fate", ["stays", "leaves", "truncated"])
def test_three_steps_of_reward_come_before_the_bootstrap(double: bool, fate: str) -> None:
    """The session ends, if it does, at the second of three steps."""
    agent = make_agent(replay=10, steps=3, double=double)
    assert agent.update(step()) == {}
    assert agent.update(step(discount=float(fate != "leaves"), last=fate != "stays")) == {}
    learnt = agent.update(step())
    reward = SCALE * 3.0
    target = {
        "stays": reward * (1 + GAMMA + GAMMA**2) + GAMMA**3 * next_value(double),
        "leaves": reward * (1 + GAMMA),
        "truncated": reward * (1 + GAMMA) + GAMMA**2 * next_value(double),
    }[fate]
    assert float(learnt["train/loss"]) == pytest.approx(huber(SHOWN - target), abs=1e-4)


def with_error(agent: DQN, reward: float) -> float:
    """Return the error of a step of this reward after which the user leaves."""
    return SHOWN - reward * SCALE


def ended(reward: float) -> Transition:
    one = step(discount=0.0, last=True)
    return Transition(**{**vars(one), "reward": torch.tensor([reward])})


def test_importance_weights_stay_under_the_huber_loss() -> None:
    """Known error of tianshou: with the Huber loss, its DQN leaves the importance weights out."""
    agent = make_agent(replay=4, priority=1.0, importance=0.5, minibatch=64, learning_rate=1e-9, polyak=1e-9)
    errors = {0: with_error(agent, 0.4), 1: with_error(agent, 6.0)}
    assert abs(errors[0]) < 1 < abs(errors[1])
    assert isinstance(agent.replay, PrioritisedReplay)
    for reward in (0.4, 6.0):
        agent.update(ended(reward))
    agent.learner.steps = 50
    beta = 0.5 + 0.5 * 50 / 100
    mass = torch.tensor([abs(errors[0]), abs(errors[1])])
    agent.replay.rank(torch.tensor([0, 1]), mass)
    chances = mass / mass.sum()
    weights = (2 * chances) ** -beta
    weights = weights / weights.max()
    before = agent.learner.streams.state()
    counts = agent.replay.draw(64, beta)["place"].bincount(minlength=2)
    agent.learner.streams.restore(before)
    batch = agent._sample(agent.replay)
    told = agent._descend(batch)
    expected = sum(int(counts[row]) * float(weights[row]) * huber(errors[row]) for row in (0, 1)) / 64
    unweighted = sum(int(counts[row]) * huber(errors[row]) for row in (0, 1)) / 64
    assert float(told["train/loss"]) == pytest.approx(expected, rel=1e-4)
    assert abs(unweighted - expected) > 0.2 * expected
    torch.testing.assert_close(agent.replay.state_dict()["mass"][0], mass, atol=1e-4, rtol=1e-4)


def test_a_row_is_ranked_by_its_error_before_clipping() -> None:
    agent = make_agent(replay=4, priority=0.5, learning_rate=1e-9)
    agent.update(ended(20.0))
    error = abs(with_error(agent, 20.0))
    assert error > 5
    assert float(agent.state_dict()["replay.mass"]) == pytest.approx(error**0.5, rel=1e-4)


def test_importance_rises_to_one_on_a_straight_line() -> None:
    agent = make_agent(replay=4, priority=1.0, importance=0.2)
    seen: list[float] = []
    replay: Any = agent.replay
    draw = replay.draw
    replay.draw = lambda number, beta: (seen.append(beta), draw(number, beta))[1]
    for _ in range(101):
        agent.update(ended(1.0))
    assert seen[0] == pytest.approx(0.2 + 0.8 * 0.01)
    assert seen[49] == pytest.approx(0.2 + 0.8 * 0.5)
    assert seen[99] == seen[100] == 1.0


@pytest.mark.parametrize("updates", [1, 3])
def test_every_step_brings_so_many_gradient_steps(updates: int) -> None:
    agent = make_agent(replay=10, updates=updates)
    for _ in range(4):
        agent.update(step())
    assert float(agent.state_dict()["optimizer.0.step"]) == 4 * updates


def test_learning_starts_once_enough_is_held() -> None:
    agent = make_agent(replay=10, learning_starts=3)
    assert [bool(agent.update(step())) for _ in range(5)] == [False, False, True, True, True]


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("replay", [0, 10])
def test_the_bootstrap_looks_at_no_item_that_is_not_on_offer_next(double: bool, replay: int) -> None:
    """Known error of tianshou: with ``is_double=False`` the maximum runs over masked actions too."""
    absent = [item for item in range(20) if item not in NEXT]
    agent = make_agent(double=double, replay=replay, rollout=1)
    with torch.no_grad():
        for network in (agent.learner.network, agent.target):
            bias: Any = network.id_bias
            bias.weight[0, [item for item in absent if item not in NOW]] = 100.0
    learnt = agent.update(step())
    error = SHOWN - (SCALE * 3.0 + GAMMA * next_value(double))
    assert float(learnt["train/loss"]) == pytest.approx(huber(error), abs=1e-5)


def test_exploration_anneals_while_it_learns() -> None:
    """Known error of LeanRL: its epsilon is worked out once and stays."""
    spec = make_spec(candidates=20, slate=1)
    agent = build("dqn", spec, num_users=500, num_steps=40)
    loop = Loop(spec, batch=500)
    shares = []
    for _ in range(40):
        greedy_BK = agent.act(loop.observation, explore=False)
        shares.append(float((agent.act(loop.observation, explore=True) != greedy_BK).float().mean()))
        loop.step(agent)
    # epsilon is 1, then 0.02 after a tenth of the steps; one random slate in 20 is the greedy one.
    assert shares[0] > 0.9
    assert shares[2] == pytest.approx(0.51 * 0.95, abs=0.08)
    assert max(shares[5:]) < 0.06
    assert sum(shares[5:]) / 35 == pytest.approx(0.02 * 0.95, abs=0.005)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"steps": 3}, "steps is 3; it does something only with a replay above 0"),
        ({"updates": 2}, "updates is 2; it does something only with a replay above 0"),
        ({"priority": 0.6}, "priority is 0.6; it does something only with a replay above 0"),
        ({"learning_starts": 5}, "learning_starts is 5; it does something only with a replay above 0"),
        ({"replay": 10, "learning_starts": 11}, "learning_starts is 11; it is at most replay, 10"),
        ({"replay": 10, "importance": 1.5}, "importance is 1.5; it lies in"),
    ],
)
def test_settings_that_would_do_nothing_or_harm_are_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_agent(**setting)


def test_rows_that_are_not_full_are_on_their_way_in_a_saved_state() -> None:
    agent = make_agent(replay=10, steps=3)
    for _ in range(2):
        agent.update(step())
    saved = agent.state_dict()
    assert int(saved["rollout.held"]) == 2
    assert int(saved["replay.added"]) == 0
    other = make_agent(replay=10, steps=2)
    with pytest.raises(ValueError, match="holds 2 steps back, this agent 1"):
        other.load_state_dict(saved)


def test_the_online_and_the_target_network_were_told_apart_here() -> None:
    assert SPEC.num_candidates == len(NOW) == len(NEXT)
    assert not torch.equal(ONLINE, TARGET)
    assert observe(*NOW)["candidate_ids"].tolist() == [list(NOW)]
