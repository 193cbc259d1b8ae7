"""Evaluation: one session a user, the same users and noise for all, and definitions that hold."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
import toy
from torch import Tensor

from envs.interface import Observation, Policy, Tensors
from envs.simulator import CLUSTER, Split
from envs.slates import random_slate
from envs.vector import SlateVectorEnv
from experiments.evaluation import Evaluation, Panel, compare, draw_panel, evaluate
from experiments.sessions import Sessions, agent_policy, play, reference_policy
from experiments.statistics import Estimate


@pytest.fixture
def simulator() -> toy.Toy:
    return toy.Toy(toy.ToySettings(), device="cpu")


def _users(simulator: toy.Toy, number: int) -> Tensors:
    return simulator.sample_users(number, "test", torch.Generator().manual_seed(5))


def test_sessions_equal_those_of_the_gymnasium_environment_without_autoreset(simulator: toy.Toy) -> None:
    users = _users(simulator, 40)
    ended = play(simulator, users, reference_policy(simulator, toy.Toy.myopic_oracle), seed=3)
    env = SlateVectorEnv(simulator, 40, as_tensors=True, autoreset_mode="Disabled")
    env.reset(seed=3, options={"users": users})
    returns_B, playing_B = torch.zeros(40), torch.ones(40, dtype=torch.bool)
    for _ in range(simulator.time_limit):
        assert env.state is not None
        _, reward_B, left_B, truncated_B, _ = env.step(toy.Toy.myopic_oracle(simulator, env.state))
        returns_B += reward_B * playing_B
        playing_B &= ~(left_B | truncated_B)
    assert torch.allclose(ended.totals["reward"].float(), returns_B)
    assert not playing_B.any()


def test_session_ends_at_the_time_limit_and_not_before_the_user_leaves() -> None:
    simulator = toy.Toy(toy.ToySettings(tiring=0.0, time_limit=7), device="cpu")
    ended = play(simulator, _users(simulator, 300), reference_policy(simulator, toy.Toy.near_oracle), seed=0)
    assert ended.length.max() == 7
    # Users leave at 0.05 a slate: the mean length is (1 - 0.95^7) / 0.05 = 6.03.
    assert ended.length.mean().item() == pytest.approx((1 - 0.95**7) / 0.05, abs=0.3)


def test_every_policy_meets_the_same_users_and_noise(simulator: toy.Toy) -> None:
    met: dict[str, list[Tensor]] = {}

    def spy(name: str) -> object:
        def policy(kernel: toy.Toy, state: Tensors) -> Tensor:
            met.setdefault(name, []).append(torch.cat([state["taste"], state["on_offer"].float()], dim=1))
            return toy.Toy.near_oracle(kernel, state)

        return policy

    simulator.POLICIES = {"one": spy("one"), "two": spy("two")}  # type: ignore[misc, dict-item]
    agent = toy.ToyAgent(
        simulator.spec, toy.ToyAgentSettings(), device=torch.device("cpu"), seed=0, num_users=1, num_steps=1
    )
    result = evaluate(simulator, {"toy": agent}, Panel(users=30))
    assert len(met["one"]) == len(met["two"])
    assert all(torch.equal(first, second) for first, second in zip(met["one"], met["two"], strict=True))
    one, two = (result.policies[name]["return"] for name in ("one", "two"))
    assert one == pytest.approx(two)
    assert result.policies["random"]["return"].mean != one.mean


def test_user_sees_the_same_candidates_however_long_others_stay(simulator: toy.Toy) -> None:
    users = _users(simulator, 8)
    bait, nourishing = (_offers(simulator, users, p) for p in (toy.Toy.myopic_oracle, toy.Toy.near_oracle))
    both = bait.keys() & nourishing.keys()
    assert len(both) > 8
    assert all(torch.equal(bait[key], nourishing[key]) for key in both)


def _offers(simulator: toy.Toy, users: Tensors, policy: Policy) -> dict[tuple[int, float], Tensor]:
    """Play and return what was on offer, by step and user."""
    offers: dict[tuple[int, float], Tensor] = {}
    step = itertools.count()

    def spy(state: Tensors, observation: Observation) -> Tensor:
        number = next(step)
        for taste, offer in zip(state["taste"][:, 0].tolist(), state["on_offer"], strict=True):
            offers[number, taste] = offer
        return policy(simulator, state)

    play(simulator, users, spy, seed=1)
    return offers


def test_panel_of_one_seed_is_the_same_and_of_another_is_not(simulator: toy.Toy) -> None:
    first, again, other = (draw_panel(simulator, Panel(users=5, seed=seed))["taste"] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_empty_slots_count_neither_for_exposure_nor_twice(simulator: toy.Toy) -> None:
    def repeating(state: Tensors, observation: Observation) -> Tensor:
        return torch.zeros((len(observation["user"]), toy.K), dtype=torch.int64)

    ended = play(simulator, _users(simulator, 10), repeating, seed=0)
    assert ended.exposure.sum().item() == ended.length.sum().item()


def test_estimates_follow_their_definitions() -> None:
    ended = Sessions(
        totals={
            "reward": torch.tensor([1.0, 5.0], dtype=torch.float64),
            "clicks": torch.tensor([1.0, 3.0], dtype=torch.float64),
            "bait": torch.tensor([1.0, 1.0], dtype=torch.float64),
        },
        length=torch.tensor([1.0, 4.0], dtype=torch.float64),
        exposure=torch.tensor([5, 0, 5, 0]),
        cluster=torch.tensor([4, 6]),
    )
    result = compare("agent", {"agent": ended, "same": ended})
    estimates = result.policies["agent"]
    assert estimates["return"].mean == 3.0
    assert estimates["ctr"].mean == pytest.approx(4 / 5)
    assert estimates["bait"].mean == pytest.approx((1 / 1 + 1 / 4) / 2)
    assert estimates["coverage"] == (0.5, None, None, 2)
    assert estimates["gini"].mean == pytest.approx(0.5)
    assert result.paired["same"]["return"] == (0.0, 0.0, 0.0, 2)
    assert result.clusters == 2


def test_users_around_one_rater_are_resampled_together() -> None:
    reward, length = torch.tensor([0.0, 0.0, 6.0], dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    totals = {"reward": reward, "clicks": reward / 6}
    ended = Sessions(totals=totals, length=length, exposure=torch.ones(1), cluster=torch.tensor([7, 7, 3]))
    result = compare("agent", {"agent": ended})
    assert result.clusters == 2
    # Both raters drawn: 2; one of them twice: 0 or 6. Users one by one would give 4 too, and 0 in 8 of 27 resamples.
    assert result.policies["agent"]["return"] == (2.0, 0.0, 6.0, 3)


def test_whom_a_user_is_drawn_around_is_told_by_the_environment_or_by_nobody() -> None:
    class Around(toy.Toy):
        def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
            users = super().sample_users(number, split, generator)
            return users | {CLUSTER: torch.arange(number, device=self.device) // 4}

    played = {}
    for cls in (toy.Toy, Around):
        simulator = cls(toy.ToySettings(), device="cpu")
        policy = reference_policy(simulator, toy.Toy.myopic_oracle)
        played[cls] = play(simulator, simulator.sample_users(9, "test", torch.Generator()), policy, seed=3)
    assert played[toy.Toy].cluster.tolist() == list(range(9))
    assert played[Around].cluster.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2]
    assert torch.equal(played[toy.Toy].totals["reward"], played[Around].totals["reward"])


def test_gap_is_reported_only_where_there_is_one() -> None:
    def evaluation(**returns: float) -> Evaluation:
        estimates = {name: {"return": Estimate(value, value, value, 9)} for name, value in returns.items()}
        return Evaluation(agent="agent", policies=estimates)

    assert evaluation(agent=7.0, myopic_oracle=4.0, near_oracle=10.0).closed_gap() == pytest.approx(0.5)
    assert evaluation(agent=9.9, myopic_oracle=9.8, near_oracle=10.0).closed_gap() is None
    assert evaluation(agent=7.0, near_oracle=10.0).closed_gap() is None
    assert evaluation(agent=7.0, random=5.0, near_oracle=10.0).score("agent") == pytest.approx(0.4)
    assert evaluation(agent=7.0, near_oracle=10.0).score("agent") is None


def test_diversity_is_one_less_the_mean_pairwise_cosine(simulator: toy.Toy) -> None:
    from experiments.sessions import _diversity

    candidates = torch.randn((4, 6, 5), generator=torch.Generator().manual_seed(0))
    slate = random_slate(4, 6, 3, torch.Generator().manual_seed(0))
    ours = _diversity(candidates, slate).numpy()
    for row in range(4):
        items = candidates[row, slate[row]]
        cosines = [torch.cosine_similarity(items[i], items[j], dim=0) for i, j in ((0, 1), (0, 2), (1, 2))]
        assert ours[row] == pytest.approx(1 - float(np.mean(cosines)), abs=1e-6)


def test_an_evaluated_agent_does_not_explore() -> None:
    explored = []

    class Noted:
        def act(self, observation: Any, explore: bool) -> torch.Tensor:
            explored.append(explore)
            return torch.zeros(1, 1, dtype=torch.int64)

    agent: Any = Noted()
    agent_policy(agent)({}, {})
    assert explored == [False]
