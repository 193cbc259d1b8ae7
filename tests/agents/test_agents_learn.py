"""Agents learn what is best in the long run where the nearest reward misleads; twins with discount 0 do not."""

from typing import Any

import pytest
import torch
from sketches import Garden, build

from agents.protocol import Agent
from agents.slateq import SlateQ

GAMMA = 0.9
USERS, STEPS = 128, 240
SETTINGS: dict[str, dict[str, Any]] = {
    "slateq": {"rollout": 8, "minibatch": 256, "hidden": 32, "reward_scale": 0.5},
    "dqn": {"rollout": 4, "minibatch": 128, "hidden": 32, "reward_scale": 0.5, "polyak": 0.1},
    "dqn-replay": {"replay": 2000, "minibatch": 256, "hidden": 32, "reward_scale": 0.5, "polyak": 0.1},
    "dqn-rainbow": {
        "replay": 4000,
        "steps": 2,
        "priority": 0.5,
        "dueling": True,
        "minibatch": 256,
        "hidden": 32,
        "reward_scale": 0.5,
        "polyak": 0.1,
    },
    "dqn-dueling": {
        "dueling": True,
        "rollout": 4,
        "minibatch": 128,
        "hidden": 32,
        "reward_scale": 0.5,
        "polyak": 0.1,
    },
    "dqn_slate": {"rollout": 4, "minibatch": 64, "hidden": 32, "reward_scale": 0.5, "polyak": 0.1},
    "pqn": {"rollout": 4, "minibatch": 128, "hidden": 32, "reward_scale": 0.5, "learning_rate": 2e-3},
    "wolpertinger": {
        "neighbours": 2,
        "rollout": 4,
        "minibatch": 128,
        "hidden": 32,
        "reward_scale": 0.5,
        "polyak": 0.1,
    },
    "qlearning": {"item_clusters": 8, "state_clusters": 1},
}


def taught(case: str) -> tuple[Agent, Agent]:
    """Return an agent that has learnt in the garden, and a twin that saw the same with discount 0."""
    garden = Garden(USERS, seed=1)
    name = case.partition("-")[0]
    agent, twin = (
        build(name, garden.spec, num_users=USERS, num_steps=STEPS, discount=discount, **SETTINGS[case])
        for discount in (GAMMA, 0.0)
    )
    garden.teach(agent, STEPS, twin)
    return agent, twin


@pytest.mark.parametrize("case", SETTINGS)
def test_the_long_run_is_learnt_and_the_twin_without_it_is_misled(case: str) -> None:
    agent, twin = taught(case)
    best, weedy = Garden.session(1), Garden.session(0)
    assert best > 3 * weedy
    assert Garden(2000, seed=2).mean_return(agent) > 0.95 * best
    assert Garden(2000, seed=2).mean_return(twin) < 1.1 * weedy


def test_slateq_knows_what_every_answer_is_worth() -> None:
    agent, twin = taught("slateq")
    garden = Garden(200, seed=4)
    for learner, gamma in ((agent, GAMMA), (twin, 0.0)):
        assert isinstance(learner, SlateQ)
        observation = garden.observe()
        with torch.no_grad():
            out_BHM, state_B2 = learner.learner.network(observation["user"], *learner.learner.reader.items(observation))
        herbs_BM = observation["candidate_ids"] >= 4
        scale = learner.settings.reward_scale
        learnt = [
            float(out_BHM[:, 1][~herbs_BM].mean()) / scale,
            float(out_BHM[:, 1][herbs_BM].mean()) / scale,
            float(state_B2[:, 1].mean()) / scale,
        ]
        # The optimum's V; with gamma 0 it does not matter.
        following = gamma * Garden.value(GAMMA)
        rewards = (*Garden.REWARD, 0.0)
        exact = [reward + stays * following for reward, stays in zip(rewards, Garden.STAYS, strict=True)]
        assert learnt == pytest.approx(exact, abs=0.12)


def test_slateq_learns_the_choice_model() -> None:
    agent, _ = taught("slateq")
    assert isinstance(agent, SlateQ)
    observation = Garden(200, seed=4).observe()
    with torch.no_grad():
        out_BHM, state_B2 = agent.learner.network(observation["user"], *agent.learner.reader.items(observation))
    # All are equally likely, no click too: the logits differ by nothing.
    assert float((out_BHM[:, 0] - state_B2[:, :1]).abs().mean()) < 0.25
