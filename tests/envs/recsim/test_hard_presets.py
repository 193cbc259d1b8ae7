"""The hard presets: what myopic play loses, what can be had without privilege, and the belief over types by hand."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import envs
from envs.interface import repeats
from envs.recsim.exploration_hard_policies import explorer, hand_rule, myopic_bayes
from envs.recsim.interest_exploration_hard import InterestExplorationHard
from envs.recsim.interest_settings import InterestExplorationSettings
from envs.recsim.long_term_satisfaction import LongTermSatisfaction
from envs.recsim.long_term_satisfaction_hard import LongTermSatisfactionHard
from envs.recsim.satisfaction_policies import harvest_rule
from envs.recsim.satisfaction_settings import LongTermSatisfactionSettings
from envs.slates import random_slate, top_k
from experiments.sessions import Act, play
from experiments.statistics import bootstrap_ratios, mean_sample, percentile_interval

EXPLORATION = "envs.recsim.interest_exploration_hard:InterestExplorationHard"
SATISFACTION = "envs.recsim.long_term_satisfaction_hard:LongTermSatisfactionHard"
USERS = {EXPLORATION: 400, SATISFACTION: 1500}


@pytest.fixture
def exploration(kernel: Callable[[str], Any]) -> InterestExplorationHard:
    simulator: InterestExplorationHard = kernel(EXPLORATION)
    return simulator


@pytest.fixture
def satisfaction(kernel: Callable[[str], Any]) -> LongTermSatisfactionHard:
    simulator: LongTermSatisfactionHard = kernel(SATISFACTION)
    return simulator


def acts(simulator: Any, name: str) -> Act:
    """Return a reference policy, or random slates."""
    generator, spec = torch.Generator().manual_seed(4), simulator.spec

    def act(state: dict[str, Tensor], observation: dict[str, Tensor]) -> Tensor:
        if name == "random":
            return random_slate(len(observation["user"]), spec.num_candidates, spec.slate_size, generator)
        slate: Tensor = simulator.POLICIES[name](simulator, state)
        return slate

    return act


@pytest.fixture(scope="module", params=[EXPLORATION, SATISFACTION], ids=["exploration", "satisfaction"])
def earned(request: pytest.FixtureRequest) -> tuple[Any, dict[str, np.ndarray]]:
    """Return a preset's class, and what each policy earned with each user of one panel."""
    simulator = envs.make_simulator(request.param, "cpu")
    panel = simulator.sample_users(USERS[request.param], "validation", torch.Generator().manual_seed(4))
    names = [anchor.policy for anchor in simulator.ANCHORS]
    return type(simulator), {
        name: play(simulator, panel, acts(simulator, name), 4).totals["reward"].numpy() for name in names
    }


def share_of_near_oracle(returns: dict[str, np.ndarray], name: str) -> tuple[float, float]:
    """Return the 95 % interval of a policy's return over the near-oracle's, with the same users resampled for both."""
    samples = {key: mean_sample(returns[key]) for key in (name, "near_oracle")}
    drawn = bootstrap_ratios(samples, np.arange(len(returns[name])), np.random.default_rng(0))
    return percentile_interval(drawn[name] / drawn["near_oracle"])


def test_the_best_myopic_play_loses_at_least_fifteen_percent_to_the_near_oracle(earned: Any) -> None:
    cls, returns = earned
    best_myopic = "myopic_bayes" if cls is InterestExplorationHard else "myopic_oracle"
    _, high = share_of_near_oracle(returns, best_myopic)
    assert high < 0.85


def test_without_privilege_most_of_the_gap_can_be_had(earned: Any) -> None:
    cls, returns = earned
    best_observing, least = ("explorer", 0.95) if cls is InterestExplorationHard else ("harvest_rule", 0.9)
    low, high = share_of_near_oracle(returns, best_observing)
    assert low > least
    assert high < 1


def test_the_hand_rule_is_neither_random_nor_near_the_best(earned: Any) -> None:
    cls, returns = earned
    most = 0.95 if cls is InterestExplorationHard else 0.85
    assert returns["random"].mean() * 1.3 < returns["hand_rule"].mean()
    assert share_of_near_oracle(returns, "hand_rule")[1] < most


def test_reference_policies_earn_what_is_documented_and_in_that_order(earned: Any) -> None:
    cls, returns = earned
    for anchor in cls.ANCHORS:
        mine = returns[anchor.policy]
        # Four standard errors of this panel, and the anchor's interval.
        margin = 4 * mine.std() / math.sqrt(len(mine)) + anchor.ci_high - anchor.ci_low
        assert mine.mean() == pytest.approx(anchor.mean, abs=margin)
    anchors = {anchor.policy: anchor.mean for anchor in cls.ANCHORS}
    assert max(anchors.values()) == anchors["near_oracle"]
    if cls is InterestExplorationHard:
        order = ["random", "myopic_bayes", "hand_rule", "explorer", "near_oracle"]
    else:
        order = ["myopic_oracle", "random", "hand_rule", "harvest_rule", "near_oracle"]
    assert sorted(order, key=anchors.__getitem__) == order
    assert sorted(order, key=lambda name: returns[name].mean()) == order


@pytest.mark.parametrize(
    ("hard", "plain", "changed"),
    [
        (
            InterestExplorationHard.Settings(),
            InterestExplorationSettings(),
            {"user_types", "affinities", "affinity_deviation", "topics", "qualities"},
        ),
        (
            LongTermSatisfactionHard.Settings(),
            LongTermSatisfactionSettings(),
            {"memory_discount", "sensitivity", "kale_mean"},
        ),
    ],
    ids=["exploration", "satisfaction"],
)
def test_a_hard_preset_is_its_parent_under_other_settings(hard: Any, plain: Any, changed: set[str]) -> None:
    names = {field.name for field in dataclasses.fields(plain)}
    assert names == {field.name for field in dataclasses.fields(hard)}
    assert {name for name in names if getattr(hard, name) != getattr(plain, name)} == changed


def test_the_parents_play_the_same_under_the_hard_settings(
    exploration: InterestExplorationHard, satisfaction: LongTermSatisfactionHard
) -> None:
    for simulator in (exploration, satisfaction):
        parent = type(simulator).__mro__[1](simulator.settings, "cpu")
        noise_of = (torch.Generator().manual_seed(0), torch.Generator().manual_seed(0))
        states = [
            made.start(made.sample_users(16, "test", drawn), made.start_noise(16, drawn))
            for made, drawn in zip((simulator, parent), noise_of, strict=True)
        ]
        slate = random_slate(16, 10, simulator.spec.slate_size, torch.Generator().manual_seed(1))
        for _ in range(5):
            moved = [
                made.step(state, slate, made.step_noise(16, drawn))
                for made, state, drawn in zip((simulator, parent), states, noise_of, strict=True)
            ]
            assert torch.equal(moved[0][1].response, moved[1][1].response)
            states = [state for state, _ in moved]


# the belief over types


def two_types(**settings: Any) -> Any:
    """Return an environment of two types, 25 % and 75 %, whose scores of topics 0 and 1 are (2, 1) and (1, 2)."""
    affinities = ((math.log(2), 0.0), (0.0, math.log(2)))
    fields = {"user_types": (0.25, 0.75), "affinities": affinities, "topics": (0.5, 0.5), "qualities": (0.0, 0.0)}
    return envs.make_simulator(EXPLORATION, "cpu", no_click_mass=1.0, **fields | settings)


def one_user(simulator: Any, topics: list[int], quality: float = 1.0) -> dict[str, Tensor]:
    """Return a fresh user who is offered these topics."""
    generator = torch.Generator().manual_seed(0)
    state = simulator.start(simulator.sample_users(1, "train", generator), simulator.start_noise(1, generator))
    offered = {"topics": torch.tensor([topics]), "quality": torch.full((1, len(topics)), quality)}
    made: dict[str, Tensor] = state | offered
    return made


OFFER = [0, 1, *[0] * 8]


@pytest.mark.parametrize(("choice", "weights"), [(0.0, (3, 2)), (0.999, (1, 1))])
def test_the_belief_is_bayes_rule_by_hand(choice: float, weights: tuple[int, int]) -> None:
    simulator = two_types()
    state = one_user(simulator, OFFER)
    noise = simulator.step_noise(1, torch.Generator().manual_seed(0)) | {"choice": torch.full((1, 2), choice)}
    after, outcome = simulator.step(state, torch.tensor([[0, 1]]), noise)
    # Scores are affinity + quality 1: (3, 2) or (2, 3), against 1; both types have the same normaliser.
    assert outcome.reward.item() == (choice < 0.5)
    likely = [math.exp(weight) for weight in weights]
    first = 0.25 * likely[0] / (0.25 * likely[0] + 0.75 * likely[1])
    torch.testing.assert_close(after["log_belief"].exp(), torch.tensor([[first, 1 - first]]))


def test_an_empty_slot_tells_nothing() -> None:
    simulator = two_types()
    state, clicks = one_user(simulator, OFFER), torch.tensor([[0.0, 0.0]])
    twice = simulator.log_likelihood(state, torch.tensor([[0, 0]]), clicks)
    # No click on topic 0 alone: 1 against 3 or 2.
    expected = [math.log(math.e / (math.e + math.exp(score))) for score in (3, 2)]
    torch.testing.assert_close(twice, torch.tensor([expected]))


def test_clicks_of_independent_slots_are_told_apart_by_type() -> None:
    simulator = two_types(choice_model="position_based")
    evidence = simulator.log_likelihood(one_user(simulator, OFFER), torch.tensor([[0, 1]]), torch.tensor([[1.0, 0.0]]))
    chance = {score: 1 / (1 + math.exp(1 - score)) for score in (2, 3)}
    expected = [math.log(chance[first] * (1 - 0.85 * chance[second])) for first, second in ((3, 2), (2, 3))]
    torch.testing.assert_close(evidence, torch.tensor([expected]))


def test_an_answer_that_no_type_gives_leaves_the_belief_finite() -> None:
    simulator = two_types(choice_model="proportional_cascade", affinity_deviation=0.0)
    state = one_user(simulator, OFFER, quality=1000.0)
    evidence = simulator.log_likelihood(state, torch.tensor([[0, 1]]), torch.tensor([[0.0, 0.0]]))
    assert torch.isfinite(evidence).all()


@pytest.mark.parametrize("name", ["multinomial_logit", "exponential_cascade", "position_based"])
def test_users_are_of_a_type_as_often_as_is_believed(name: str) -> None:
    simulator, number = envs.make_simulator(EXPLORATION, "cpu", choice_model=name), 6000
    generator = torch.Generator().manual_seed(0)
    users = simulator.sample_users(number, "train", generator)
    state = simulator.start(users, simulator.start_noise(number, generator))
    for _ in range(15):
        slate = random_slate(number, 10, 2, generator)
        state, _ = simulator.step(state, slate, simulator.step_noise(number, generator))
    belief = state["log_belief"].exp()
    assert belief.sum(dim=1).numpy() == pytest.approx(1, abs=1e-5)
    # The six topics but the first are each loved by one type.
    loved = users["affinity"][:, 1:].argmax(dim=1, keepdim=True)
    true = torch.zeros_like(belief).scatter(1, loved, 1.0)
    checked = 0
    for low, high in itertools.pairwise([0.0, 0.05, 0.15, 0.3, 0.5, 0.8, 1.0]):
        inside = (belief > low) & (belief <= high)
        count = int(inside.sum())
        if count > 200:
            checked += 1
            error = (true - belief)[inside].mean().item()
            assert abs(error) < 4 * 0.5 / math.sqrt(count), (low, high)
    assert checked >= 4
    assert belief.gather(1, loved).mean() > 0.25


def test_what_may_not_be_known_changes_no_slate(
    exploration: InterestExplorationHard, satisfaction: LongTermSatisfactionHard
) -> None:
    generator = torch.Generator().manual_seed(0)
    users = exploration.sample_users(64, "train", generator)
    state = exploration.start(users, exploration.start_noise(64, generator))
    for _ in range(5):
        slate, noise = random_slate(64, 10, 2, generator), exploration.step_noise(64, generator)
        state, _ = exploration.step(state, slate, noise)
    other = state | {"affinity": state["affinity"].flip(1)}
    for policy in (myopic_bayes, explorer, hand_rule):
        assert torch.equal(policy(exploration, state), policy(exploration, other))
    assert not torch.equal(*(exploration.POLICIES["myopic_oracle"](exploration, known) for known in (state, other)))
    clicks = torch.tensor([[1.0, 0.0]] * 64)
    slate = random_slate(64, 10, 2, generator)
    one, same = (exploration.log_likelihood(known, slate, clicks) for known in (state, other))
    assert torch.equal(one, same)

    users = satisfaction.sample_users(64, "train", generator)
    state = satisfaction.start(users, satisfaction.start_noise(64, generator))
    hidden = state | {"exposure": -9 * state["exposure"]}
    assert torch.equal(harvest_rule(satisfaction, state), harvest_rule(satisfaction, hidden))


def test_the_planned_slate_is_the_best_of_all(exploration: InterestExplorationHard) -> None:
    number, generator = 500, torch.Generator().manual_seed(0)
    pairs = torch.tensor(list(itertools.combinations(range(10), 2))).expand(number, -1, -1)
    users = exploration.sample_users(number, "train", generator)
    state = exploration.start(users, exploration.start_noise(number, generator))
    lost = []
    for _ in range(12):
        slate = myopic_bayes(exploration, state)
        assert not repeats(slate).any()
        belief = state["log_belief"].exp()
        every, mine = (
            torch.einsum("bt,tbla->bla", belief, exploration.answers(state, slates))[:, :, :2].sum(dim=2)
            for slates in (pairs, slate.unsqueeze(1))
        )
        lost.append((every.amax(dim=1) - mine[:, 0]) / mine[:, 0])
        state, _ = exploration.step(state, explorer(exploration, state), exploration.step_noise(number, generator))
    loss = torch.stack(lost)
    assert loss.min() > -1e-5
    assert (loss > 1e-5).float().mean() < 0.005
    assert loss.max() < 0.05


def test_the_myopic_play_stays_with_the_safe_topic_and_never_learns(exploration: InterestExplorationHard) -> None:
    number = 300
    believed = {}
    for policy in (myopic_bayes, explorer):
        generator = torch.Generator().manual_seed(0)
        users = exploration.sample_users(number, "train", generator)
        state = exploration.start(users, exploration.start_noise(number, generator))
        safe = []
        for _ in range(40):
            slate = policy(exploration, state)
            safe.append((state["topics"].gather(1, slate) == 0).float().mean().item())
            state, _ = exploration.step(state, slate, exploration.step_noise(number, generator))
        loved = users["affinity"][:, 1:].argmax(dim=1, keepdim=True)
        believed[policy] = state["log_belief"].exp().gather(1, loved).mean().item()
        assert safe[0] > 0.9 if policy is myopic_bayes else safe[0] < 0.6
    assert believed[myopic_bayes] < 0.6
    assert believed[explorer] > 0.95


def test_a_topic_not_shown_yet_counts_as_clicked_in_the_hand_rule(exploration: InterestExplorationHard) -> None:
    state = one_user(exploration, [0, 1, 2, 2, *[0] * 6])
    clicked = torch.tensor([[4.0, 0, 1, 0, 0, 0, 0, 9.0]])
    # Rates (4 + 1) / (9 + 1), (0 + 1) / (0 + 1) and (1 + 1) / (2 + 1).
    state |= {"clicked": clicked, "seen": torch.tensor([[9.0, 0, 2, 0, 0, 0, 0]])}
    state["quality"][0, 3] = 1.5
    assert hand_rule(exploration, state).tolist() == [[1, 3]]


# long-term satisfaction


def test_the_harvest_rule_computes_the_exposure_from_what_is_observed(satisfaction: LongTermSatisfactionHard) -> None:
    quiet = envs.make_simulator(SATISFACTION, "cpu", innovation_deviation=0.0)
    generator = torch.Generator().manual_seed(0)
    state = quiet.start({"exposure": torch.zeros(200)}, quiet.start_noise(200, generator))
    for _ in range(12):
        slate = top_k(-state["documents"], 1)
        state, _ = quiet.step(state, slate, quiet.step_noise(200, generator))
        spent = state["exposure"] > 3
        extreme = torch.where(spent, state["documents"].argmax(dim=1), state["documents"].argmin(dim=1))
        assert torch.equal(harvest_rule(quiet, state)[:, 0], extreme)
    assert spent.float().mean() > 0.5


def test_no_constant_level_of_clickbait_comes_near_the_planner(satisfaction: LongTermSatisfactionHard) -> None:
    panel = satisfaction.sample_users(1000, "validation", torch.Generator().manual_seed(4))

    def level(wanted: float) -> Act:
        return lambda state, observation: top_k(-(state["documents"] - wanted).abs(), 1)

    best = max(play(satisfaction, panel, level(x / 10), 4).totals["reward"].mean().item() for x in range(11))
    planned = play(satisfaction, panel, acts(satisfaction, "near_oracle"), 4).totals["reward"].mean().item()
    assert best < 0.85 * planned


def test_sensitivity_alone_would_leave_the_hand_rule_nearly_optimal() -> None:
    simulator = LongTermSatisfaction(LongTermSatisfactionSettings(sensitivity=0.3), "cpu")
    panel = simulator.sample_users(1500, "validation", torch.Generator().manual_seed(4))
    earned = {
        name: play(simulator, panel, acts(simulator, name), 4).totals["reward"].mean().item()
        for name in ("hand_rule", "near_oracle")
    }
    assert earned["hand_rule"] > 0.95 * earned["near_oracle"]
