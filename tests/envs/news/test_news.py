"""The rules of News-v0, by hand: time, clickbait and trust, what is on offer, and what its reference policies earn."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import envs
from encoders.errors import UsageError
from envs.interface import Policy
from envs.news.catalog import PERSONAS, generate_catalog, generate_personas
from envs.news.items import LOUD
from envs.news.settings import NewsSettings
from envs.news.simulator import News
from envs.news.words import EVENTS, LURES, OUTLETS, SECTIONS
from envs.simulator import SPLITS, State
from envs.slates import random_slate
from envs.vector import SlateVectorEnv

NEVER = 1 - 2.0**-24
"""The uniform draw that clicks nothing."""
FIRST = 0.0
"""The uniform draw that clicks the first slot."""
SLATE = torch.tensor([[0, 1, 2, 3, 4]])
HOUR = 60.0


@pytest.fixture
def news(kernel: Callable[[str], Any]) -> News:
    simulator: News = kernel(envs.ENVIRONMENTS["slatelab/News-v0"])
    return simulator


@pytest.fixture
def control(kernel: Callable[[str], Any]) -> News:
    simulator: News = kernel(envs.ENVIRONMENTS["slatelab/NewsMyopic-v0"])
    return simulator


def _user(simulator: News, clock: float = HOUR, taste: float = 0.0) -> State:
    """Return one ordinary user with the same taste for every section and the profile of article 0."""
    generator = torch.Generator().manual_seed(0)
    users = simulator.sample_users(1, "train", generator)
    users["taste"] = torch.full_like(users["taste"], taste)
    users["lure"] = torch.ones(1)
    users["clock"] = torch.tensor([clock])
    users["profile"] = simulator.items.vectors[:1].clone()
    return simulator.start(users, simulator.start_noise(1, generator))


def _noise(simulator: News, choice: float, minutes: float = 0.0) -> dict[str, Tensor]:
    noise = simulator.step_noise(1, torch.Generator().manual_seed(0))
    return noise | {"choice": torch.tensor([[choice]]), "minutes": torch.tensor([minutes])}


def _with_article(state: State, item: int) -> State:
    """Put an article in front of the candidates."""
    others = state["candidates"][0]
    others = others[others != item][: len(others) - 1]
    return state | {"candidates": torch.cat([torch.tensor([item]), others]).unsqueeze(0)}


def _open_item(simulator: News, state: State, mask_N: Tensor) -> int:
    """Return an article on offer that the mask allows."""
    return int((mask_N & ~simulator.offer.closed(state, None)[0]).nonzero()[0])


def _build(**settings: Any) -> News:
    simulator: News = envs.make_simulator("envs.news.simulator:News", "cpu", **{"encoder": "tiny"} | settings)
    return simulator


# time


def test_freshness_decays_from_publication_and_is_nothing_before_it(news: News) -> None:
    items = torch.tensor([[500, 1000, 2500]])
    hours = news.items.hours[items[0]].tolist()
    clock = hours[1] + 8.0
    fresh, _ = news.items.timing(torch.tensor([clock]), items)
    expected = [math.exp(-(clock - hours[0]) / 8), math.exp(-1), 0.0]
    torch.testing.assert_close(fresh[0], torch.tensor(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("offset", "burst"), [(-12.0, math.exp(-2)), (0.0, 1.0), (5.0, math.exp(-0.5))])
def test_an_event_rises_before_its_hour_and_falls_after_it(news: News, offset: float, burst: float) -> None:
    events = torch.as_tensor(generate_catalog().events)
    final = next(row for row, event in enumerate(EVENTS) if event.name == "the cup final")
    items = torch.stack([(events == final).nonzero()[0, 0], (events == -1).nonzero()[0, 0]]).unsqueeze(0)
    _, bursts = news.items.timing(torch.tensor([EVENTS[final].hour + offset]), items)
    torch.testing.assert_close(bursts, torch.tensor([[burst, 0.0]]))


def test_the_whole_catalogue_has_the_hours_and_logits_of_its_articles(news: News) -> None:
    state = _user(news, taste=0.3)
    everything = torch.arange(news.spec.num_items).unsqueeze(0)
    for whole, listed in zip(
        news.items.timing(state["clock"], None), news.items.timing(state["clock"], everything), strict=True
    ):
        torch.testing.assert_close(whole, listed)
    torch.testing.assert_close(news.appeal(state, None), news.appeal(state, everything), atol=1e-5, rtol=1e-5)


def test_every_slate_moves_the_clock_a_quarter_of_an_hour(news: News) -> None:
    state = _user(news)
    after, _ = news.step(state, SLATE, _noise(news, NEVER))
    assert after["clock"].tolist() == [HOUR + 0.25]
    observed = news.observe(after)
    torch.testing.assert_close(observed["user"][0, -1], torch.tensor(60.25 / 168))
    turn = 2 * math.pi * 60.25 / 24
    torch.testing.assert_close(observed["user"][0, -3:-1], torch.tensor([math.sin(turn), math.cos(turn)]))


def test_features_tell_the_hour_of_each_slate_in_rows_of_one_length(news: News) -> None:
    state = _user(news)
    after, _ = news.step(state, SLATE, _noise(news, NEVER))
    before, later = news.observe(state), news.observe(after)
    torch.testing.assert_close(later["slate_items"], before["candidates"][:, :5])
    for observed in (before, later):
        torch.testing.assert_close(observed["candidates"].norm(dim=2), torch.full((1, 30), math.sqrt(3)))
        torch.testing.assert_close(observed["candidates"][..., :32], news.items.vectors[observed["candidate_ids"]])
    assert not before["user"][0, 32:36].any()
    fresh, burst = news.items.timing(after["clock"], after["candidates"])
    torch.testing.assert_close(later["candidates"][..., 32], fresh)
    torch.testing.assert_close(later["candidates"][..., 34], burst)


# clicks


def test_the_click_logit_is_the_documented_sum(news: News) -> None:
    state, items = _user(news, taste=0.5), news.items
    state |= {"trust": torch.tensor([0.8]), "lure": torch.tensor([1.4])}
    state["fatigue"] = torch.zeros_like(state["fatigue"]).index_fill(1, torch.tensor([4]), 0.5)
    chosen = torch.tensor([[3, 700, 1100, 1101]])
    logits, (fresh, burst) = news.appeal(state, chosen), items.timing(state["clock"], chosen)
    for column, item in enumerate(chosen[0].tolist()):
        expected = (
            3 * float(items.vectors[0] @ items.vectors[item])
            + 3 * fresh[0, column].item()
            + 2.5 * burst[0, column].item()
            + 2.5 * 1.4 * 0.8 * items.clickbait[item].item()
            + 0.5 * items.sections[item].sum().item()
            - 2 * 0.5 * items.sections[item, 4].item()
            + 2 * (0.8 - 0.6)
        )
        assert logits[0, column].item() == pytest.approx(expected, abs=1e-5)


def test_click_chances_are_those_of_the_logits(news: News) -> None:
    state = _user(news)
    weights = [math.exp(logit) for logit in news.appeal(state, state["candidates"].gather(1, SLATE))[0].tolist()]
    edge = weights[0] / (sum(weights) + math.exp(4.5))
    for uniform, clicks in ((edge - 1e-4, [1, 0]), (edge + 1e-4, [0, 1])):
        _, outcome = news.step(state, SLATE, _noise(news, uniform))
        assert outcome.response[0, :2, 0].tolist() == clicks


def test_trust_raises_every_logit_and_clickbait_most(news: News) -> None:
    state = _user(news)
    low, high = (news.appeal(state | {"trust": torch.tensor([trust])}, None)[0] for trust in (0.3, 0.9))
    torch.testing.assert_close(high - low, 2 * 0.6 + 2.5 * 0.6 * news.items.clickbait, atol=1e-5, rtol=1e-5)


# what a click does


def test_a_click_on_a_deep_article_restores_trust_and_moves_everything_else(news: News) -> None:
    state, items = _user(news, taste=0.2), news.items
    item = _open_item(news, state, (items.clickbait == 0) & (items.depth > 1.0))
    state = _with_article(state, item) | {"trust": torch.tensor([0.7]), "patience": torch.tensor([5.0])}
    state |= {name: torch.full_like(state[name], 0.1) for name in ("fatigue", "recent", "valued", "progress")}
    after, outcome = news.step(state, SLATE, _noise(news, FIRST, minutes=1.0))
    z = math.tanh(0.6 * items.depth[item].item() + 0.3 * 0.2 * items.sections[item].sum().item())
    minutes, verdict, trust = 2 * math.exp(z + 0.3), z + 0.3, 0.7 + 0.1 * 0.3 * z
    assert z > 0.5
    assert outcome.metrics["satisfaction"].item() == pytest.approx(z, abs=1e-5)
    torch.testing.assert_close(outcome.response[0, 0], torch.tensor([1.0, 1.0, minutes]))
    assert not outcome.response[0, 1:].any()
    assert outcome.reward.tolist() == [1]
    assert after["trust"].item() == pytest.approx(trust, abs=1e-6)
    assert after["patience"].item() == pytest.approx(5 - math.exp(-3 * (trust - 0.6)), abs=1e-5)
    torch.testing.assert_close(after["fatigue"][0], 0.08 + 0.2 * items.sections[item])
    profile = 0.95 * items.vectors[0] + 0.05 * items.vectors[item]
    torch.testing.assert_close(after["profile"][0], profile / profile.norm())
    torch.testing.assert_close(after["recent"][0], 0.08 + 0.2 * items.vectors[item])
    torch.testing.assert_close(after["valued"][0], 0.095 + 0.05 * verdict * items.vectors[item])
    traces = [0.12, 0.08 + 0.2, 0.095 + 0.05, 0.08 + 0.2 * verdict, 0.095 + 0.05 * verdict, 0.095]
    torch.testing.assert_close(after["progress"][0], torch.tensor(traces))


def test_a_click_on_clickbait_costs_trust(news: News) -> None:
    state, items = _user(news), news.items
    item = _open_item(news, state, (items.clickbait == 1) & (items.depth < 0))
    after, outcome = news.step(_with_article(state, item), SLATE, _noise(news, FIRST))
    z = math.tanh(0.6 * items.depth[item].item() - 1.5)
    assert outcome.reward.tolist() == [1]
    assert outcome.metrics["clickbait"].tolist() == [1]
    assert outcome.response[0, 0, 2].item() == pytest.approx(2 * math.exp(z), abs=1e-5)
    assert after["trust"].item() == pytest.approx(0.6 + 0.12 * 0.6 * z, abs=1e-6)
    torch.testing.assert_close(after["progress"][0, 3:], torch.tensor([0.2 * z, 0.05 * z, 0.05 * z]))


def test_without_a_click_lost_trust_recovers_slowly_and_time_passes(news: News) -> None:
    state = _user(news)
    state |= {"trust": torch.tensor([0.4]), "fatigue": torch.full_like(state["fatigue"], 0.5)}
    after, outcome = news.step(state, SLATE, _noise(news, NEVER))
    assert outcome.reward.tolist() == [0]
    assert not outcome.response.any()
    assert after["trust"].item() == pytest.approx(0.4 + 0.01 * 0.2)
    assert after["patience"].item() == pytest.approx(24 - math.exp(3 * 0.198), abs=1e-5)
    torch.testing.assert_close(after["fatigue"], 0.8 * state["fatigue"])
    torch.testing.assert_close(after["profile"], state["profile"])
    torch.testing.assert_close(after["progress"], torch.tensor([[0.02, 0, 0, 0, 0, 0]]))
    trusting, _ = news.step(state | {"trust": torch.tensor([0.8])}, SLATE, _noise(news, NEVER))
    assert trusting["trust"].item() == pytest.approx(0.8)


def test_satisfaction_falls_with_clickbait_and_rises_with_depth(news: News) -> None:
    state, items = _user(news), news.items
    everything = torch.arange(news.spec.num_items).unsqueeze(0)
    z_N = news.satisfaction(state, everything)[0]
    for strength in (0.0, 1.0):
        alike = (items.clickbait == strength).nonzero()[:, 0]
        by_depth = z_N[alike[items.depth[alike].argsort()]]
        assert (by_depth.diff() >= 0).all()
    torch.testing.assert_close(z_N.atanh(), 0.6 * items.depth - 1.5 * items.clickbait, atol=1e-3, rtol=1e-3)
    change = news.trust_change(torch.tensor(0.6), z_N)
    assert (change.sign() == z_N.sign()).all()


def test_trust_stays_between_0_and_1_whatever_is_read(news: News) -> None:
    satisfaction = torch.tensor([-1.0, 1.0])
    trust = torch.tensor([0.6, 0.6])
    for _ in range(2000):
        trust = trust + news.trust_change(trust, satisfaction)
    assert 0 <= trust[0] < 1e-3
    assert 1 - 1e-3 < trust[1] <= 1


@pytest.mark.parametrize(("patience", "left"), [(0.99, True), (1.01, False)])
def test_a_user_leaves_when_patience_is_used_up(news: News, patience: float, left: bool) -> None:
    state = _user(news) | {"patience": torch.tensor([patience])}
    _, outcome = news.step(state, SLATE, _noise(news, NEVER))
    assert outcome.left.tolist() == [left]


def test_what_is_hidden_cannot_be_seen(news: News) -> None:
    state = _user(news)
    other = state | {
        "trust": torch.tensor([0.1]),
        "patience": torch.tensor([1.0]),
        "taste": state["taste"] + 1,
        "lure": torch.tensor([1.4]),
        "fatigue": state["fatigue"] + 1,
    }
    one, another = news.observe(state), news.observe(other)
    assert all(torch.equal(one[name], another[name]) for name in one)


# what is on offer


@pytest.mark.parametrize("source", ["random", "cosine", "cosine_explore"])
def test_only_published_young_and_unseen_articles_are_offered(source: str) -> None:
    simulator, generator = _build(candidate_source=source), torch.Generator().manual_seed(0)
    users = simulator.sample_users(16, "train", generator)
    state = simulator.start(users, simulator.start_noise(16, generator))
    for _ in range(100):
        slate_BK = random_slate(16, 30, 5, generator)
        state, outcome = simulator.step(state, slate_BK, simulator.step_noise(16, generator))
        assert not outcome.metrics["repeats"].any()
        age_BM = state["clock"].unsqueeze(1) - simulator.items.hours[state["candidates"]]
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
    near_BM = (state["profile"] @ news.items.vectors.T).masked_fill(closed_BN, -2).topk(30, dim=1).indices
    assert torch.equal(state["candidates"][:, :20].sort(dim=1).values, near_BM[:, :20].sort(dim=1).values)
    explored_BE = state["candidates"][:, 20:]
    also_near = (explored_BE.unsqueeze(2) == near_BM.unsqueeze(1)).any(dim=2).float().mean()
    assert also_near < 0.1
    age_BE = state["clock"].unsqueeze(1) - news.items.hours[explored_BE]
    assert age_BE.max() > 30
    assert age_BE.min() < 2


def test_the_archive_opens_to_who_has_seen_all_that_is_young() -> None:
    simulator = _build(max_age=1.0)
    state = _user(simulator)
    first, end = (int(edge) for edge in simulator.offer.window(state))
    assert end - first == 30
    assert float(simulator.items.hours[end - 1]) <= HOUR < float(simulator.items.hours[end])
    for _ in range(20):
        state, outcome = simulator.step(state, SLATE, _noise(simulator, NEVER))
        assert outcome.metrics["repeats"].tolist() == [0]
    assert state["shown"].tolist() == [100]


def test_when_every_published_article_is_seen_all_are_offered_again() -> None:
    simulator = _build(minutes_per_slate=0.0)
    state, generator = _user(simulator, clock=24.0), torch.Generator().manual_seed(0)
    published, started_over = int((simulator.items.hours <= 24).sum()), 0
    for _ in range(published // 5 + 10):
        before = state["shown"].item()
        state, _ = simulator.step(state, random_slate(1, 30, 5, generator), simulator.step_noise(1, generator))
        assert state["shown"].item() == int(state["seen"].sum())
        assert published - state["shown"].item() >= 30
        started_over += int(state["shown"].item() < before)
    assert started_over == 1


def test_of_the_whole_week_only_what_is_on_offer_can_be_clicked() -> None:
    simulator = _build(candidate_source="all")
    spec, state = simulator.spec, _user(simulator)
    assert spec.num_candidates == spec.num_items
    hours = simulator.items.hours
    young, old, coming = (int((hours <= edge).sum()) - 1 for edge in (HOUR, HOUR - 37, HOUR + 0.2))
    assert hours[coming] > HOUR
    edges = torch.tensor([[young, young + 1]])
    assert simulator.offer.closed(state, edges).tolist() == [[False, True]]
    after, outcome = simulator.step(state, torch.tensor([[coming, old, young, young, 3000]]), _noise(simulator, FIRST))
    assert outcome.response[0, :, 0].tolist() == [0, 0, 1, 0, 0]
    assert outcome.metrics["repeats"].tolist() == [4]
    assert after["seen"][0].nonzero().flatten().tolist() == [young]
    assert after["shown"].tolist() == [1]
    again, outcome = simulator.step(after, torch.tensor([[young, old, coming, 0, 1]]), _noise(simulator, FIRST))
    assert outcome.response[0, :, 0].tolist() == [0, 0, 1, 0, 0]
    for policy in simulator.POLICIES.values():
        assert not simulator.offer.closed(again, policy(simulator, again)).any()


def test_the_best_article_is_the_open_one_of_the_highest_logit(news: News) -> None:
    generator = torch.Generator().manual_seed(1)
    users = news.sample_users(20, "test", generator)
    state = news.start(users, news.start_noise(20, generator))
    best_B = news.best_items(state)
    age_B = state["clock"] - news.items.hours[best_B]
    assert ((age_B >= 0) & (age_B <= 36)).all()
    logits_BN = news.appeal(state, None)
    hours_B1 = state["clock"].unsqueeze(1)
    open_BN = (news.items.hours <= hours_B1) & (news.items.hours >= hours_B1 - 36)
    assert torch.equal(best_B, torch.where(open_BN, logits_BN, -1e9).argmax(dim=1))
    state["seen"] = state["seen"].scatter(1, best_B.unsqueeze(1), True)
    assert (news.best_items(state) != best_B).all()


# the generated week


def test_the_catalogue_is_seeded_unique_and_in_order() -> None:
    one, again, other = generate_catalog(), generate_catalog(), generate_catalog(seed=1)
    assert one.catalog.texts == again.catalog.texts
    np.testing.assert_array_equal(one.depth, again.depth)
    assert one.catalog.texts != other.catalog.texts
    number = len(one.catalog)
    assert number == 3030
    assert len(set(one.catalog.titles)) == len(set(one.catalog.texts)) == number
    assert (np.diff(one.hours) >= 0).all()
    assert one.hours.min() >= 0
    assert one.hours.max() < 168
    assert not any("{" in text or "  " in text or ".." in text for text in one.catalog.texts)
    for values in (one.depth, one.popularity):
        assert abs(values.mean()) < 1e-4
        assert abs(values.std() - 1) < 1e-4


def test_headlines_betray_clickbait_and_second_sentences_hint_at_depth() -> None:
    week = generate_catalog()
    loud_N = np.array([LOUD.search(title) is not None for title in week.catalog.titles])
    assert loud_N[week.clickbait > 0.6].all()
    assert not loud_N[week.clickbait == 0].any()
    assert set(np.unique(week.clickbait)) <= {np.float32(value) for value in (0, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9, 1)}
    for strength, template in LURES:
        marked_N = np.array([template.split("{")[0] in title for title in week.catalog.titles])
        if template[0] != "{" and len(template.split("{")[0]) > 12:
            np.testing.assert_allclose(week.clickbait[marked_N], strength)
    sources_N = np.array(["name their sources" in text for text in week.catalog.texts])
    gallery_N = np.array(["gallery of thirty" in text for text in week.catalog.texts])
    assert week.depth[sources_N].mean() > 0.5 > -0.5 > week.depth[gallery_N].mean()
    assert np.corrcoef(week.clickbait, week.depth)[0, 1] < -0.3
    assert np.corrcoef(week.clickbait, week.popularity)[0, 1] > 0.3
    baits_O = np.array([(week.clickbait > 0.6)[week.outlets == row].mean() for row in range(len(OUTLETS))])
    assert np.corrcoef(baits_O, [share for _, share, _ in OUTLETS])[0, 1] > 0.95


def test_articles_stand_in_their_sections_and_around_their_events() -> None:
    week = generate_catalog()
    section_of = {section.name: row for row, section in enumerate(SECTIONS)}
    assert set(week.catalog.genres.sum(axis=1)) == {1.0, 2.0}
    for row, event in enumerate(EVENTS):
        own_N = week.events == row
        assert own_N.sum() == 45
        assert (week.catalog.genres[own_N, section_of[event.section]] == 1).all()
        assert all(event.name.lower() in week.catalog.titles[item].lower() for item in np.flatnonzero(own_N))
        before = (week.hours[own_N] < event.hour).sum()
        assert (before > 0) == event.planned


def test_personas_are_unique_and_splits_disjoint(news: News) -> None:
    personas = generate_personas()
    assert len(set(personas.texts)) == len(personas.texts) == sum(PERSONAS.values())
    assert set(np.unique(personas.lures).tolist()) == {np.float32(value) for value in (0.6, 1.0, 1.4)}
    for text, tastes in zip(personas.texts, personas.tastes, strict=True):
        told = text.split("My pages are ")[1].rstrip(".").replace(" and ", ", ").split(", ")
        by_name = dict(zip([section.name for section in SECTIONS], tastes.tolist(), strict=True))
        assert [by_name[name] for name in told] == pytest.approx([1.2, 1.0, 0.8])
    first = 0
    assert list(PERSONAS) == list(SPLITS)
    for split in SPLITS:
        size = PERSONAS[split]
        users = news.sample_users(300, split, torch.Generator().manual_seed(0))
        distance = torch.cdist(users["profile"], news.users.personas["profile"][first : first + size])
        assert distance.min(dim=1).values.max() < 1e-3
        assert ((users["clock"] >= 24) & (users["clock"] <= 120)).all()
        first += size


def test_readers_of_a_persona_differ_from_it_by_the_documented_noise(news: News) -> None:
    users = news.sample_users(4000, "train", torch.Generator().manual_seed(0))
    nearest = torch.cdist(users["profile"], news.users.personas["profile"][:600]).argmin(dim=1)
    error = users["taste"] - news.users.personas["taste"][nearest]
    assert error.std().item() == pytest.approx(0.3, abs=0.02)


# policies


def _play(simulator: News, policy: Policy, users: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return reward and length of one session of each of a panel of validation users."""
    env = SlateVectorEnv(simulator, users, as_tensors=True, autoreset_mode="DISABLED")
    env.reset(seed=1, options={"users": env.sample_users(users, seed=0, split="validation")})
    total, length = torch.zeros(users), torch.zeros(users)
    going = torch.ones(users, dtype=torch.bool)
    while going.any():
        assert env.state is not None
        _, reward, left, truncated, _ = env.step(policy(simulator, env.state))
        total += reward * going
        length += going
        going &= ~(left | truncated)
    return total.numpy(), length.numpy()


def _random(simulator: News, state: State) -> Tensor:
    generator = torch.Generator().manual_seed(int(state["clock"].sum()))
    return random_slate(len(state["clock"]), 30, 5, generator)


def test_reference_policies_stand_in_the_documented_order(news: News) -> None:
    played = {name: _play(news, policy, 400) for name, policy in news.POLICIES.items()}
    played["random"] = _play(news, _random, 400)
    returns = {name: total for name, (total, _) in played.items()}
    order = ["random", "myopic_oracle", "hand_rule", "near_oracle"]
    for lower, higher in pairwise(order):
        gained = returns[higher] - returns[lower]
        assert gained.mean() > 3 * gained.std() / math.sqrt(len(gained)), (lower, higher)
    assert returns["near_oracle"].mean() > 1.3 * returns["myopic_oracle"].mean()
    for name, (_, length) in played.items():
        assert 15 < length.mean() < 60, name
        assert length.max() < news.time_limit


def test_the_myopic_oracle_serves_more_clickbait_than_the_near_oracle(news: News) -> None:
    env = SlateVectorEnv(news, 200, as_tensors=True)
    env.reset(seed=0)
    state = env.state
    assert state is not None
    served = {
        name: news.items.clickbait[state["candidates"].gather(1, policy(news, state))].mean().item()
        for name, policy in news.POLICIES.items()
    }
    assert served["myopic_oracle"] > 2 * served["near_oracle"]
    assert served["myopic_oracle"] > 2 * served["hand_rule"]


def test_reading_time_can_be_told_from_the_features_and_trust_from_the_user(news: News) -> None:
    generator = torch.Generator().manual_seed(0)
    users = news.sample_users(400, "train", generator)
    state = news.start(users, news.start_noise(400, generator))
    features, minutes, seen, trust = [], [], [], []
    for _ in range(12):
        slate_BK = random_slate(400, 30, 5, generator)
        state, outcome = news.step(state, slate_BK, news.step_noise(400, generator))
        observed, clicked = news.observe(state), outcome.response[..., 0] > 0
        features.append(observed["slate_items"][clicked])
        minutes.append(outcome.response[..., 2][clicked].log())
        seen.append(observed["user"])
        trust.append(state["trust"])
    assert _explained(torch.cat(features), torch.cat(minutes)) > 0.2
    assert _explained(torch.cat(seen), torch.cat(trust)) > 0.6


def _explained(inputs: Tensor, target: Tensor) -> float:
    """Return the share of variance that a linear fit on every other row explains on the rows between."""
    rows = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1).double()
    weights = torch.linalg.lstsq(rows[::2], target[::2, None].double(), driver="gelsd").solution
    error = target[1::2] - (rows[1::2] @ weights)[:, 0]
    return float(1 - error.square().mean() / target[1::2].var())


@pytest.mark.parametrize("name", ["myopic_oracle", "near_oracle"])
def test_the_control_ends_after_24_slates_whatever_is_shown(control: News, name: str) -> None:
    total, length = _play(control, control.POLICIES[name], 64)
    assert (length == 24).all()
    assert total.max() <= 24


def test_nothing_lasts_in_the_control(control: News) -> None:
    env = SlateVectorEnv(control, 64, as_tensors=True)
    env.reset(seed=0)
    state = env.state
    assert state is not None
    slate_BK = control.POLICIES["myopic_oracle"](control, state)
    after, outcome = control.step(state, slate_BK, control.step_noise(64, env.generator))
    assert outcome.reward.sum() > 20
    for name in ("trust", "profile"):
        torch.testing.assert_close(after[name], state[name])
    rested = after | {"fatigue": torch.zeros_like(after["fatigue"])}
    torch.testing.assert_close(control.appeal(after, None), control.appeal(rested, None))


def test_in_the_control_the_near_oracle_is_the_myopic_oracle(control: News) -> None:
    env = SlateVectorEnv(control, 64, as_tensors=True)
    env.reset(seed=0)
    assert env.state is not None
    one, other = (control.POLICIES[name](control, env.state) for name in ("myopic_oracle", "near_oracle"))
    assert torch.equal(one.sort(dim=1).values, other.sort(dim=1).values)


# settings


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"trust_loss": 1.5}, "trust_loss is 1.5; it is a share"),
        ({"fatigue_decay": -0.1}, "fatigue_decay is -0.1"),
        ({"time_limit": 0}, "time_limit is 0"),
        ({"first_hour": 50.0, "last_hour": 40.0}, "between hour 50.0 and hour 40.0"),
        ({"first_hour": 0.5}, "are published by first_hour 0.5, but 30 have to be on offer"),
        ({"patience": float("inf")}, "patience is inf; make it finite"),
        ({"freshness_hours": 0.0}, "freshness_hours is 0.0; make it finite and more than 0"),
        ({"num_exploration": 31}, "num_exploration is 31"),
        ({"candidate_source": "cosin"}, 'did you mean "cosine"'),
        ({"choice_model": "position_based"}, "clicks several slots"),
        ({"num_candidates": 5000}, "larger than the catalogue of 3030 items"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        _build(**settings)


def test_settings_of_the_class_are_those_of_the_docstring() -> None:
    settings = NewsSettings()
    text = News.__doc__ or ""
    for value in (settings.trust_loss, settings.trust_gain, settings.trust_recovery, settings.no_click_logit):
        assert f"{value:g}" in text
