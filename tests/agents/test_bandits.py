"""LinUCB and linear Thompson sampling: sums, solution, index by hand; regret in a linear world."""

import dataclasses
import math
from typing import Any

import pytest
import torch
from sketches import Garden, build
from torch import Tensor

from agents.bandits import BanditSettings, LinTS, LinUCB
from envs.interface import Observation, Spec, Transition
from envs.slates import random_slate

BANDITS = {"linucb": LinUCB, "lints": LinTS}
every_bandit = pytest.mark.parametrize("name", BANDITS)


def make_spec(user: int = 1, item: int = 1, candidates: int = 3, slate: int = 1) -> Spec:
    return Spec(
        num_candidates=candidates,
        slate_size=slate,
        num_items=20,
        shapes={"user": (user,), "candidates": (candidates, item), "response": (slate, 2)},
        response_columns=("click", "reward"),
        neutral_response=(0.0, 0.0),
    )


def make_agent(name: str, spec: Spec, **settings: Any) -> Any:
    return BANDITS[name](
        spec, BanditSettings(**settings), device=torch.device("cpu"), seed=0, num_users=2, num_steps=10
    )


def make_step(
    observation: Observation, slate_BK: Tensor, reward_BK: Tensor, click_BK: Tensor | None = None
) -> Transition:
    batch = len(slate_BK)
    clicks_BK = (reward_BK != 0).float() if click_BK is None else click_BK
    return Transition(
        observation=observation,
        slate=slate_BK,
        response=torch.stack([clicks_BK, reward_BK], dim=2),
        reward=reward_BK.sum(dim=1),
        discount=torch.ones(batch),
        last=torch.zeros(batch, dtype=torch.bool),
        next_observation=observation,
    )


OBSERVED = {"user": torch.tensor([[2.0], [-1.0]]), "candidates": torch.tensor([[[3.0], [1.0], [0.0]]]).repeat(2, 1, 1)}
"""Features are 1, user, item, cosine, user * item: of the first user and item 1, 2, 3, 1, 6."""
SHOWN = torch.tensor([[0], [1]])
REWARDS = torch.tensor([[5.0], [0.0]])
ROWS = torch.tensor([[1.0, 2, 3, 1, 6], [1, -1, 1, -1, -1]], dtype=torch.float64)
GRAM = [[2.5, 1, 4, 0, 5], [1, 5.5, 5, 3, 13], [4, 5, 10.5, 2, 17], [0, 3, 2, 2.5, 7], [5, 13, 17, 7, 37.5]]
"""Half the identity, and x x^T of both rows."""
MOMENT = [5.0, 10, 15, 5, 30]


@every_bandit
def test_the_sums_are_those_of_the_shown_items(name: str) -> None:
    agent = make_agent(name, make_spec(), ridge=0.5)
    agent.update(make_step(OBSERVED, SHOWN, REWARDS))
    assert agent.gram_WW.tolist() == GRAM
    assert agent.moment_W.tolist() == MOMENT
    assert (float(agent.squares), float(agent.count)) == (25.0, 2.0)
    theta_W = torch.linalg.solve(torch.tensor(GRAM, dtype=torch.float64), torch.tensor(MOMENT, dtype=torch.float64))
    torch.testing.assert_close(agent.theta_W, theta_W)
    variance = (1 + 25 - float(theta_W @ torch.tensor(MOMENT, dtype=torch.float64))) / 3
    assert float(agent.deviation) == pytest.approx(math.sqrt(variance))


def test_the_index_of_linucb_is_mean_and_alpha_deviations() -> None:
    agent = make_agent("linucb", make_spec(), ridge=0.5, alpha=3.0)
    agent.update(make_step(OBSERVED, SHOWN, REWARDS))
    inverse = torch.linalg.inv(torch.tensor(GRAM, dtype=torch.float64))
    theta_W = inverse @ torch.tensor(MOMENT, dtype=torch.float64)
    sigma = math.sqrt((26 - float(theta_W @ torch.tensor(MOMENT, dtype=torch.float64))) / 3)
    expected = [float(row @ theta_W) + 3 * sigma * math.sqrt(float(row @ inverse @ row)) for row in ROWS]
    index_BM = agent.index(agent.features(OBSERVED))
    assert [float(index_BM[0, 0]), float(index_BM[1, 1])] == pytest.approx(expected, rel=1e-5)
    assert torch.equal(agent.act(OBSERVED, explore=True), index_BM.topk(1, dim=1).indices)


@every_bandit
def test_with_a_constant_alone_the_mean_is_that_of_the_rewards_shrunk_by_the_ridge(name: str) -> None:
    """User and items are 0: theta = sum r / (lambda + n), width = alpha sigma / sqrt(lambda + n)."""
    observation = {"user": torch.zeros(4, 1), "candidates": torch.zeros(4, 3, 1)}
    agent = make_agent(name, make_spec(), ridge=2.0, alpha=1.0)
    rewards = torch.tensor([[1.0], [2.0], [3.0], [6.0]])
    learnt = agent.update(make_step(observation, torch.zeros(4, 1, dtype=torch.int64), rewards))
    # Predicted were 0s; of the prior the deviation is sqrt(1 / lambda).
    assert float(learnt["train/loss"]) == pytest.approx((1 + 4 + 9 + 36) / 4)
    assert float(learnt["train/value"]) == 0.0
    assert float(learnt["train/uncertainty"]) == pytest.approx(math.sqrt(1 / 2))
    assert agent.theta_W.tolist() == pytest.approx([12 / 6, 0, 0, 0, 0])
    sigma = math.sqrt((1 + 50 - 2.0 * 12) / 5)
    learnt = agent.update(make_step(observation, torch.zeros(4, 1, dtype=torch.int64), rewards))
    assert float(learnt["train/loss"]) == pytest.approx((1 + 0 + 1 + 16) / 4)
    assert float(learnt["train/value"]) == pytest.approx(2.0)
    assert float(learnt["train/uncertainty"]) == pytest.approx(sigma / math.sqrt(6))


def test_the_width_of_linucb_with_a_constant_alone() -> None:
    observation = {"user": torch.zeros(4, 1), "candidates": torch.zeros(4, 3, 1)}
    agent = make_agent("linucb", make_spec(), ridge=2.0, alpha=3.0)
    agent.update(
        make_step(observation, torch.zeros(4, 1, dtype=torch.int64), torch.tensor([[1.0], [2.0], [3.0], [6.0]]))
    )
    expected = 2.0 + 3.0 * math.sqrt(27 / 5) / math.sqrt(6)
    assert agent.index(agent.features(observation)).flatten().tolist() == pytest.approx([expected] * 12, rel=1e-5)


@every_bandit
def test_a_slots_own_reward_counts_not_the_slates(name: str) -> None:
    agent = make_agent(name, make_spec(slate=2))
    step = make_step(OBSERVED, torch.tensor([[0, 1], [1, 2]]), torch.tensor([[0.0, 4.0], [0.0, 0.0]]))
    agent.update(dataclasses.replace(step, reward=torch.tensor([-7.0, -7.0])))
    # Only the second slot of the first user paid: 1, 2, 1, 1, 2.
    assert agent.moment_W.tolist() == [4.0, 8.0, 4.0, 4.0, 8.0]
    assert float(agent.count) == 4.0


@every_bandit
def test_below_a_click_a_cascade_tells_nothing(name: str) -> None:
    slate_BK = torch.tensor([[0, 1, 2], [2, 1, 0]])
    rewards_BK = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    counts = {}
    for feedback in ("slate", "cascade"):
        agent = make_agent(name, make_spec(slate=3), feedback=feedback, ridge=1.0)
        agent.update(make_step(OBSERVED, slate_BK, rewards_BK))
        counts[feedback] = float(agent.count)
        assert float(agent.gram_WW[0, 0]) == 1.0 + counts[feedback]
    assert counts == {"slate": 6.0, "cascade": 5.0}


def test_a_cascade_takes_the_slots_down_to_the_first_click_and_no_further() -> None:
    agent = make_agent("linucb", make_spec(slate=3), feedback="cascade")
    clicks_BK = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1]])
    assert agent._counts(clicks_BK).int().tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1]]


@every_bandit
def test_the_solution_waits_for_its_turn(name: str) -> None:
    agent = make_agent(name, make_spec(), refit=3)
    solved = []
    for _ in range(6):
        agent.update(make_step(OBSERVED, SHOWN, REWARDS))
        solved.append(agent.theta_W.clone())
    assert torch.equal(solved[0], torch.zeros(5, dtype=torch.float64))
    assert torch.equal(solved[0], solved[1])
    assert torch.equal(solved[2], solved[4])
    assert not torch.equal(solved[2], solved[1])
    assert not torch.equal(solved[5], solved[4])
    assert float(agent.count) == 12.0


@every_bandit
def test_without_exploration_the_posterior_mean_decides(name: str) -> None:
    spec = make_spec(user=4, item=2, candidates=6, slate=3)
    agent = make_agent(name, spec, alpha=50.0)
    generator = torch.Generator().manual_seed(0)
    observation = {
        "user": torch.randn((40, 4), generator=generator),
        "candidates": torch.randn((40, 6, 2), generator=generator),
    }
    slate_BK = random_slate(40, 6, 3, generator)
    agent.update(make_step(observation, slate_BK, torch.rand((40, 3), generator=generator)))
    mean_BM = agent.features(observation).rows() @ agent.theta_W
    expected = mean_BM.topk(3, dim=1).indices
    assert torch.equal(agent.act(observation, explore=False), expected)
    assert torch.equal(agent.act(observation, explore=False), expected)
    assert not torch.equal(agent.act(observation, explore=True), expected)


@every_bandit
def test_without_alpha_exploring_is_the_posterior_mean(name: str) -> None:
    agent = make_agent(name, make_spec(), alpha=0.0)
    agent.update(make_step(OBSERVED, SHOWN, REWARDS))
    index_BM = agent.index(agent.features(OBSERVED))
    torch.testing.assert_close(index_BM, agent.features(OBSERVED).inner(agent.theta_W))


def test_draws_of_thompson_sampling_have_the_posteriors_mean_and_spread() -> None:
    agent = make_agent("lints", make_spec(), ridge=0.5, alpha=1.5)
    agent.update(make_step(OBSERVED, SHOWN, REWARDS))
    users = 20_000
    pairs = agent.features(
        {"user": OBSERVED["user"][:1].expand(users, -1), "candidates": OBSERVED["candidates"][:1].expand(users, -1, -1)}
    )
    drawn_BM = agent.index(pairs).double()
    rows_MW = pairs.rows()[0]
    covariance = (1.5 * agent.deviation) ** 2 * rows_MW @ torch.linalg.inv(agent.gram_WW) @ rows_MW.T
    mean_M, spread_M = rows_MW @ agent.theta_W, covariance.diagonal().sqrt()
    assert float(((drawn_BM.mean(dim=0) - mean_M) / (spread_M / users**0.5)).abs().max()) < 4
    torch.testing.assert_close(torch.cov(drawn_BM.T), covariance, rtol=0.05, atol=0.02 * float(covariance.max()))


def test_users_have_draws_of_their_own() -> None:
    agent = make_agent("lints", make_spec(candidates=3))
    pairs = agent.features({"user": torch.ones(50, 1), "candidates": torch.ones(50, 3, 1)})
    index_BM = agent.index(pairs)
    assert len(index_BM[:, 0].unique()) == 50
    assert torch.equal(index_BM[:, 0], index_BM[:, 1])


@every_bandit
def test_the_posterior_narrows_as_the_root_of_the_observations(name: str) -> None:
    generator, agent = torch.Generator().manual_seed(0), make_agent(name, make_spec(user=2, item=2, candidates=5))
    world = Linear(seed=3, users=100)
    spreads, shares = [], []
    for _ in range(40):
        observation = world.observe()
        slate_BK, sigma = random_slate(100, 6, 1, generator), float(agent.deviation)
        spreads.append(float(agent.update(world.step(observation, slate_BK))["train/uncertainty"]))
        shares.append(spreads[-1] / sigma)
    assert spreads[39] < spreads[9] < spreads[1]
    # After 900 and after 3,900 observations.
    assert shares[39] / shares[9] == pytest.approx(math.sqrt(900 / 3900), rel=0.1)


class Linear:
    """Users and items of two numbers; the reward is linear in their features, with noise of 0.1."""

    THETA = torch.tensor([0.2, 0.1, -0.1, 0.5, -0.5, 0.3, 1.0, -1.0])
    """Of 1, user (2), item (2), cosine, profile * item (2)."""

    def __init__(self, seed: int, users: int = 16, noise: float = 0.1) -> None:
        self.users, self.noise = users, noise
        self.generator = torch.Generator().manual_seed(seed)
        self.spec = make_spec(user=2, item=2, candidates=6, slate=2)

    def observe(self) -> Observation:
        return {
            "user": torch.randn((self.users, 2), generator=self.generator),
            "candidates": torch.randn((self.users, 6, 2), generator=self.generator),
        }

    def expected(self, observation: Observation) -> Tensor:
        """Return the expected reward of every candidate, (B, M)."""
        user_B1U, items_BMD = observation["user"].unsqueeze(1), observation["candidates"]
        cosine_BM1 = torch.cosine_similarity(user_B1U, items_BMD, dim=2).unsqueeze(2)
        user_BMU = user_B1U.expand_as(items_BMD)
        rows = torch.cat([torch.ones_like(cosine_BM1), user_BMU, items_BMD, cosine_BM1, user_BMU * items_BMD], dim=2)
        return rows @ self.THETA

    def step(self, observation: Observation, slate_BK: Tensor) -> Transition:
        reward_BK = self.expected(observation).gather(1, slate_BK)
        noise_BK = torch.randn(reward_BK.shape, generator=self.generator)
        return make_step(observation, slate_BK, reward_BK + self.noise * noise_BK)

    def regret(self, observation: Observation, slate_BK: Tensor) -> float:
        """Return what the best slate has more than this one, on average over users."""
        expected_BM = self.expected(observation)
        best_BK = expected_BM.topk(slate_BK.shape[1], dim=1).values
        return float((best_BK - expected_BM.gather(1, slate_BK)).sum(dim=1).mean())


@every_bandit
@pytest.mark.parametrize("refit", [1, 4])
def test_regret_falls_to_nothing_in_a_linear_world(name: str, refit: int) -> None:
    world = Linear(seed=1)
    agent = make_agent(name, world.spec, refit=refit)
    regrets = []
    for _ in range(120):
        observation = world.observe()
        slate_BK = agent.act(observation, explore=True)
        regrets.append(world.regret(observation, slate_BK))
        agent.update(world.step(observation, slate_BK))
    first, last = sum(regrets[:4]) / 4, sum(regrets[-40:]) / 40
    assert first > 0.5
    assert last < 0.03 * first
    torch.testing.assert_close(agent.theta_W.float(), Linear.THETA, atol=0.05, rtol=0)
    assert float(agent.deviation) == pytest.approx(world.noise, rel=0.1)
    observation = world.observe()
    assert world.regret(observation, agent.act(observation, explore=False)) < 0.02


@pytest.mark.parametrize("name", BANDITS)
def test_exploration_finds_the_better_item_that_greed_never_tries(name: str) -> None:
    """Two items of one-hot features: the first pays 0.2, the second 1. Both look the same until one was shown."""
    observation = {"user": torch.zeros(1, 2), "candidates": torch.eye(2).unsqueeze(0)}
    rewards_M = torch.tensor([0.2, 1.0])
    shown = {}
    for alpha in (0.0, 1.0):
        agent = make_agent(name, make_spec(user=2, item=2, candidates=2), alpha=alpha)
        agent.update(make_step(observation, torch.tensor([[0]]), rewards_M[:1].unsqueeze(0)))
        for _ in range(60):
            slate_BK = agent.act(observation, explore=True)
            agent.update(make_step(observation, slate_BK, rewards_M[slate_BK]))
        shown[alpha] = agent.act(observation, explore=False).tolist()
    assert shown == {0.0: [[0]], 1.0: [[1]]}


@every_bandit
def test_rewards_of_another_scale_change_nothing_but_the_scale(name: str) -> None:
    """Alpha counts in deviations: a hundredfold reward is explored for as long."""
    regrets = []
    for factor in (1.0, 100.0):
        world = Linear(seed=1)
        agent = make_agent(name, world.spec)
        total = 0.0
        for _ in range(60):
            observation = world.observe()
            slate_BK = agent.act(observation, explore=True)
            total += world.regret(observation, slate_BK)
            step = world.step(observation, slate_BK)
            response = torch.stack([step.response[..., 0], factor * step.response[..., 1]], dim=2)
            agent.update(dataclasses.replace(step, response=response))
        regrets.append(total)
    assert regrets[1] == pytest.approx(regrets[0], rel=0.5)


@every_bandit
def test_a_bandit_takes_the_nearest_reward(name: str) -> None:
    """It is myopic by nature: in the garden it shows weeds."""
    garden = Garden(128, seed=1)
    agent = build(name, garden.spec, num_users=128, num_steps=60)
    garden.teach(agent, 60)
    assert Garden(2000, seed=2).mean_return(agent) < 1.1 * Garden.session(0)


def test_the_two_keep_the_same_posterior() -> None:
    """What one has learnt the other can go on with."""
    ours, theirs = make_agent("linucb", make_spec()), make_agent("lints", make_spec())
    ours.update(make_step(OBSERVED, SHOWN, REWARDS))
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours.act(OBSERVED, False), theirs.act(OBSERVED, False))


def test_projections_travel_with_the_state() -> None:
    spec = make_spec(user=12, item=6, candidates=5, slate=2)
    generator = torch.Generator().manual_seed(0)
    observation = {
        "user": torch.randn((20, 12), generator=generator),
        "candidates": torch.randn((20, 5, 6), generator=generator),
    }
    agents = [
        LinUCB(spec, BanditSettings(features=3), device=torch.device("cpu"), seed=seed, num_users=2, num_steps=10)
        for seed in (0, 1)
    ]
    step = make_step(observation, random_slate(20, 5, 2, generator), torch.rand((20, 2), generator=generator))
    agents[0].update(step)
    assert not torch.equal(agents[0].features.projections["items"], agents[1].features.projections["items"])
    agents[1].load_state_dict(agents[0].state_dict())
    assert torch.equal(agents[0].act(observation, False), agents[1].act(observation, False))
    narrow = LinUCB(spec, BanditSettings(features=6), device=torch.device("cpu"), seed=0, num_users=2, num_steps=10)
    with pytest.raises(ValueError, match=r"\w+ \w+ \w+"):
        narrow.load_state_dict(agents[0].state_dict())


def test_an_unknown_feedback_is_refused() -> None:
    with pytest.raises(ValueError, match='feedback is "clicks"; known are slate, cascade'):
        BanditSettings(feedback="clicks")
