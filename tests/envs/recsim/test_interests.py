"""InterestEvolution-v0 and InterestExploration-v0: their equations by hand, and their reference policies."""

import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
import torch
from torch import Tensor

import envs
from encoders.errors import UsageError
from envs.choice import ChoiceParameters
from envs.recsim.interest_evolution import InterestEvolution
from envs.recsim.interest_exploration import InterestExploration
from envs.slates import random_slate
from experiments.sessions import play

EVOLUTION = "envs.recsim.interest_evolution:InterestEvolution"
EXPLORATION = "envs.recsim.interest_exploration:InterestExploration"
SLATE = torch.tensor([[0, 1, 2]])


@pytest.fixture
def evolution(kernel: Callable[[str], Any]) -> InterestEvolution:
    simulator: InterestEvolution = kernel(EVOLUTION)
    return simulator


@pytest.fixture
def exploration(kernel: Callable[[str], Any]) -> InterestExploration:
    simulator: InterestExploration = kernel(EXPLORATION)
    return simulator


def one_user(interests: dict[int, float], budget: float, topics: list[int], ranks: float = 0.5) -> dict[str, Tensor]:
    """Return the state of one user who is offered these topics."""
    state = {
        "interests": torch.zeros(1, 20),
        "budget": torch.tensor([budget]),
        "shown": torch.full((1, 3), 20),
        "response": torch.zeros(1, 3, 5),
        "topics": torch.tensor([topics]),
        "ranks": torch.full((1, len(topics)), ranks),
    }
    for topic, interest in interests.items():
        state["interests"][0, topic] = interest
    return state


def noise(choice: float, direction: float = 0.0) -> dict[str, Tensor]:
    """Return the noise of one step of one user."""
    return {"choice": torch.tensor([choice]), "direction": torch.tensor([[direction]]), "videos": torch.zeros(1, 10)}


def returns(simulator: Any, name: str, users: int) -> float:
    """Return the mean return of a reference policy, or of random slates."""
    generator = torch.Generator().manual_seed(4)
    spec = simulator.spec

    def act(state: dict[str, Tensor], observation: dict[str, Tensor]) -> Tensor:
        if name == "random":
            return random_slate(len(observation["user"]), spec.num_candidates, spec.slate_size, generator)
        slate: Tensor = simulator.POLICIES[name](simulator, state)
        return slate

    panel = simulator.sample_users(users, "validation", torch.Generator().manual_seed(4))
    return float(play(simulator, panel, act, 4).totals["reward"].mean())


# Interest evolution

TOPICS = [19, 0, 5, 1, 2, 3, 4, 6, 7, 8]


def test_mean_qualities_are_fourteen_low_and_six_high(evolution: InterestEvolution) -> None:
    means = evolution.mean_quality.tolist()
    assert means[0] == -3
    assert means[1] == pytest.approx(-3 + 3 / 13)
    assert means[13] == means[14] == 0
    assert means[15:] == [pytest.approx(value, abs=1e-6) for value in (0.6, 1.2, 1.8, 2.4, 3.0)]


def test_a_click_is_watched_and_quality_gives_time_back(evolution: InterestEvolution) -> None:
    # Weights 1.5, 0.5, 1 and 2 for no click: the first slot is drawn below 0.3.
    state = one_user({19: 0.5, 0: -0.5, 5: 0.0}, 10.0, TOPICS)
    after, outcome = evolution.step(state, SLATE, noise(0.29))
    assert outcome.reward.tolist() == [4.0]
    assert after["budget"].item() == pytest.approx(10 - 4 + 0.9 / 3.4 * 4 * 3, abs=1e-5)
    assert not outcome.left.item()
    expected = torch.tensor([[[1, 4, 4, 3, 0.95], [0, 0, 0, -3, 0], [0, 0, 0, -3 + 5 * 3 / 13, 0.25]]])
    torch.testing.assert_close(outcome.response, expected)


@pytest.mark.parametrize(
    ("interest", "direction", "moved"),
    [
        # 0.3 (1 - |u|) (1 - u), up with probability (u + 1) / 2.
        (0.5, 0.74, 0.5 + 0.075),
        (0.5, 0.76, 0.5 - 0.075),
        (-0.5, 0.24, -0.5 + 0.225),
        (-0.5, 0.26, -0.5 - 0.225),
    ],
)
def test_the_interest_in_the_clicked_topic_alone_moves_by_the_formula_of_recsims_code(
    evolution: InterestEvolution, interest: float, direction: float, moved: float
) -> None:
    state = one_user({19: interest, 0: -0.5}, 10.0, TOPICS)
    after, _ = evolution.step(state, SLATE, noise(0.0, direction))
    expected = state["interests"].clone()
    expected[0, 19] = moved
    torch.testing.assert_close(after["interests"], expected)


def test_without_a_click_half_a_minute_is_lost(evolution: InterestEvolution) -> None:
    state = one_user({19: 0.5, 0: -0.5}, 10.0, TOPICS)
    after, outcome = evolution.step(state, SLATE, noise(0.61))
    assert outcome.reward.item() == 0
    assert after["budget"].item() == 9.5
    assert torch.equal(after["interests"], state["interests"])
    assert not outcome.response[:, :, :3].any()


@pytest.mark.parametrize(("budget", "choice", "minutes", "left"), [(3.0, 0.5, 3.0, True), (0.5, 0.99, 0.0, True)])
def test_the_last_minutes_are_watched_and_the_user_leaves(
    evolution: InterestEvolution, budget: float, choice: float, minutes: float, left: bool
) -> None:
    # Topics 13 and 0 to 2 have quality 0 or less: nothing is given back.
    state = one_user({13: 1.0, 0: -1.0, 1: -1.0}, budget, [13, 0, 1, *TOPICS[3:]])
    after, outcome = evolution.step(state, SLATE, noise(choice - 0.01))
    assert outcome.reward.item() == minutes
    assert after["budget"].item() == pytest.approx(0, abs=1e-6)
    assert outcome.left.item() is left


def test_qualities_are_normal_around_the_mean_of_the_topic(evolution: InterestEvolution) -> None:
    ranks = torch.rand(100_000, generator=torch.Generator().manual_seed(0))
    quality = evolution.quality(torch.full((100_000,), 19), ranks)
    assert quality.mean().item() == pytest.approx(3, abs=0.002)
    assert quality.std().item() == pytest.approx(0.1, abs=0.002)
    ends = evolution.quality(torch.tensor([19, 19]), torch.tensor([0.0, 1.0]))
    assert torch.isfinite(ends).all()


def test_videos_are_of_uniform_topic_and_rank(evolution: InterestEvolution) -> None:
    state = evolution.start(
        evolution.sample_users(20_000, "train", torch.Generator().manual_seed(1)),
        evolution.start_noise(20_000, torch.Generator().manual_seed(0)),
    )
    share = state["topics"].flatten().bincount(minlength=20) / 200_000
    torch.testing.assert_close(share, torch.full((20,), 0.05), atol=0.003, rtol=0)
    assert state["ranks"].mean().item() == pytest.approx(0.5, abs=0.003)
    assert state["interests"].min() >= -1
    assert state["interests"].mean().item() == pytest.approx(0, abs=0.005)


def test_budget_is_observed_only_if_asked_for() -> None:
    hidden = gym.make("slatelab/InterestEvolution-v0")
    assert set(hidden.observation_space.spaces) == {"user", "candidates", "response", "slate_items"}
    seen = gym.make("slatelab/InterestEvolution-v0", observe_budget=True, time_budget=50.0)
    observation, _ = seen.reset(seed=0)
    assert observation in seen.observation_space
    assert observation["budget"] == [1.0]


def test_reference_policies_of_evolution_stand_in_the_documented_order(evolution: InterestEvolution) -> None:
    for anchor in InterestEvolution.ANCHORS:
        # Sessions differ by 50 minutes at most: four standard errors of 600 users are 8.
        assert returns(evolution, anchor.policy, 600) == pytest.approx(anchor.mean, abs=8)
    means = [anchor.mean for anchor in InterestEvolution.ANCHORS]
    assert means == sorted(means)


def test_the_watch_rate_is_the_return_for_a_minute_of_budget(evolution: InterestEvolution) -> None:
    near = next(anchor.mean for anchor in InterestEvolution.ANCHORS if anchor.policy == "near_oracle")
    assert evolution.watch_rate == pytest.approx(near / 200, rel=0.03)


@pytest.mark.parametrize("name", ["multinomial_logit", "exponential_cascade", "proportional_cascade"])
def test_evolution_runs_under_other_choice_models(name: str) -> None:
    parameters = ChoiceParameters(min_score=-1, score_scaling=0.3)
    simulator = envs.make_simulator(EVOLUTION, "cpu", choice_model=name, choice=parameters)
    assert returns(simulator, "near_oracle", 200) > returns(simulator, "random", 200)


# Interest exploration


def test_clicks_follow_affinity_plus_quality(exploration: InterestExploration) -> None:
    state = {
        "affinity": torch.tensor([[1.0, 2.0]]),
        "topics": torch.tensor([[0, 1] * 5]),
        "quality": torch.tensor([[3.0, 1.0] * 5]),
        "clicked": torch.tensor([[1.0, 0.0, 2.5]]),
        "seen": torch.tensor([[1.0, 1.0]]),
        "steps": torch.ones(1, 1),
        "slate_items": torch.zeros(1, 2, 3),
        "response": torch.zeros(1, 2, 4),
    }
    first = math.exp(4) / (math.exp(4) + math.exp(3) + math.exp(5))
    for choice, clicked in ((first - 0.001, True), (first + 0.001, False)):
        drawn = exploration.step_noise(1, torch.Generator().manual_seed(0)) | {"choice": torch.tensor([[choice, 0.0]])}
        after, outcome = exploration.step(state, torch.tensor([[0, 1]]), drawn)
        assert outcome.response[0, 0].tolist() == [clicked, clicked, 3.0, 0.0]
        assert outcome.response[0, 1].tolist() == [not clicked, not clicked, 1.0, 0.5]
        assert outcome.reward.item() == 1
        assert not outcome.left.item()
        # Two slates, each of one document of either topic.
        counts = [2, 0, 5.5] if clicked else [1, 1, 3.5]
        user = exploration.observe(after)["user"][0].tolist()
        assert user == [pytest.approx(value) for value in (*(count / 2 for count in counts), 0.5, 0.5, 0.02)]
    assert torch.equal(after["affinity"], state["affinity"])


def test_users_and_documents_have_the_published_distributions(exploration: InterestExploration) -> None:
    generator = torch.Generator().manual_seed(0)
    users = exploration.sample_users(50_000, "train", generator)
    log_affinity = users["affinity"].log()
    torch.testing.assert_close(log_affinity.mean(dim=0), torch.tensor([0.52, 0.28]), atol=0.01, rtol=0)
    typed = log_affinity[log_affinity[:, 0] < 0.4]
    assert len(typed) / 50_000 == pytest.approx(0.3, abs=0.01)
    torch.testing.assert_close(typed.mean(dim=0), torch.tensor([0.1, 0.7]), atol=0.01, rtol=0)
    assert typed[:, 0].std().item() == pytest.approx(0.1, abs=0.005)
    state = exploration.start(users, exploration.start_noise(50_000, generator))
    rare = state["topics"] == 0
    assert rare.float().mean().item() == pytest.approx(0.2, abs=0.005)
    for topic, mean in ((rare, 0.8), (~rare, 0.2)):
        assert state["quality"][topic].log().mean().item() == pytest.approx(mean, abs=0.005)


def test_reference_policies_of_exploration_earn_what_is_documented(exploration: InterestExploration) -> None:
    for anchor in InterestExploration.ANCHORS:
        assert returns(exploration, anchor.policy, 500) == pytest.approx(anchor.mean, abs=1.7)
    earned = {anchor.policy: anchor.mean for anchor in InterestExploration.ANCHORS}
    assert earned["random"] < earned["hand_rule"] < earned["myopic_oracle"] == earned["near_oracle"]


def test_a_model_of_several_clicks_pays_for_each() -> None:
    simulator = envs.make_simulator(EXPLORATION, "cpu", choice_model="position_based", slate_size=4)
    generator = torch.Generator().manual_seed(0)
    users = simulator.sample_users(500, "train", generator)
    state = simulator.start(users, simulator.start_noise(500, generator))
    slate = torch.arange(4).expand(500, -1)
    _, outcome = simulator.step(state, slate, simulator.step_noise(500, generator))
    assert outcome.reward.max() > 1
    assert torch.equal(outcome.reward, outcome.response[:, :, 0].sum(dim=1))


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("InterestEvolution", {"slate_size": 11}, "slate_size 11 is larger than num_candidates 10"),
        ("InterestEvolution", {"choice_model": "user_browsing"}, "clicks several slots"),
        ("InterestEvolution", {"no_click_mass": -1.0}, "not above min_score"),
        (
            "InterestEvolution",
            {"choice": ChoiceParameters()},
            "scores go down to -1, below min_score 0, and multinomial",
        ),
        (
            "InterestEvolution",
            {"choice_model": "exponential_cascade", "choice": ChoiceParameters(score_scaling=0.5)},
            "makes a chance of 1.36 of the highest score 1; make it at most 0.368",
        ),
        (
            "InterestEvolution",
            {"choice_model": "proportional_cascade", "choice": ChoiceParameters(min_score=-1.0, score_scaling=0.6)},
            "makes a chance of 1.2 of the highest score 1; make it at most 0.5",
        ),
        ("InterestEvolution", {"num_topics": 0}, "num_topics is 0"),
        ("InterestEvolution", {"time_budget": 0.0}, "time_budget is 0"),
        ("InterestEvolution", {"bonus": -1.0}, "bonus is -1"),
        ("InterestEvolution", {"interest_step": 2.0}, "interest_step is 2"),
        ("InterestExploration", {"choice_model": "multinomial_logits"}, 'did you mean "multinomial_logit"'),
        ("InterestExploration", {"user_types": (0.3, 0.3)}, "sum to 1"),
        ("InterestExploration", {"user_types": (0.3, 0.3, 0.4)}, "a row for each of user_types"),
        ("InterestExploration", {"qualities": (0.3,)}, "a number for each of topics"),
        ("InterestExploration", {"time_limit": 0}, "time_limit is 0"),
        ("InterestExploration", {"quality_deviation": -0.1}, "quality_deviation is -0.1"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        gym.make(f"slatelab/{name}-v0", **settings)
