"""What is on offer in News-v0: published, young and unseen articles."""

import pytest
import torch
from readers import FIRST, HOUR, NEVER, SLATE, build, noise, reader

from envs.news.simulator import News
from envs.slates import random_slate


@pytest.mark.parametrize("source", ["random", "cosine", "cosine_explore"])
def test_only_published_young_and_unseen_articles_are_offered(source: str) -> None:
    simulator, generator = build(candidate_source=source), torch.Generator().manual_seed(0)
    users = simulator.sample_users(16, "train", generator)
    state = simulator.start(users, simulator.start_noise(16, generator))
    for _ in range(100):
        slate_BK = random_slate(16, 30, 5, generator)
        state, outcome = simulator.step(state, slate_BK, simulator.step_noise(16, generator))
        assert not outcome.metrics["repeats"].any()
        age_BM = state["clock"].unsqueeze(1) - simulator.world.items.hours[state["candidates"]]
        assert age_BM.min() >= 0
        # Once nothing more is published, the archive opens for who has seen almost all of the last day and a half.
        assert age_BM[state["clock"] < 140].max() <= 36
        assert not state["seen"].gather(1, state["candidates"]).any()
        assert torch.equal(state["seen"].sum(dim=1), state["shown"])


def test_exploration_draws_from_what_is_on_offer(news: News) -> None:
    generator = torch.Generator().manual_seed(0)
    users = news.sample_users(64, "train", generator)
    state = news.start(users, news.start_noise(64, generator))
    closed_BN = news.offer.closed(state, None)
    near_BM = (state["profile"] @ news.view.vectors.T).masked_fill(closed_BN, -2).topk(30, dim=1).indices
    assert torch.equal(state["candidates"][:, :20].sort(dim=1).values, near_BM[:, :20].sort(dim=1).values)
    explored_BE = state["candidates"][:, 20:]
    also_near = (explored_BE.unsqueeze(2) == near_BM.unsqueeze(1)).any(dim=2).float().mean()
    assert also_near < 0.1
    age_BE = state["clock"].unsqueeze(1) - news.world.items.hours[explored_BE]
    assert age_BE.max() > 30
    assert age_BE.min() < 2


def test_the_archive_opens_to_who_has_seen_all_that_is_young() -> None:
    simulator = build(max_age=1.0)
    state = reader(simulator)
    first, end = (int(edge) for edge in simulator.offer.window(state))
    assert end - first == 30
    hours = simulator.world.items.hours
    assert float(hours[end - 1]) <= HOUR < float(hours[end])
    for _ in range(20):
        state, outcome = simulator.step(state, SLATE, noise(simulator, NEVER))
        assert outcome.metrics["repeats"].tolist() == [0]
    assert state["shown"].tolist() == [100]


def test_when_every_published_article_is_seen_all_are_offered_again() -> None:
    simulator = build(minutes_per_slate=0.0)
    state, generator = reader(simulator, clock=24.0), torch.Generator().manual_seed(0)
    published, started_over = int((simulator.world.items.hours <= 24).sum()), 0
    for _ in range(published // 5 + 10):
        before = state["shown"].item()
        state, _ = simulator.step(state, random_slate(1, 30, 5, generator), simulator.step_noise(1, generator))
        assert state["shown"].item() == int(state["seen"].sum())
        assert published - state["shown"].item() >= 30
        started_over += int(state["shown"].item() < before)
    assert started_over == 1


def test_of_the_whole_week_only_what_is_on_offer_can_be_clicked() -> None:
    simulator = build(candidate_source="all")
    spec, state = simulator.spec, reader(simulator)
    assert spec.num_candidates == spec.num_items
    hours = simulator.world.items.hours
    young, old, coming = (int((hours <= edge).sum()) - 1 for edge in (HOUR, HOUR - 37, HOUR + 0.2))
    assert hours[coming] > HOUR
    edges = torch.tensor([[young, young + 1]])
    assert simulator.offer.closed(state, edges).tolist() == [[False, True]]
    after, outcome = simulator.step(state, torch.tensor([[coming, old, young, young, 3000]]), noise(simulator, FIRST))
    assert outcome.response[0, :, 0].tolist() == [0, 0, 1, 0, 0]
    assert outcome.metrics["repeats"].tolist() == [4]
    assert after["seen"][0].nonzero().flatten().tolist() == [young]
    assert after["shown"].tolist() == [1]
    again, outcome = simulator.step(after, torch.tensor([[young, old, coming, 0, 1]]), noise(simulator, FIRST))
    assert outcome.response[0, :, 0].tolist() == [0, 0, 1, 0, 0]
    for policy in simulator.POLICIES.values():
        assert not simulator.offer.closed(again, policy(simulator, again)).any()


def test_the_best_article_is_the_open_one_of_the_highest_logit(news: News) -> None:
    generator = torch.Generator().manual_seed(1)
    users = news.sample_users(20, "test", generator)
    state = news.start(users, news.start_noise(20, generator))
    best_B, hours_N = news.best_items(state), news.world.items.hours
    age_B = state["clock"] - hours_N[best_B]
    assert ((age_B >= 0) & (age_B <= 36)).all()
    logits_BN = news.world.appeal(state, None)
    hours_B1 = state["clock"].unsqueeze(1)
    open_BN = (hours_N <= hours_B1) & (hours_N >= hours_B1 - 36)
    assert torch.equal(best_B, torch.where(open_BN, logits_BN, -1e9).argmax(dim=1))
    state["seen"] = state["seen"].scatter(1, best_B.unsqueeze(1), True)
    assert (news.best_items(state) != best_B).all()
