"""Maximal marginal relevance and the topic cap: by hand, and against the same rules written for one user at a time."""

import itertools
import math
from typing import Any

import pytest
import torch
from sketches import Loop, make_observation, snapshot
from sketches import make_spec as make_sketch
from torch import Tensor
from torch.nn.functional import one_hot

from agents.baselines import Cosine, NoSettings
from agents.rules import MMR, SAMPLE, TopicCapped
from envs.interface import Observation, Spec, Transition


def make_spec(candidates: int, slate: int, item: int = 2, user: int | None = None) -> Spec:
    width = item if user is None else user
    return Spec(
        num_candidates=candidates,
        slate_size=slate,
        num_items=100,
        shapes={"user": (width,), "candidates": (candidates, item), "response": (slate, 2)},
        response_columns=("click", "reward"),
        neutral_response=(0.0, 0.0),
    )


def make(cls: Any, spec: Spec, **settings: Any) -> Any:
    return cls(spec, cls.Settings(**settings), device=torch.device("cpu"), seed=0, num_users=4, num_steps=9)


def at(*degrees: float, length: float = 1.0) -> Tensor:
    """Return vectors of the plane at these angles."""
    angles = torch.tensor([math.radians(degree) for degree in degrees])
    return length * torch.stack([angles.cos(), angles.sin()], dim=1)


PROFILE = at(0.0, length=3.0)
FAN = at(10.0, 12.0, -40.0, 60.0, 100.0).unsqueeze(0)
"""Angles to the profile: 10, 12, 40, 60, 100 degrees."""


@pytest.mark.parametrize(
    ("balance", "expected"),
    [
        # Cosine alone: in order of angle.
        (1.0, [0, 1, 2, 3, 4]),
        # The second: 1 has .5 (cos 12 - cos 2) = -.01, 2 has .5 (cos 40 - cos 50) = .06, 3 has .5 (cos 60 - cos 50) =
        # -.07, 4 has .5 (cos 100 - cos 90) = -.09. The third: 1 has -.01, 3 has -.07 still (its nearest is 0), 4 -.09.
        (0.5, [0, 2, 1, 3, 4]),
        # Novelty counts four times: 1 has .2 cos 12 - .8 cos 2 = -.60, 2 has .2 cos 40 - .8 cos 50 = -.36, 3 has
        # .2 cos 60 - .8 cos 50 = -.41, 4 has .2 cos 100 = -.03. Then 1 -.60, 2 -.36, 3 .1 - .8 cos 40 = -.51.
        (0.2, [0, 4, 2, 3, 1]),
        # Novelty alone: 4 is at a right angle to 0; then 2 is 50 degrees from 0, 3 is 40 from 4, 1 is 2 from 0.
        (0.0, [0, 4, 2, 3, 1]),
    ],
)
def test_mmr_weighs_nearness_to_the_profile_against_nearness_to_the_slate(balance: float, expected: list[int]) -> None:
    agent = make(MMR, make_spec(5, 5), balance=balance)
    lengths = torch.tensor([1.0, 5.0, 0.2, 2.0, 9.0]).view(1, 5, 1)
    for candidates in (FAN, FAN * lengths):
        assert agent.act({"user": PROFILE, "candidates": candidates}, explore=False)[0].tolist() == expected


def test_the_profile_is_the_first_entries_of_the_user() -> None:
    agent = make(MMR, make_spec(5, 2, user=4), balance=1.0)
    user = torch.cat([at(100.0), torch.tensor([[50.0, -50.0]])], dim=1)
    assert agent.act({"user": user, "candidates": FAN}, explore=True)[0].tolist() == [4, 3]


def mmr_of_one(profile_D: Tensor, candidates_MD: Tensor, balance: float, slate_size: int) -> list[int]:
    """Return the slate of one user, item by item."""

    def cosine(one: Tensor, other: Tensor) -> float:
        return float(one @ other / (one.norm() * other.norm()))

    slate: list[int] = []
    while len(slate) < slate_size:

        def score(item: int) -> float:
            relevance = cosine(profile_D, candidates_MD[item])
            if not slate:
                return relevance
            redundancy = max(cosine(candidates_MD[item], candidates_MD[other]) for other in slate)
            return balance * relevance - (1 - balance) * redundancy

        slate.append(max((item for item in range(len(candidates_MD)) if item not in slate), key=score))
    return slate


@pytest.mark.parametrize("balance", [0.0, 0.3, 0.7, 1.0])
def test_mmr_of_a_batch_is_that_of_every_user_alone(balance: float) -> None:
    generator = torch.Generator().manual_seed(0)
    observation = {
        "user": torch.randn((30, 7), generator=generator),
        "candidates": torch.randn((30, 9, 4), generator=generator),
    }
    slate_BK = make(MMR, make_spec(9, 5, item=4, user=7), balance=balance).act(observation, explore=False)
    expected = [
        mmr_of_one(user[:4], candidates, balance, 5)
        for user, candidates in zip(observation["user"], observation["candidates"], strict=True)
    ]
    assert slate_BK.tolist() == expected


def test_mmr_with_all_its_weight_on_relevance_is_cosine() -> None:
    spec = make_sketch(candidates=8, slate=4)
    observation = make_observation(spec, 50, torch.Generator().manual_seed(0))
    cosine = Cosine(spec, NoSettings(), device=torch.device("cpu"), seed=0, num_users=1, num_steps=1)
    assert torch.equal(make(MMR, spec, balance=1.0).act(observation, False), cosine.act(observation, False))
    assert not torch.equal(make(MMR, spec).act(observation, False), cosine.act(observation, False))


@pytest.mark.parametrize("cls", [MMR, TopicCapped])
def test_items_and_profiles_without_a_direction_do_no_harm(cls: Any) -> None:
    agent = make(cls, make_spec(4, 4))
    for user, candidates in ((torch.zeros(1, 2), FAN[:, :4]), (PROFILE, torch.zeros(1, 4, 2))):
        slate = agent.act({"user": user, "candidates": candidates}, False)[0].tolist()
        assert sorted(slate) == [0, 1, 2, 3]


def offer(topics: list[int], cosines: list[float], number: int = 3) -> Observation:
    """Return one-hot items of these topics and a profile that has these cosines with them, up to its length."""
    profile = torch.zeros(number)
    for topic, cosine in zip(topics, cosines, strict=True):
        profile[topic] = cosine
    return {"user": profile.unsqueeze(0), "candidates": one_hot(torch.tensor(topics), number).float().unsqueeze(0)}


def shown_topics(slate_BK: Tensor, observation: Observation) -> list[int]:
    topic_BM = observation["candidates"].argmax(dim=2)
    return topic_BM.gather(1, slate_BK)[0].tolist()


@pytest.mark.parametrize(
    ("cap", "slate", "expected"),
    [
        (1, 3, [2, 0, 1]),
        (2, 4, [2, 2, 0, 1]),
        (3, 4, [2, 2, 2, 0]),
        # Six of topic 2, one each of 0 and 1: with a cap of 2 four can be shown, and the fifth must be of topic 2.
        (2, 5, [2, 2, 0, 1, 2]),
        # All eight must be shown: the cap is raised as often as it takes.
        (1, 8, [2, 0, 1, 2, 2, 2, 2, 2]),
    ],
)
def test_the_cap_holds_and_is_raised_only_where_the_slate_cannot_be_filled(
    cap: int, slate: int, expected: list[int]
) -> None:
    observation = offer([2, 2, 0, 2, 2, 1, 2, 2], [0.9, 0.9, 0.3, 0.9, 0.9, 0.2, 0.9, 0.9])
    agent = make(TopicCapped, make_spec(8, slate, item=3), cap=cap)
    assert shown_topics(agent.act(observation, explore=False), observation) == expected


def test_the_cap_is_raised_for_all_topics_alike() -> None:
    """Three of topic 0, three of 1, cap 1: the third slot is again of 0, the fourth of 1, though 0 is nearer."""
    observation = offer([0, 1, 0, 1, 0, 1], [0.8, 0.4, 0.8, 0.4, 0.8, 0.4], number=2)
    for slate, expected in ((3, [0, 1, 0]), (4, [0, 1, 0, 1]), (5, [0, 1, 0, 1, 0])):
        agent = make(TopicCapped, make_spec(6, slate), cap=1)
        assert shown_topics(agent.act(observation, explore=True), observation) == expected


@pytest.mark.parametrize("cap", [1, 2, 3])
def test_of_each_topic_the_nearest_are_shown_and_no_more_than_need_be(cap: int) -> None:
    """Features are mixtures: the topic is the largest, the cosines of one topic differ."""
    generator = torch.Generator().manual_seed(cap)
    observation = {
        "user": torch.rand((200, 4), generator=generator),
        "candidates": torch.rand((200, 8, 4), generator=generator),
    }
    slate_BK = make(TopicCapped, make_spec(8, 5, item=4), cap=cap).act(observation, explore=False)
    topic_BM = observation["candidates"].argmax(dim=2)
    cosine_BM = torch.cosine_similarity(observation["user"].unsqueeze(1), observation["candidates"], dim=2)
    raised = 0
    for slate, topics, cosines in zip(slate_BK.tolist(), topic_BM.tolist(), cosine_BM.tolist(), strict=True):
        offered = [topics.count(topic) for topic in range(4)]
        needed = next(c for c in itertools.count(cap) if sum(min(number, c) for number in offered) >= 5)
        raised += needed > cap
        held = [topics[item] for item in slate]
        assert max(held.count(topic) for topic in range(4)) <= needed
        for item in set(range(8)) - set(slate):
            nearer = [other for other in slate if topics[other] == topics[item]]
            assert all(cosines[other] >= cosines[item] for other in nearer)
        order = sorted(range(8), key=lambda item: -cosines[item])
        expected: list[int] = []
        for limit in range(cap, needed + 1):
            for item in order:
                same = sum(topics[other] == topics[item] for other in expected)
                if item not in expected and same < limit and len(expected) < 5:
                    expected.append(item)
        assert slate == expected
    assert raised > 0 or cap == 3


def blobs(spec: Spec, batch: int, generator: torch.Generator) -> tuple[Observation, Tensor]:
    """Draw items of three groups whose largest feature says nothing of the group; return them too."""
    centres = torch.tensor([[10.0, 9.9], [30.0, 30.1], [-20.0, -20.0]])
    group_BM = torch.randint(3, (batch, spec.num_candidates), generator=generator)
    candidates = centres[group_BM] + torch.randn((batch, spec.num_candidates, 2), generator=generator)
    return {"user": torch.randn((batch, 2), generator=generator), "candidates": candidates}, group_BM


def step(observation: Observation, slate_BK: Tensor) -> Transition:
    """Return a step in which nobody clicked."""
    batch = len(slate_BK)
    return Transition(
        observation=observation,
        slate=slate_BK,
        response=torch.zeros((*slate_BK.shape, 2)),
        reward=torch.zeros(batch),
        discount=torch.ones(batch),
        last=torch.zeros(batch, dtype=torch.bool),
        next_observation=observation,
    )


def warmed_up(spec: Spec, observations: list[Observation], **settings: Any) -> TopicCapped:
    agent: TopicCapped = make(TopicCapped, spec, warmup=len(observations), **settings)
    for observation in observations:
        assert agent.update(step(observation, agent.act(observation, explore=True))) == {}
    return agent


def test_after_the_warm_up_topics_are_clusters_and_before_it_the_largest_feature() -> None:
    spec, generator = make_spec(9, 3), torch.Generator().manual_seed(0)
    drawn = [blobs(spec, 16, generator)[0] for _ in range(3)]
    observation, group_BM = blobs(spec, 100, generator)
    before = make(TopicCapped, spec, topics=3, warmup=3)
    assert torch.equal(before._topics(observation["candidates"]), observation["candidates"].argmax(dim=2))
    after = warmed_up(spec, drawn, topics=3)
    topic_BM = after._topics(observation["candidates"])
    names = [{int(topic) for topic in topic_BM[group_BM == group]} for group in range(3)]
    assert sorted(len(name) for name in names) == [1, 1, 1]
    assert len(set.union(*names)) == 3


def test_one_hot_features_stay_topics_though_clusters_are_fewer() -> None:
    spec, generator = make_spec(8, 4, item=5), torch.Generator().manual_seed(0)
    drawn = [
        {
            "user": torch.randn((16, 5), generator=generator),
            "candidates": one_hot(torch.randint(5, (16, 8), generator=generator), 5).float(),
        }
        for _ in range(2)
    ]
    agent = warmed_up(spec, drawn, topics=2, cap=1)
    assert bool(agent.largest)
    assert torch.equal(agent._topics(drawn[0]["candidates"]), drawn[0]["candidates"].argmax(dim=2))


def test_features_that_are_nearly_one_hot_are_clustered() -> None:
    spec = make_spec(8, 4, item=5)
    candidates = one_hot(torch.randint(5, (16, 8), generator=torch.Generator().manual_seed(0)), 5).float()
    candidates[0, 0] *= 0.5
    drawn = [{"user": torch.ones(16, 5), "candidates": candidates} for _ in range(40)]
    assert not bool(warmed_up(spec, drawn, topics=2).largest)


def test_the_warm_up_keeps_a_sample_of_each_step_and_nothing_afterwards() -> None:
    spec = make_sketch()
    agent = make(TopicCapped, spec, warmup=3)
    loop = Loop(spec)
    loop.steps(agent, 2)
    held = {name: value for name, value in agent.state_dict().items() if name.startswith("seen")}
    assert {name: value.shape for name, value in held.items()} == {"seen.0": (SAMPLE, 3), "seen.1": (SAMPLE, 3)}
    loop.steps(agent, 1)
    after = snapshot(agent)
    assert not any(name.startswith("seen") for name in after)
    loop.steps(agent, 5)
    assert torch.equal(agent.state_dict()["centroids"], after["centroids"])
    assert torch.equal(agent.state_dict()["generator"], after["generator"])


def test_the_topics_of_a_slate_are_counted() -> None:
    observation = offer([2, 2, 0, 2, 2, 1, 2, 2], [0.9, 0.9, 0.3, 0.9, 0.9, 0.2, 0.9, 0.9])
    spec = make_spec(8, 3, item=3)
    for cap, expected in ((1, 3.0), (2, 2.0), (3, 1.0)):
        agent = warmed_up(spec, [observation], cap=cap)
        learnt = agent.update(step(observation, agent.act(observation, explore=True)))
        assert float(learnt["train/topics"]) == expected


def test_topics_of_another_number_are_refused() -> None:
    ours, theirs = make(TopicCapped, make_sketch(), topics=4), make(TopicCapped, make_sketch(), topics=5)
    with pytest.raises(ValueError, match=r'the saved "centroids" is \(5, 3\), this agent.s \(4, 3\)'):
        ours.load_state_dict(theirs.state_dict())
