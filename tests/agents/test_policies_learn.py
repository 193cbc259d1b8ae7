"""The policy agents learn what is best in the long run where the nearest reward misleads; with gamma 0 they do not."""

from functools import cache
from typing import Any

import pytest
import torch
from sketches import Garden, build

from agents.learning.policy_gradient import PolicyAgent

USERS, STEPS = 128, 160
SETTINGS: dict[str, dict[str, Any]] = {
    "reinforce": {"rollout": 4, "minibatch": 128, "hidden": 32, "reward_scale": 0.5},
    "actor_critic": {"rollout": 4, "minibatch": 128, "hidden": 32, "reward_scale": 0.5},
}


@cache
def taught(name: str, gamma: float, **settings: Any) -> PolicyAgent:
    garden = Garden(USERS, seed=1)
    agent = build(name, garden.spec, num_users=USERS, num_steps=STEPS, gamma=gamma, **(SETTINGS[name] | settings))
    assert isinstance(agent, PolicyAgent)
    garden.teach(agent, STEPS)
    return agent


@pytest.mark.parametrize("name", SETTINGS)
def test_the_long_run_is_learnt_and_with_gamma_zero_the_nearest_reward(name: str) -> None:
    best, weedy = Garden.session(1), Garden.session(0)
    assert best > 3 * weedy
    assert Garden(2000, seed=2).mean_return(taught(name, 0.9)) > 0.95 * best
    assert Garden(2000, seed=2).mean_return(taught(name, 0.0)) < 1.1 * weedy


def test_the_published_reward_of_one_item_alone_learns_too() -> None:
    agent = taught("reinforce", 0.9, top_k_correction=False)
    assert Garden(2000, seed=2).mean_return(agent) > 0.95 * Garden.session(1)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_critic_knows_what_a_state_is_worth(name: str) -> None:
    agent = taught(name, 0.9)
    with torch.no_grad():
        value_B = agent._value(Garden(400, seed=4).observe())
    # A little is lost to slates that are still drawn.
    assert float(value_B.mean()) / agent.settings.reward_scale == pytest.approx(Garden.value(0.9), abs=0.25)
