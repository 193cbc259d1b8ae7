"""An agent that assumes one choice model meets users who follow another: what it plans, and what it learns.

All users are alike and documents of a topic too, so that the choice model is all that can be got wrong.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import envs
from envs.choice import CHOICE_MODELS, ChoiceParameters
from envs.recsim.interest_exploration import InterestExploration
from envs.slates import optimal_slate, random_slate

USERS = 20_000
NO_CLICK = 4.0
"""Added to every score, because affinities are positive."""
TRUTHS = {
    "exponential_cascade": ChoiceParameters(attention=1.0, score_scaling=math.exp(-NO_CLICK)),
    "position_based": ChoiceParameters(examination=0.5),
}
"""Under both, an item that is looked at is clicked with the chance it was given in `users_who_follow`."""

Policy = Callable[[dict[str, Tensor]], Tensor]


def score_of(model: str, chance: float) -> float:
    """Return the score of an item that is clicked with this chance if looked at."""
    odds = chance if model == "exponential_cascade" else chance / (1 - chance)
    return NO_CLICK + math.log(odds)


def users_who_follow(model: str, chances: list[float]) -> InterestExploration:
    """Return an environment in which documents of topic t are clicked with ``chances[t]`` if looked at."""
    number = len(chances)
    simulator: InterestExploration = envs.make_simulator(
        "envs.recsim.interest_exploration:InterestExploration",
        "cpu",
        user_types=(1.0,),
        affinities=(tuple(math.log(score_of(model, chance)) for chance in chances),),
        affinity_deviation=0.0,
        topics=(1 / number,) * number,
        qualities=(-30.0,) * number,
        quality_deviation=0.0,
        no_click_mass=NO_CLICK,
        choice_model=model,
        choice=TRUTHS[model],
    )
    return simulator


def one_slate(simulator: InterestExploration, policy: Policy, seed: int) -> tuple[Tensor, Tensor]:
    """Return the topics shown to many users, and their clicks, each (B, 2)."""
    generator = torch.Generator().manual_seed(seed)
    users = simulator.sample_users(USERS, "train", generator)
    state = simulator.start(users, simulator.start_noise(USERS, generator))
    slate = policy(state)
    _, outcome = simulator.step(state, slate, simulator.step_noise(USERS, generator))
    return state["topics"].gather(1, slate), outcome.response[:, :, 0]


def random_policy(state: dict[str, Tensor]) -> Tensor:
    """Show random slates."""
    return random_slate(USERS, 10, 2, torch.Generator().manual_seed(99))


def multinomial_planner(scores_T: Tensor, values_T: Tensor) -> Policy:
    """Show the best slate if choice were a multinomial logit of these scores."""

    def plan(state: dict[str, Tensor]) -> Tensor:
        weights, values = scores_T.exp()[state["topics"]], values_T[state["topics"]]
        outside = torch.full((USERS,), math.exp(NO_CLICK))
        return optimal_slate(weights, values, outside, torch.zeros(USERS), 2)[0]

    return plan


def informed_planner(model: str, scores_T: Tensor, values_T: Tensor) -> Policy:
    """Show the best slate under the model, of all ordered pairs."""
    pairs_L2 = torch.tensor(list(itertools.permutations(range(10), 2)))

    def plan(state: dict[str, Tensor]) -> Tensor:
        topics_NK = state["topics"][:, pairs_L2].reshape(-1, 2)
        outside_N = torch.full((len(topics_NK),), NO_CLICK)
        chances_NC = CHOICE_MODELS[model].chances(scores_T[topics_NK], outside_N, None, TRUTHS[model])
        payoff_BL = (chances_NC[:, :2] * values_T[topics_NK]).sum(dim=1).reshape(USERS, -1)
        return pairs_L2[payoff_BL.argmax(dim=1)]

    return plan


def excess(better: Tensor, worse: Tensor) -> tuple[float, float]:
    """Return by which share of ``worse`` the mean of ``better`` is higher, and the standard error of that share."""
    error = math.sqrt((better.var() + worse.var()).item() / len(better))
    return ((better.mean() - worse.mean()) / worse.mean()).item(), error / worse.mean().item()


# Planning: the scores are known, the model is not.

# Popular and cheap, rare and valuable, and two that are neither.
CHANCES = [0.9, 0.25, 0.05, 0.05]
VALUES = torch.tensor([1.0, 3.0, 1.0, 0.5])


def payoffs(model: str, policy: Policy, seed: int) -> Tensor:
    """Return the value of what each user clicks on one slate, (B,)."""
    topics, clicks = one_slate(users_who_follow(model, CHANCES), policy, seed)
    return (clicks * VALUES[topics]).sum(dim=1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model", TRUTHS)
def test_a_planner_of_the_wrong_model_loses_to_the_right_one_and_beats_random(model: str, seed: int) -> None:
    scores = torch.tensor([score_of(model, chance) for chance in CHANCES])
    right = payoffs(model, informed_planner(model, scores, VALUES), seed)
    wrong = payoffs(model, multinomial_planner(scores, VALUES), seed)
    lost, error = excess(right, wrong)
    assert lost - 3 * error > 0
    gained, error = excess(wrong, payoffs(model, random_policy, seed))
    assert gained - 3 * error > 0.3


def test_planners_agree_where_the_assumption_is_true() -> None:
    scores, generator = torch.tensor([5.0, 3.0, 1.0, 1.0]), torch.Generator().manual_seed(0)
    state = {"topics": torch.randint(4, (USERS, 10), generator=generator)}
    slates = multinomial_planner(scores, VALUES)(state)
    pairs = torch.tensor(list(itertools.permutations(range(10), 2)))

    def value(slates_NK: Tensor) -> Tensor:
        topics = state["topics"].gather(1, slates_NK)
        outside = torch.full((USERS,), NO_CLICK)
        chances = CHOICE_MODELS["multinomial_logit"].chances(scores[topics], outside, None, ChoiceParameters())
        return (chances[:, :2] * VALUES[topics]).sum(dim=1)

    best = torch.stack([value(pair.expand(USERS, -1)) for pair in pairs]).amax(dim=0)
    torch.testing.assert_close(value(slates), best)


# Learning: the scores are fitted to clicks on the slates of a ranker that had its favourites on top.

ATTRACTIVE = [0.6, 0.65, 0.75, 0.08, 0.04]


def favourites_on_top(state: dict[str, Tensor]) -> Tensor:
    """Show random slates, sorted by the number of the topic: the order of an older, mistaken ranker."""
    slate = random_policy(state)
    order = state["topics"].gather(1, slate).argsort(dim=1, stable=True)
    return slate.gather(1, order)


def fitted(model: str, parameters: ChoiceParameters, topics: Tensor, clicks: Tensor) -> Tensor:
    """Return the scores (T,) under which a choice model explains the clicks best, by maximum likelihood.

    A model of one click learns from the first, as an agent for such users does.
    """
    scores_T = torch.full((len(ATTRACTIVE),), NO_CLICK - 1.0, requires_grad=True)
    outside = torch.full((len(topics),), NO_CLICK)
    first = torch.where(clicks.any(dim=1), clicks.argmax(dim=1), clicks.shape[1])
    optimizer = torch.optim.LBFGS([scores_T], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Any:
        optimizer.zero_grad()
        chances = CHOICE_MODELS[model].chances(scores_T[topics], outside, None, parameters)
        if CHOICE_MODELS[model].several:
            value = torch.nn.functional.binary_cross_entropy(chances[:, :-1], clicks)
        else:
            value = -chances.gather(1, first.unsqueeze(1)).clamp(min=1e-9).log().mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)
    return scores_T.detach()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model", TRUTHS)
def test_a_multinomial_fit_takes_the_place_for_the_item(model: str, seed: int) -> None:
    simulator = users_who_follow(model, ATTRACTIVE)
    logged = one_slate(simulator, favourites_on_top, seed)
    right = fitted(model, TRUTHS[model], *logged)
    wrong = fitted("multinomial_logit", ChoiceParameters(), *logged)

    truth = torch.tensor([score_of(model, chance) for chance in ATTRACTIVE])
    torch.testing.assert_close(right[:3], truth[:3], atol=0.12, rtol=0)
    assert right.argmax() == 2
    # Topic 0 stood on top of every slate, and is taken for the best; the worst are found all the same.
    assert wrong.argmax() == 0
    assert wrong[:3].min() > wrong[3:].max()

    earned = {
        name: one_slate(simulator, policy, seed + 10)[1].sum(dim=1)
        for name, policy in {
            "right": informed_planner(model, right, torch.ones(5)),
            "wrong": multinomial_planner(wrong, torch.ones(5)),
            "random": random_policy,
        }.items()
    }
    lost, error = excess(earned["right"], earned["wrong"])
    assert lost - 3 * error > 0.05
    gained, error = excess(earned["wrong"], earned["random"])
    assert gained - 3 * error > 0.2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model", TRUTHS)
def test_shuffled_slates_take_the_bias_out_of_the_ranking(model: str, seed: int) -> None:
    logged = one_slate(users_who_follow(model, ATTRACTIVE), random_policy, seed)
    wrong = fitted("multinomial_logit", ChoiceParameters(), *logged)
    assert wrong.argmax() == 2
