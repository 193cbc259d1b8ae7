"""One update of DQN, computed by hand: the slate's value, and which network values the next slate."""

import dataclasses
from typing import Any

import pytest
import torch
from sketches import make_spec
from torch import Tensor

from agents.dqn import DQN, DQNSettings
from envs.interface import Observation, Transition

SPEC = make_spec(candidates=4, slate=2)
ONLINE, TARGET = torch.sin(torch.arange(20.0)), torch.cos(torch.arange(20.0))
GAMMA, SCALE = 0.8, 0.5
NOW, NEXT = (1, 5, 9, 13), (2, 6, 8, 19)


def make_agent(**settings: Any) -> DQN:
    """Return an agent whose two networks give each id a known value."""
    fixed = {"discount": GAMMA, "rollout": 1, "hidden": 4, "reward_scale": SCALE, "minibatch": 8}
    agent = DQN(SPEC, DQNSettings(**(fixed | settings)), device=torch.device("cpu"), seed=0, num_users=1, num_steps=100)
    networks: tuple[tuple[Any, Tensor], ...] = ((agent.learner.network, ONLINE), (agent.target, TARGET))
    for network, values in networks:
        assert network.id_bias is not None
        with torch.no_grad():
            network.id_bias.weight.copy_(values.unsqueeze(1))
    return agent


def observe(*ids: int) -> Observation:
    return {
        "user": torch.ones(1, 5),
        "candidates": torch.zeros(1, 4, 3),
        "popularity": torch.zeros(1, 4),
        "candidate_ids": torch.tensor([ids]),
    }


def step(discount: float = 1.0, last: bool = False) -> Transition:
    return Transition(
        observation=observe(*NOW),
        slate=torch.tensor([[2, 0]]),
        response=torch.zeros(1, 2, 2),
        reward=torch.tensor([3.0]),
        discount=torch.tensor([discount]),
        last=torch.tensor([last]),
        next_observation=observe(*NEXT),
    )


def next_value(double: bool) -> float:
    chooser = ONLINE if double else TARGET
    best = sorted(NEXT, key=lambda item: -float(chooser[item]))[:2]
    return float(TARGET[best].mean())


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("replay", [0, 10])
@pytest.mark.parametrize("fate", ["stays", "leaves", "truncated"])
def test_the_slates_value_moves_to_reward_plus_the_target_networks_next_value(
    double: bool, replay: int, fate: str
) -> None:
    agent = make_agent(double=double, replay=replay)
    done = step(discount=float(fate != "leaves"), last=fate != "stays")
    learnt = agent.update(dataclasses.replace(done, notes=agent.choose(observe(*NOW))[1]))
    target = SCALE * 3.0 + (0.0 if fate == "leaves" else GAMMA * next_value(double))
    error = abs(float(ONLINE[[9, 1]].mean()) - target)
    expected = 0.5 * error**2 if error < 1 else error - 0.5
    assert float(learnt["train/loss"]) == pytest.approx(expected, abs=1e-5)


def test_the_two_ways_to_bootstrap_differ_here() -> None:
    assert next_value(True) != pytest.approx(next_value(False), abs=0.1)


@pytest.mark.parametrize("replay", [0, 10])
def test_the_target_network_follows_by_its_share(replay: int) -> None:
    agent = make_agent(polyak=0.25, replay=replay)
    agent.update(step())
    online: Any = agent.learner.network.id_bias
    slow: Any = agent.target.id_bias
    torch.testing.assert_close(slow.weight[0, :, 0], TARGET + 0.25 * (online.weight[0, :, 0].detach() - TARGET))


def test_the_target_network_starts_as_the_online_network_and_gets_no_gradient() -> None:
    agent = DQN(SPEC, DQNSettings(hidden=4), device=torch.device("cpu"), seed=0, num_users=1, num_steps=9)
    online = agent.learner.network.state_dict()
    assert all(torch.equal(value, online[name]) for name, value in agent.target.state_dict().items())
    assert not any(weight.requires_grad for weight in agent.target.parameters())


def test_a_slate_holds_the_highest_online_values() -> None:
    slate_BK = make_agent().act(observe(*NEXT), explore=False)
    best = sorted(range(4), key=lambda place: -float(ONLINE[NEXT[place]]))[:2]
    assert slate_BK.tolist() == [best]
