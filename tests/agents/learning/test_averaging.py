"""The running mean of the weights: what is shown without exploration is made with it."""

import pytest
import torch
from sketches import Loop, build, make_observation, make_spec
from torch import Tensor

from agents.learning.learner import Learner, LearnerSettings
from agents.streams import Streams

SPEC = make_spec()


def make_learner(average: float) -> Learner:
    return Learner(
        SPEC,
        LearnerSettings(hidden=4, average=average),
        num_heads=1,
        num_state_heads=1,
        num_steps=10,
        streams=Streams(0, torch.device("cpu")),
    )


def first_weights(network: torch.nn.Module) -> Tensor:
    return next(network.parameters()).detach().clone()


def descend(learner: Learner) -> None:
    learner.descend(next(learner.network.parameters()).square().sum())


def test_the_mean_is_that_of_the_steps_so_far_and_then_a_running_one() -> None:
    """Kept is 0, 1/11, 2/12, ... of the mean, and at most `average`."""
    learner = make_learner(0.15)
    assert learner.averaged is not None
    expected = first_weights(learner.network)
    for kept in (0.0, 1 / 11, 0.15, 0.15):
        descend(learner)
        expected = kept * expected + (1 - kept) * first_weights(learner.network)
        torch.testing.assert_close(first_weights(learner.averaged), expected)
    assert not torch.allclose(expected, first_weights(learner.network), rtol=1e-6, atol=0)


def test_slates_are_made_with_the_mean_only_without_exploration() -> None:
    learner = make_learner(0.9)
    assert learner.steady_network is learner.averaged
    plain = make_learner(0.0)
    assert plain.steady_network is plain.network
    assert not any(name.startswith("averaged") for name in plain.state_dict())


@pytest.mark.parametrize("name", ["slateq", "dqn", "dqn_slate", "pqn", "wolpertinger", "reinforce", "actor_critic"])
def test_an_agent_acts_with_the_mean_of_its_weights(name: str) -> None:
    agent = build(name, SPEC, average=0.5)
    Loop(SPEC).steps(agent, 12)
    observation = make_observation(SPEC, 64, torch.Generator().manual_seed(0))
    shown = agent.act(observation, explore=False)
    learner: Learner = agent.learner  # type: ignore[attr-defined]
    assert learner.averaged is not None
    with torch.no_grad():
        for mean, latest in zip(learner.averaged.parameters(), learner.network.parameters(), strict=True):
            latest.copy_(torch.randn(latest.shape, generator=torch.Generator().manual_seed(1)))
            assert not torch.equal(mean, latest)
    assert torch.equal(agent.act(observation, explore=False), shown)
