"""The world of News-v0, its equations by hand: time, clicks, satisfaction, trust and fatigue."""

import math

import pytest
import torch
from readers import FIRST, NEVER, SLATE, noise, open_item, reader, with_article
from torch.nn.functional import normalize

from envs.news.catalog import generate_catalog
from envs.news.simulator import News
from envs.news.words import EVENTS

# time


def test_freshness_decays_from_publication_and_is_nothing_before_it(news: News) -> None:
    items = torch.tensor([[500, 1000, 2500]])
    hours = news.world.items.hours[items[0]].tolist()
    clock = hours[1] + 8.0
    fresh, _ = news.world.items.timing(torch.tensor([clock]), items)
    expected = [math.exp(-(clock - hours[0]) / 8), math.exp(-1), 0.0]
    torch.testing.assert_close(fresh[0], torch.tensor(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("offset", "burst"), [(-12.0, math.exp(-2)), (0.0, 1.0), (5.0, math.exp(-0.5))])
def test_an_event_rises_before_its_hour_and_falls_after_it(news: News, offset: float, burst: float) -> None:
    events = torch.as_tensor(generate_catalog().events)
    final = next(row for row, event in enumerate(EVENTS) if event.name == "the cup final")
    items = torch.stack([(events == final).nonzero()[0, 0], (events == -1).nonzero()[0, 0]]).unsqueeze(0)
    _, bursts = news.world.items.timing(torch.tensor([EVENTS[final].hour + offset]), items)
    torch.testing.assert_close(bursts, torch.tensor([[burst, 0.0]]))


def test_the_whole_catalogue_has_the_hours_and_logits_of_its_articles(news: News) -> None:
    state, timing = reader(news, taste=0.3), news.world.items.timing
    everything = torch.arange(news.spec.num_items).unsqueeze(0)
    for whole, listed in zip(timing(state["clock"], None), timing(state["clock"], everything), strict=True):
        torch.testing.assert_close(whole, listed)
    appeal = news.world.appeal
    torch.testing.assert_close(appeal(state, None), appeal(state, everything), atol=1e-5, rtol=1e-5)


# clicks


def test_the_click_logit_is_the_documented_sum(news: News) -> None:
    state, items = reader(news, taste=0.5), news.world.items
    state |= {"trust": torch.tensor([0.8]), "lure": torch.tensor([1.4]), "variety": torch.tensor([1.5])}
    state["fatigue"] = torch.zeros_like(state["fatigue"]).index_fill(1, torch.tensor([4]), 0.5)
    burst_now = int(items.timing(state["clock"], None)[1].argmax())
    chosen = torch.tensor([[3, 700, 1100, burst_now, int(items.sections[:, 4].argmax())]])
    logits, (fresh, burst) = news.world.appeal(state, chosen), items.timing(state["clock"], chosen)
    assert burst[0, 3] > 0.2
    for column, item in enumerate(chosen[0].tolist()):
        expected = (
            2 * 0.5 * items.sections[item].sum().item()
            + 3 * float(state["fancy"][0] @ items.subjects[item])
            + 3 * fresh[0, column].item()
            + 2.5 * burst[0, column].item()
            + 2.5 * 1.4 * 0.8 * items.clickbait[item].item()
            - 2 * 1.5 * 0.5 * items.sections[item, 4].item()
            + 2 * (0.8 - 0.6)
        )
        assert logits[0, column].item() == pytest.approx(expected, abs=1e-5)


def test_people_stand_among_the_articles_where_their_tastes_and_fancies_lead(news: News) -> None:
    world, state = news.world, reader(news)
    planted = {name: world.users.personas[name][:40] for name in ("taste", "fancy")}
    alike = {name: state[name].expand(40, *state[name].shape[1:]) for name in ("clock", "trust", "fatigue", "lure")}
    alike["variety"] = torch.ones(40)
    indifferent = {name: torch.zeros_like(values) for name, values in planted.items()}
    personal_PN = world.appeal(alike | planted, None) - world.appeal(alike | indifferent, None)
    assert world.people is not None
    standing_PN = world.people[:40] @ world.vectors.T
    torch.testing.assert_close(normalize(standing_PN, dim=1), normalize(personal_PN, dim=1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("decisiveness", [1.0, 0.7])
def test_click_chances_are_those_of_the_logits_stretched_by_decisiveness(news: News, decisiveness: float) -> None:
    state = reader(news, taste=1.0) | {"decisiveness": torch.tensor([decisiveness])}
    logits = news.world.appeal(state, state["candidates"].gather(1, SLATE))[0].tolist()
    weights = [math.exp(5 + decisiveness * (logit - 5)) for logit in logits]
    edge = weights[0] / (sum(weights) + math.exp(5))
    assert 0.001 < edge < 0.999
    for uniform, clicks in ((edge - 1e-4, [1, 0]), (edge + 1e-4, [0, 1])):
        _, outcome = news.step(state, SLATE, noise(news, uniform))
        assert outcome.response[0, :2, 0].tolist() == clicks


def test_trust_raises_every_logit_and_clickbait_most(news: News) -> None:
    state = reader(news)
    low, high = (news.world.appeal(state | {"trust": torch.tensor([trust])}, None)[0] for trust in (0.3, 0.9))
    torch.testing.assert_close(high - low, 2 * 0.6 + 2.5 * 0.6 * news.world.items.clickbait, atol=1e-5, rtol=1e-5)


# what a click does


def test_a_click_on_a_deep_article_restores_trust_and_tires_of_its_sections(news: News) -> None:
    state, items = reader(news, taste=0.2), news.world.items
    item = open_item(news, state, (items.clickbait == 0) & (items.depth > 1.0))
    state = with_article(state, item) | {"trust": torch.tensor([0.7]), "patience": torch.tensor([5.0])}
    state["fatigue"] = torch.full_like(state["fatigue"], 0.1)
    after, outcome = news.step(state, SLATE, noise(news, FIRST, minutes=1.0))
    z = math.tanh(0.6 * items.depth[item].item() + 0.3 * 0.2 * items.sections[item].sum().item())
    minutes, trust = 2 * math.exp(z + 0.3), 0.7 + 0.1 * 0.3 * z
    assert z > 0.5
    assert outcome.metrics["satisfaction"].item() == pytest.approx(z, abs=1e-5)
    torch.testing.assert_close(outcome.response[0, 0], torch.tensor([1.0, 1.0, minutes]))
    assert not outcome.response[0, 1:].any()
    assert outcome.reward.tolist() == [1]
    assert after["trust"].item() == pytest.approx(trust, abs=1e-6)
    assert after["patience"].item() == pytest.approx(5 - math.exp(-3 * (trust - 0.6)), abs=1e-5)
    torch.testing.assert_close(after["fatigue"][0], 0.08 + 0.2 * items.sections[item])


def test_a_click_on_clickbait_costs_trust(news: News) -> None:
    state, items = reader(news), news.world.items
    item = open_item(news, state, (items.clickbait == 1) & (items.depth < 0))
    after, outcome = news.step(with_article(state, item), SLATE, noise(news, FIRST))
    z = math.tanh(0.6 * items.depth[item].item() - 1.5)
    assert outcome.reward.tolist() == [1]
    assert outcome.metrics["clickbait"].tolist() == [1]
    assert outcome.response[0, 0, 2].item() == pytest.approx(2 * math.exp(z), abs=1e-5)
    assert after["trust"].item() == pytest.approx(0.6 + 0.12 * 0.6 * z, abs=1e-6)
    torch.testing.assert_close(after["progress"][0, 3:], torch.tensor([0.2 * z, 0.05 * z, 0.05 * z]))


def test_without_a_click_lost_trust_recovers_slowly_and_time_passes(news: News) -> None:
    state = reader(news)
    state |= {"trust": torch.tensor([0.4]), "fatigue": torch.full_like(state["fatigue"], 0.5)}
    after, outcome = news.step(state, SLATE, noise(news, NEVER))
    assert outcome.reward.tolist() == [0]
    assert not outcome.response.any()
    assert after["trust"].item() == pytest.approx(0.4 + 0.01 * 0.2)
    assert after["patience"].item() == pytest.approx(24 - math.exp(3 * 0.198), abs=1e-5)
    torch.testing.assert_close(after["fatigue"], 0.8 * state["fatigue"])
    trusting, _ = news.step(state | {"trust": torch.tensor([0.8])}, SLATE, noise(news, NEVER))
    assert trusting["trust"].item() == pytest.approx(0.8)


def test_satisfaction_falls_with_clickbait_and_rises_with_depth(news: News) -> None:
    state, items = reader(news), news.world.items
    everything = torch.arange(news.spec.num_items).unsqueeze(0)
    z_N = news.world.satisfaction(state, everything)[0]
    torch.testing.assert_close(z_N.atanh(), 0.6 * items.depth - 1.5 * items.clickbait, atol=1e-3, rtol=1e-3)
    change = news.world.trust_change(torch.tensor(0.6), z_N)
    assert (change.sign() == z_N.sign()).all()


def test_trust_stays_between_0_and_1_whatever_is_read(news: News) -> None:
    satisfaction = torch.tensor([-1.0, 1.0])
    trust = torch.tensor([0.6, 0.6])
    for _ in range(2000):
        trust = trust + news.world.trust_change(trust, satisfaction)
    assert 0 <= trust[0] < 1e-3
    assert 1 - 1e-3 < trust[1] <= 1


@pytest.mark.parametrize(("patience", "left"), [(0.99, True), (1.01, False)])
def test_a_user_leaves_when_patience_is_used_up(news: News, patience: float, left: bool) -> None:
    state = reader(news) | {"patience": torch.tensor([patience])}
    _, outcome = news.step(state, SLATE, noise(news, NEVER))
    assert outcome.left.tolist() == [left]


def test_people_come_with_24_slates_of_patience_times_their_stamina_and_one_trust(news: News) -> None:
    generator = torch.Generator().manual_seed(0)
    users = news.sample_users(100, "train", generator)
    state = news.start(users, news.start_noise(100, generator))
    torch.testing.assert_close(state["patience"], 24 * users["stamina"])
    assert len(users["stamina"].unique()) == 100
    torch.testing.assert_close(state["trust"], torch.full((100,), 0.6))
    assert not state["fatigue"].any()


# the control


def test_nothing_lasts_in_the_control(control: News) -> None:
    generator = torch.Generator().manual_seed(0)
    state = control.start(control.sample_users(64, "train", generator), control.start_noise(64, generator))
    slate_BK = control.POLICIES["myopic_oracle"](control, state)
    after, outcome = control.step(state, slate_BK, control.step_noise(64, generator))
    assert outcome.reward.sum() > 20
    torch.testing.assert_close(after["trust"], state["trust"])
    then = after | {"clock": state["clock"]}
    torch.testing.assert_close(control.world.appeal(then, None), control.world.appeal(state, None))
