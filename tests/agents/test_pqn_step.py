"""One update of PQN, computed by hand: its own bootstraps, squared errors, every rollout several times, RAdam."""

import dataclasses
from typing import Any

import pytest
import torch
from sketches import Loop, build
from test_dqn_step import GAMMA, NEXT, NOW, ONLINE, SCALE, SPEC, observe, step

from agents.pqn import PQN, PQNSettings

SHOWN = float(ONLINE[[9, 1]].mean())
BEST_NEXT = float(torch.tensor(sorted(ONLINE[list(NEXT)].tolist())[-2:]).mean())


def make_agent(**settings: Any) -> PQN:
    """Return an agent whose network gives each id a known value."""
    fixed = {"discount": GAMMA, "rollout": 1, "hidden": 4, "reward_scale": SCALE, "minibatch": 8, "epochs": 1}
    agent = PQN(SPEC, PQNSettings(**(fixed | settings)), device=torch.device("cpu"), seed=0, num_users=1, num_steps=100)
    network: Any = agent.learner.network
    with torch.no_grad():
        network.id_bias.weight.copy_(ONLINE.unsqueeze(1))
    return agent


@pytest.mark.parametrize("fate", ["stays", "leaves", "truncated"])
def test_the_slates_value_moves_to_reward_plus_the_online_networks_next_value(fate: str) -> None:
    agent = make_agent()
    done = step(discount=float(fate != "leaves"), last=fate != "stays")
    learnt = agent.update(dataclasses.replace(done, notes=agent.choose(observe(*NOW))[1]))
    target = SCALE * 3.0 + (0.0 if fate == "leaves" else GAMMA * BEST_NEXT)
    assert float(learnt["train/loss"]) == pytest.approx(0.5 * (SHOWN - target) ** 2, abs=1e-5)
    assert float(learnt["train/value"]) == pytest.approx(SHOWN / SCALE, abs=1e-5)


def test_returns_reach_over_the_rollout() -> None:
    agent = make_agent(rollout=2, trace=0.5, learning_rate=1e-9)
    assert agent.update(dataclasses.replace(step(), notes=agent.choose(observe(*NOW))[1])) == {}
    learnt = agent.update(dataclasses.replace(step(), notes=agent.choose(observe(*NEXT))[1]))
    second = SCALE * 3.0 + GAMMA * BEST_NEXT
    first = SCALE * 3.0 + GAMMA * (0.5 * BEST_NEXT + 0.5 * second)
    losses = [0.5 * (SHOWN - target) ** 2 for target in (first, second)]
    assert float(learnt["train/loss"]) == pytest.approx(sum(losses) / 2, abs=1e-5)


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_rollout_is_gone_through_several_times(epochs: int) -> None:
    agent = make_agent(epochs=epochs, rollout=4, minibatch=2)
    learnt = [agent.update(step()) for _ in range(4)]
    assert [bool(one) for one in learnt] == [False, False, False, True]
    assert float(agent.state_dict()["optimizer.0.step"]) == 2 * epochs


def test_there_is_no_target_network_and_the_optimiser_is_radam() -> None:
    agent = make_agent()
    assert isinstance(agent.learner.optimizer, torch.optim.RAdam)
    agent.update(step())
    assert not any(name.startswith("target") for name in agent.state_dict())


def test_the_targets_stay_while_the_epochs_move_the_values() -> None:
    """With an error that is not clipped, ten epochs bring the value near the target, and not beyond it."""
    agent = make_agent(epochs=400, learning_rate=0.02)
    agent.update(dataclasses.replace(step(), notes=agent.choose(observe(*NOW))[1]))
    with torch.no_grad():
        value = agent.values.value(agent.learner.network, agent.values.row(observe(*NOW), torch.tensor([[2, 0]])))
    assert float(value) == pytest.approx(SCALE * 3.0 + GAMMA * BEST_NEXT, abs=0.02)


def test_dqn_with_its_target_network_at_its_heels_has_the_same_targets() -> None:
    settings: dict[str, Any] = {"minibatch": 1000, "trace": 0.5}
    ours, theirs = build("pqn", SPEC, epochs=1, **settings), build("dqn", SPEC, polyak=1.0, double=False, **settings)
    one, other = Loop(SPEC), Loop(SPEC)
    for _ in range(4):
        learnt, expected = one.step(ours), other.step(theirs)
    # Errors are below 1 here, so that half the square and Huber's loss are one.
    assert 0 < float(learnt["train/loss"]) < 0.5
    assert float(learnt["train/loss"]) == pytest.approx(float(expected["train/loss"]), rel=1e-5)
