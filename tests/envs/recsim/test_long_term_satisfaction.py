"""LongTermSatisfaction-v0: its equations by hand, its planner, and its reference policies."""

import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
import torch
from torch import Tensor

import envs
from encoders.errors import UsageError
from envs.recsim.long_term_satisfaction import LongTermSatisfaction
from envs.recsim.satisfaction_policies import interpolate
from envs.slates import random_slate
from experiments.sessions import play

PATH = "envs.recsim.long_term_satisfaction:LongTermSatisfaction"


@pytest.fixture
def simulator(kernel: Callable[[str], Any]) -> LongTermSatisfaction:
    made: LongTermSatisfaction = kernel(PATH)
    return made


def one_user(exposure: float, documents: list[float], steps: int = 0) -> dict[str, Tensor]:
    """Return the state of one user."""
    return {
        "exposure": torch.tensor([exposure]),
        "steps": torch.tensor([steps]),
        "traces": torch.zeros(1, 3),
        "slate_items": torch.zeros(1, 1, 1),
        "response": torch.zeros(1, 1, 2),
        "documents": torch.tensor([documents]),
    }


def returns(simulator: Any, name: str, users: int = 1000) -> float:
    """Return the mean return of a reference policy, or of random slates."""
    generator = torch.Generator().manual_seed(4)

    def act(state: dict[str, Tensor], observation: dict[str, Tensor]) -> Tensor:
        if name == "random":
            return random_slate(len(observation["user"]), 10, 1, generator)
        slate: Tensor = simulator.POLICIES[name](simulator, state)
        return slate

    panel = simulator.sample_users(users, "validation", torch.Generator().manual_seed(4))
    return float(play(simulator, panel, act, 4).totals["reward"].mean())


def test_engagement_and_exposure_are_the_documented_equations(simulator: LongTermSatisfaction) -> None:
    state = one_user(2.0, [0.1, 0.8, *[0.5] * 8])
    noise = {
        "engagement": torch.tensor([-1.5]),
        "innovation": torch.tensor([2.0]),
        "documents": torch.full((1, 10), 0.3),
    }
    after, outcome = simulator.step(state, torch.tensor([[1]]), noise)
    satisfaction = 1 / (1 + math.exp(-0.01 * 2))
    log_engagement = 4.8 * satisfaction - 1.5
    assert outcome.reward.item() == pytest.approx(math.exp(log_engagement), rel=1e-5)
    assert outcome.response[0].tolist() == [[1.0, outcome.reward.item()]]
    assert after["exposure"].item() == pytest.approx(0.7 * 2 - 2 * 0.3 + 0.05 * 2, abs=1e-6)
    user = simulator.observe(after)["user"][0].tolist()
    expected = (0.2 * 0.8, 0.2 * log_engagement / 5, 0.05 * log_engagement / 5, 1 / 60)
    assert user == [pytest.approx(value, rel=1e-5) for value in expected]
    assert not outcome.left.item()


def test_engagement_is_rewarded_and_told_uncut(simulator: LongTermSatisfaction) -> None:
    drawn = simulator.step_noise(1, torch.Generator().manual_seed(0)) | {"engagement": torch.tensor([5.0])}
    _, outcome = simulator.step(one_user(0.0, [0.5] * 10), torch.tensor([[0]]), drawn)
    assert outcome.reward.item() == pytest.approx(math.exp(4.5 / 2 + 5), rel=1e-5)
    assert outcome.response[0, 0, 1] == outcome.reward[0] > 100


def test_users_start_with_the_published_exposure_and_leave_after_sixty_slates(
    simulator: LongTermSatisfaction,
) -> None:
    exposure = simulator.sample_users(50_000, "train", torch.Generator().manual_seed(0))["exposure"]
    assert exposure.min().item() == pytest.approx(-0.5 / 0.3, abs=0.01)
    assert exposure.max().item() == pytest.approx(0.5 / 0.3, abs=0.01)
    noise = simulator.step_noise(1, torch.Generator().manual_seed(0))
    for steps, leaves in ((58, False), (59, True)):
        _, outcome = simulator.step(one_user(0.0, [0.5] * 10, steps), torch.tensor([[0]]), noise)
        assert outcome.left.item() is leaves


def test_only_the_first_slot_is_consumed() -> None:
    simulator = envs.make_simulator(PATH, "cpu", slate_size=3)
    generator = torch.Generator().manual_seed(0)
    state = simulator.start(simulator.sample_users(4, "train", generator), simulator.start_noise(4, generator))
    _, outcome = simulator.step(state, torch.tensor([[2, 1, 0]] * 4), simulator.step_noise(4, generator))
    assert (outcome.response[:, 0, 0] == 1).all()
    assert not outcome.response[:, 1:].any()
    assert torch.equal(outcome.metrics["clickbait"], state["documents"][:, 2])


def test_interpolation_is_linear_between_grid_points_and_constant_outside() -> None:
    values, points = torch.tensor([0.0, 1.0, 4.0]), torch.tensor([[-3.0, -1.0, -0.5, 0.5, 1.0, 9.0]])
    expected = torch.tensor([[0.0, 0.0, 0.5, 2.5, 4.0, 4.0]])
    torch.testing.assert_close(interpolate(values, points, 1.0), expected)
    torch.testing.assert_close(interpolate(values[None], points, 1.0), expected)


def test_reference_policies_earn_what_is_documented(simulator: LongTermSatisfaction) -> None:
    for anchor in LongTermSatisfaction.ANCHORS:
        # Four standard errors of 1,000 users.
        assert returns(simulator, anchor.policy) == pytest.approx(anchor.mean, abs=26)
    earned = {anchor.policy: anchor.mean for anchor in LongTermSatisfaction.ANCHORS}
    assert earned["hand_rule"] < earned["random"] < earned["myopic_oracle"] <= earned["near_oracle"]


def test_with_a_high_sensitivity_the_planner_beats_the_myopic_oracle_and_the_hand_rule() -> None:
    simulator = envs.make_simulator(PATH, "cpu", sensitivity=0.3)
    earned = {name: returns(simulator, name, 2000) for name in ("myopic_oracle", "random", "hand_rule", "near_oracle")}
    assert earned["near_oracle"] > 3 * earned["myopic_oracle"]
    assert earned["near_oracle"] > earned["hand_rule"] > earned["random"] > earned["myopic_oracle"]


def test_the_planned_value_is_what_the_planner_earns(simulator: LongTermSatisfaction) -> None:
    hard = envs.make_simulator(PATH, "cpu", sensitivity=0.3)
    for made in (simulator, hard):
        _, values = made.exposure_value
        # The mean over starts, whose exposure is uniform on half the grid.
        planned = values[-1, 50:151].mean().item()
        assert returns(made, "near_oracle", 2000) == pytest.approx(planned, rel=0.02)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"slate_size": 0}, "slate_size is 0"),
        ({"time_budget": 0}, "time_budget is 0"),
        ({"memory_discount": 1.0}, "memory_discount is 1"),
        ({"choc_deviation": -1.0}, "choc_deviation is -1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        gym.make("slatelab/LongTermSatisfaction-v0", **settings)
