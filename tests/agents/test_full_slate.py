"""Full-slate DQN: every slate there is, the best of them by brute force, and how many are too many."""

import itertools
import math
from typing import Any

import pytest
import torch
from sketches import Loop, build, make_observation, make_spec
from torch import Tensor

from agents import full_slate
from agents.full_slate import FullSlate, WholeSlates, all_slates, incidence
from envs.interface import Observation, Transition


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize(("candidates", "slate"), [(4, 1), (5, 2), (6, 3), (3, 3)])
def test_every_slate_is_there_once(candidates: int, slate: int, ordered: bool) -> None:
    table_AK = all_slates(candidates, slate, ordered)
    count = math.perm(candidates, slate) if ordered else math.comb(candidates, slate)
    assert table_AK.shape == (count, slate)
    kept = {tuple(row) if ordered else frozenset(row) for row in table_AK.tolist()}
    assert len(kept) == count
    assert all(len(set(row)) == slate for row in table_AK.tolist())


def test_the_incidence_sums_the_right_slots() -> None:
    table_AK = torch.tensor([[0, 2], [2, 0], [1, 2]])
    root = 2**-0.5
    assert incidence(table_AK, 3, ordered=False).tolist() == [
        pytest.approx([root, 0, root]),
        pytest.approx([root, 0, root]),
        pytest.approx([0, root, root]),
    ]
    ordered_AX = incidence(table_AK, 3, ordered=True)
    assert ordered_AX.shape == (3, 6)
    assert [row.nonzero().flatten().tolist() for row in ordered_AX] == [[0, 5], [1, 4], [2, 5]]


def trained(*, ordered: bool, candidates: int = 5, slate: int = 2, steps: int = 24, **settings: Any) -> FullSlate:
    spec = make_spec(candidates=candidates, slate=slate)
    agent = build("dqn_slate", spec, ordered=ordered, reward_scale=1.0, learning_rate=0.02, **settings)
    assert isinstance(agent, FullSlate)
    Loop(spec).steps(agent, steps)
    return agent


def value_one_by_one(agent: FullSlate, observation: Observation, slate: tuple[int, ...]) -> Tensor:
    slate_BK = torch.tensor([slate]).expand(len(observation["user"]), -1)
    with torch.no_grad():
        return agent.values.value(agent.learner.network, agent.values.row(observation, slate_BK))


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("part", [1, 200, 2**22])
@pytest.mark.parametrize("slate", [1, 2, 3])
def test_the_best_slate_is_that_of_brute_force(
    ordered: bool, part: int, slate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many slates are worked out at once."""
    agent = trained(ordered=ordered, slate=slate)
    observation = make_observation(agent.spec, 20, torch.Generator().manual_seed(3))
    every = list(itertools.permutations(range(5), slate))
    value_BA = torch.stack([value_one_by_one(agent, observation, one) for one in every], dim=1)
    assert float(value_BA.std(dim=1).mean()) > 1e-3
    monkeypatch.setattr(full_slate, "PART", part)
    slate_BK, value_B = agent.values.best(agent.learner.network, observation)
    torch.testing.assert_close(value_B, value_BA.amax(dim=1), atol=1e-5, rtol=1e-5)
    best = [every[int(index)] for index in value_BA.argmax(dim=1)]
    for ours, theirs in zip(slate_BK.tolist(), best, strict=True):
        assert tuple(ours) == theirs if ordered else set(ours) == set(theirs)


def test_the_order_of_a_slate_counts_only_where_slots_differ() -> None:
    for ordered in (False, True):
        agent = trained(ordered=ordered)
        observation = make_observation(agent.spec, 20, torch.Generator().manual_seed(3))
        one, other = (value_one_by_one(agent, observation, slate) for slate in ((1, 4), (4, 1)))
        assert torch.allclose(one, other, atol=1e-6) != ordered


def test_a_slate_is_more_than_the_sum_of_its_items() -> None:
    """Q(01) + Q(23) = Q(03) + Q(12) for every additive value; two items that go together break it."""
    agent = trained(ordered=False)
    observation = make_observation(agent.spec, 20, torch.Generator().manual_seed(3))
    pairs = {pair: value_one_by_one(agent, observation, pair) for pair in ((0, 1), (2, 3), (0, 3), (1, 2))}
    assert float((pairs[0, 1] + pairs[2, 3] - pairs[0, 3] - pairs[1, 2]).abs().max()) > 1e-3


def test_a_pair_that_pays_only_together_is_found() -> None:
    """Items 0 and 1 pay 1 together; each with another pays 0, and any other pair 0.5."""
    spec = make_spec(candidates=4, slate=2)
    settings: dict[str, Any] = {"rollout": 1, "discount": 0.0, "reward_scale": 1.0, "minibatch": 64, "hidden": 32}
    agent = build("dqn_slate", spec, num_users=64, num_steps=200, **settings)
    ids = torch.arange(4).expand(64, 4)
    generator = torch.Generator().manual_seed(0)
    observation = make_observation(spec, 64, generator) | {"candidate_ids": ids, "candidates": torch.zeros(64, 4, 3)}
    for _ in range(200):
        slate_BK = agent.act(observation, explore=True)
        odd_B = (slate_BK < 2).sum(dim=1)
        reward_B = torch.tensor([0.5, 0.0, 1.0])[odd_B]
        ends_B = torch.ones(64, dtype=torch.bool)
        response = torch.zeros(64, 2, 2)
        agent.update(
            Transition(
                observation=observation,
                slate=slate_BK,
                response=response,
                reward=reward_B,
                discount=torch.zeros(64),
                last=ends_B,
                next_observation=observation,
            )
        )
    assert set(map(tuple, agent.act(observation, explore=False).sort(dim=1).values.tolist())) == {(0, 1)}


def test_what_is_not_on_offer_next_is_not_looked_at() -> None:
    agent = trained(ordered=False, steps=12)
    observation = make_observation(agent.spec, 6, torch.Generator().manual_seed(5))
    _, value_B = agent.values.best(agent.learner.network, observation)
    network: Any = agent.learner.network
    absent = sorted(set(range(20)) - set(observation["candidate_ids"][0].tolist()))
    with torch.no_grad():
        network.embedding.weight[0, absent] = 50.0
    _, again_B = agent.values.best(agent.learner.network, observation)
    assert float(again_B[0]) == float(value_B[0])


def test_too_many_slates_are_refused_with_their_number() -> None:
    spec = make_spec(candidates=30, slate=5)
    sentence = "there are 142,506 sets of 5 out of 30 candidates, more than max_slates, 1,000; offer fewer candidates"
    with pytest.raises(ValueError, match=sentence):
        build("dqn_slate", spec)
    with pytest.raises(ValueError, match="there are 17,100,720 sequences of 5 out of 30 candidates"):
        build("dqn_slate", spec, ordered=True)
    with pytest.raises(ValueError, match="there are 15 sets of 2 out of 6 candidates, more than max_slates, 14"):
        build("dqn_slate", make_spec(), max_slates=14)
    build("dqn_slate", make_spec(), max_slates=15)


def test_no_table_is_made_of_slates_that_are_refused() -> None:
    """The number of slates of Boredom-v0 has 24 digits: it is counted, not listed."""
    with pytest.raises(ValueError, match="there are 263,409,560,461,970,212,832,400 sets of 10"):
        build("dqn_slate", make_spec(candidates=1000, slate=10))


def test_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="network is two_tower; it has to be action_in"):
        build("dqn_slate", make_spec(), network="two_tower")


def test_slates_are_on_the_agents_device() -> None:
    agent = trained(ordered=True, steps=0)
    assert isinstance(agent.values, WholeSlates)
    assert agent.values.table_AK.device == agent.learner.device
