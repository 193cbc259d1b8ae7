"""One update of tabular Q-learning, computed by hand: which cells move, by how much, and towards which target."""

import dataclasses
from typing import Any

import pytest
import torch
from sketches import make_spec
from torch import Tensor

from agents.learning.exploration import EpsilonSchedule
from agents.qlearning import QLearning, QLearningSettings
from envs.interface import Observation, Transition

SPEC = make_spec(candidates=4, slate=2, optional=False)
TABLE = torch.tensor([[0.5, 2.0, 9.0], [1.0, 3.0, 8.0]])
"""Of two kinds of users and three of items; the third is never on offer below."""
USERS = torch.tensor([[1.0] * 5, [-1.0] * 5])
ITEMS = torch.eye(3)
GAMMA, STEP = 0.5, 0.4
NOW, NEXT = [0, 1, 1, 0], [0, 1, 0, 0]
BEST_NEXT = 3.0


def make_agent(spec: Any = SPEC, **settings: Any) -> QLearning:
    """Return an agent whose clusters and table are known, and whose step size does not fall yet."""
    fixed = {"discount": GAMMA, "step_size": STEP, "state_clusters": 2, "item_clusters": 3, "warmup": 1}
    never = EpsilonSchedule(start=0.0, end=0.0)
    own = QLearningSettings(**(fixed | settings), exploration=never)
    agent = QLearning(spec, own, device=torch.device("cpu"), seed=0, num_users=1, num_steps=10**12)
    agent.states_CU, agent.items_CF, agent.table_SC, agent.steps = USERS.clone(), ITEMS.clone(), TABLE.clone(), 1
    return agent


def observe(user: int, items: list[int], number: int = 1) -> Observation:
    """Return users of a kind who are offered items of these kinds."""
    return {"user": USERS[user].repeat(number, 1), "candidates": ITEMS[items].repeat(number, 1, 1)}


def step(slates: list[list[int]], clicks: list[list[int]], rewards: list[float], **fate: Any) -> Transition:
    """Return a step of users of the first kind, who are of the second kind after it."""
    number = len(slates)
    clicks_BK = torch.tensor(clicks, dtype=torch.float32)
    return Transition(
        observation=observe(0, NOW, number),
        slate=torch.tensor(slates),
        response=torch.stack([clicks_BK, clicks_BK], dim=2),
        reward=torch.tensor(rewards),
        discount=torch.full((number,), float(fate.get("stays", True))),
        last=torch.full((number,), bool(fate.get("last", False))),
        next_observation=observe(1, NEXT, number),
    )


def moved(agent: QLearning) -> Tensor:
    return agent.table_SC - TABLE


def only(**cells: float) -> Tensor:
    """Return a table of zeros but for cells of the first kind of users, by their item's kind: ``c1=0.5``."""
    table = torch.zeros_like(TABLE)
    for name, value in cells.items():
        table[0, int(name[1:])] = value
    return table


@pytest.mark.parametrize(
    ("fate", "following"),
    [
        ({}, GAMMA * BEST_NEXT),
        ({"stays": False, "last": True}, 0.0),
        ({"last": True}, GAMMA * BEST_NEXT),  # time ran out: what would have followed still counts
    ],
    ids=["stays", "leaves", "truncated"],
)
def test_the_clicked_cell_moves_to_reward_plus_the_best_that_is_on_offer_next(
    fate: dict[str, bool], following: float
) -> None:
    agent = make_agent()
    learnt = agent.update(step([[1, 0]], [[1, 0]], [4.0], **fate))
    error = 4.0 + following - 2.0
    torch.testing.assert_close(moved(agent), only(c1=STEP * error))
    assert float(learnt["train/loss"]) == pytest.approx(error**2)
    assert float(learnt["train/value"]) == pytest.approx(float(agent.table_SC.mean()))
    assert float(learnt["train/learning_rate"]) == pytest.approx(STEP)


def test_with_discount_zero_nothing_follows() -> None:
    agent = make_agent(discount=0.0)
    agent.update(step([[1, 0]], [[1, 0]], [4.0]))
    torch.testing.assert_close(moved(agent), only(c1=STEP * (4.0 - 2.0)))


def test_without_a_click_all_that_was_shown_moves_in_part() -> None:
    agent = make_agent()
    learnt = agent.update(step([[0, 2]], [[0, 0]], [0.0]))
    errors = GAMMA * BEST_NEXT - TABLE[0, :2]
    torch.testing.assert_close(moved(agent), only(c0=STEP * 0.5 * float(errors[0]), c1=STEP * 0.5 * float(errors[1])))
    assert float(learnt["train/loss"]) == pytest.approx(float(errors.square().mean()))


def test_two_unclicked_items_of_one_kind_make_one_whole_step() -> None:
    agent = make_agent()
    agent.update(step([[1, 2]], [[0, 0]], [0.0]))
    torch.testing.assert_close(moved(agent), only(c1=STEP * (GAMMA * BEST_NEXT - 2.0)))


def test_users_in_one_cell_move_it_to_the_mean_of_their_targets() -> None:
    agent = make_agent()
    agent.update(step([[1, 0], [2, 3], [3, 1]], [[1, 0], [1, 0], [0, 1]], [1.0, 2.0, 6.0]))
    torch.testing.assert_close(moved(agent), only(c1=STEP * (3.0 + GAMMA * BEST_NEXT - 2.0)))


def test_users_weigh_in_a_cell_by_what_it_answers_for() -> None:
    """One clicked the kind, another was shown it once among two without a click: weights 1 and 1/2."""
    agent = make_agent()
    agent.update(step([[1, 0], [0, 1]], [[1, 0], [0, 0]], [4.0, 0.0]))
    clicked, shown = 4.0 + GAMMA * BEST_NEXT - 2.0, GAMMA * BEST_NEXT - 2.0
    own = GAMMA * BEST_NEXT - 0.5
    torch.testing.assert_close(moved(agent), only(c1=STEP * (clicked + 0.5 * shown) / 1.5, c0=STEP * 0.5 * own))


def test_the_step_size_falls_to_a_hundredth() -> None:
    agent = make_agent()
    agent.num_steps = 4
    sizes = [float(agent.update(step([[1, 0]], [[1, 0]], [4.0]))["train/learning_rate"]) for _ in range(4)]
    assert sizes == pytest.approx([STEP * (1 - 0.99 * share) for share in (0.5, 0.75, 1.0, 1.0)])


def test_the_best_kinds_are_shown_and_ties_keep_their_order() -> None:
    agent = make_agent()
    assert agent.act(observe(1, [0, 1, 0, 1]), explore=False).tolist() == [[1, 3]]
    assert agent.act(observe(1, [0, 1, 0, 0]), explore=False).tolist() == [[1, 0]]
    agent.table_SC[1] = torch.tensor([5.0, 3.0, 8.0])
    assert agent.act(observe(1, [0, 1, 0, 1]), explore=False).tolist() == [[0, 2]]


def test_after_the_warm_up_slates_are_the_tables() -> None:
    agent = make_agent()
    assert agent.act(observe(1, [0, 1, 0, 1], 50), explore=True).tolist() == [[1, 3]] * 50


def test_popularity_is_part_of_an_item_where_it_is_observed() -> None:
    spec = dataclasses.replace(SPEC, shapes={**SPEC.shapes, "popularity": (4,)})
    agent = make_agent(spec)
    agent.items_CF = torch.tensor([[1.0, 0, 0, 0.0], [1.0, 0, 0, 5.0], [0, 0, 0, 0]])
    observation = observe(0, [0, 0, 0, 0]) | {"popularity": torch.tensor([[0.0, 5.0, 0.0, 5.0]])}
    assert agent.act(observation, explore=False).tolist() == [[1, 3]]


def test_the_warm_up_shows_random_slates_and_ends_with_clusters_of_all_that_it_met() -> None:
    agent = QLearning(
        SPEC,
        QLearningSettings(state_clusters=2, item_clusters=3, warmup=2, exploration=EpsilonSchedule(start=0.0, end=0.0)),
        device=torch.device("cpu"),
        seed=0,
        num_users=50,
        num_steps=10,
    )
    offers = ([0, 1, 1, 0], [2, 2, 2, 2])
    for user, items in enumerate(offers):
        slate_BK = agent.act(observe(user, items, 50), explore=True)
        assert len({tuple(slate) for slate in slate_BK.tolist()}) > 6
        done = step(slate_BK.tolist(), [[1, 0]] * 50, [1.0] * 50)
        assert agent.update(dataclasses.replace(done, observation=observe(user, items, 50))) == {}
    assert sorted(agent.states_CU.tolist()) == sorted(USERS.tolist())
    assert sorted(agent.items_CF.tolist()) == sorted(ITEMS.tolist())
    assert float(agent.table_SC.abs().max()) == 0.0
    assert agent.update(step([[1, 0]], [[1, 0]], [1.0]))
