"""Rollouts with their targets: which value belongs to which state."""

import dataclasses
from typing import Any

import pytest
import torch
from sketches import make_observation, make_spec, make_transition
from torch import Tensor

from agents.learning.collector import ReturnCollector
from agents.learning.learner import Learner, LearnerSettings
from agents.streams import Streams
from envs.interface import Observation, Transition
from envs.slates import random_slate

SPEC = make_spec(answers=1)
BATCH = 6


def value_of(observation: Observation) -> Tensor:
    """Return a value that tells every state from every other."""
    return observation["user"][:, 0] + observation["candidates"][:, 0, 0]


def make_collector(**settings: Any) -> ReturnCollector:
    learner = Learner(
        SPEC,
        LearnerSettings(hidden=4, **settings),
        num_heads=1,
        num_state_heads=0,
        num_steps=10,
        streams=Streams(0, torch.device("cpu")),
    )
    return ReturnCollector(learner, value_of, lambda step: learner.reader.row(step.observation, step.slate))


def noted(step: Transition, value_B: Tensor) -> Transition:
    """Return a step of which an agent has noted what the state was worth."""
    return dataclasses.replace(step, notes={"value": value_B})


def make_steps(number: int, seed: int = 0) -> list[Transition]:
    generator = torch.Generator().manual_seed(seed)
    observation = make_observation(SPEC, BATCH, generator)
    steps = []
    for _ in range(number):
        slate_BK = random_slate(BATCH, SPEC.num_candidates, SPEC.slate_size, generator)
        transition, observation = make_transition(SPEC, observation, slate_BK, generator)
        steps.append(transition)
    return steps


def slow_targets(steps: list[Transition], settings: LearnerSettings) -> Tensor:
    """Return the lambda-returns with V evaluated at every next observation, one user at a time."""
    targets = torch.zeros(len(steps), BATCH)
    for user in range(BATCH):
        following = 0.0
        for index in reversed(range(len(steps))):
            step = steps[index]
            value = float(value_of(step.next_observation)[user])
            if index == len(steps) - 1 or step.last[user]:
                mixed = value
            else:
                mixed = (1 - settings.trace) * value + settings.trace * following
            reward = settings.reward_scale * float(step.reward[user])
            following = reward + settings.discount * float(step.discount[user]) * mixed
            targets[index, user] = following
    return targets


@pytest.mark.parametrize("trace", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_targets_are_those_of_valuing_every_next_observation(trace: float, seed: int) -> None:
    collector, steps = make_collector(trace=trace, rollout=5), make_steps(10, seed)
    assert any((step.last & (step.discount > 0)).any() for step in steps), "no session was truncated"
    assert any((step.discount == 0).any() for step in steps), "no user left"
    for start in (0, 5):
        rollout = steps[start : start + 5]
        rows = [collector.add(noted(step, value_of(step.observation))) for step in rollout]
        assert rows[:-1] == [None] * 4
        assert rows[-1] is not None
        expected = slow_targets(rollout, collector.settings).flatten()
        torch.testing.assert_close(rows[-1]["target"], expected, rtol=1e-5, atol=1e-6)


def test_the_bootstrap_is_the_next_states_value_and_not_the_current_ones() -> None:
    """google-research/recsim#26: SlateQ there bootstraps from the state it acted in."""
    collector, step = make_collector(rollout=1, trace=0.0), make_steps(1)[0]
    rows = collector.add(noted(step, value_of(step.observation)))
    assert rows is not None
    settings = collector.settings
    reward_B = settings.reward_scale * step.reward
    right_B = reward_B + settings.discount * step.discount * value_of(step.next_observation)
    wrong_B = reward_B + settings.discount * step.discount * value_of(step.observation)
    torch.testing.assert_close(rows["target"], right_B)
    stays_B = step.discount > 0
    assert ((rows["target"] - wrong_B)[stays_B].abs() > 1e-3).all()


def test_the_value_noted_when_choosing_is_the_bootstrap_of_the_step_before() -> None:
    collector = make_collector(rollout=2, trace=0.0, discount=0.5)
    first, second = make_steps(2)
    collector.add(noted(first, torch.full((BATCH,), 100.0)))
    rows = collector.add(noted(second, torch.full((BATCH,), 200.0)))
    assert rows is not None
    target_B = rows["target"][:BATCH]
    inside_B = ~first.last
    torch.testing.assert_close(target_B[inside_B], 0.1 * first.reward[inside_B] + 0.5 * 200.0)
    truncated_B = first.last & (first.discount > 0)
    final_B = 0.1 * first.reward + 0.5 * value_of(first.next_observation)
    torch.testing.assert_close(target_B[truncated_B], final_B[truncated_B])
    left_B = first.discount == 0
    torch.testing.assert_close(target_B[left_B], 0.1 * first.reward[left_B])


def test_a_learner_that_did_not_act_gets_the_same_targets() -> None:
    acting, watching, steps = make_collector(rollout=4), make_collector(rollout=4), make_steps(4, seed=3)
    for step in steps:
        ours = acting.add(noted(step, value_of(step.observation)))
        theirs = watching.add(step)
    assert ours is not None
    assert theirs is not None
    assert torch.equal(ours["target"], theirs["target"])
    assert torch.equal(ours["value"], theirs["value"])


def test_with_discount_zero_the_target_is_the_reward_and_nothing_is_valued() -> None:
    collector = make_collector(rollout=3, discount=0.0)
    collector.value_of = lambda observation: pytest.fail("valued a state in vain")
    steps = make_steps(3)
    for step in steps:
        rows = collector.add(step)
    assert rows is not None
    assert torch.equal(rows["target"], 0.1 * torch.cat([step.reward for step in steps]))
    assert not rows["value"].any()


def test_rows_stand_in_the_order_of_steps_and_users() -> None:
    collector, steps = make_collector(rollout=3), make_steps(3)
    for step in steps:
        rows = collector.add(noted(step, value_of(step.observation)))
    assert rows is not None
    assert torch.equal(rows["user"], torch.cat([step.observation["user"] for step in steps]))
    assert torch.equal(rows["response"], torch.cat([step.response for step in steps]))
    ids = torch.cat([step.observation["candidate_ids"].gather(1, step.slate) for step in steps])
    assert torch.equal(rows["ids"], ids)
    assert rows["features"].shape == (3 * BATCH, SPEC.slate_size, 4)


def test_a_half_full_collector_goes_on_where_it_was() -> None:
    ours, theirs, steps = make_collector(rollout=4), make_collector(rollout=4), make_steps(4)
    for step in steps[:2]:
        ours.add(noted(step, value_of(step.observation)))
    theirs.load_state_dict(ours.state_dict())
    for step in steps[2:]:
        ended = [collector.add(noted(step, value_of(step.observation))) for collector in (ours, theirs)]
    assert ended[0] is not None
    assert ended[1] is not None
    assert all(torch.equal(value, ended[1][name]) for name, value in ended[0].items())
