"""The world of Feed-v0, its equations by hand: engagement, feeling, the echo chamber and visits."""

import math

import pytest
import torch
from scrollers import FIRST, NEVER, SLATE, noise, scroller, with_post
from torch.nn.functional import normalize

from envs.feed.simulator import Feed
from envs.slates import random_slate

# engagement


def test_the_engagement_logit_is_the_documented_sum(feed: Feed) -> None:
    state, posts = scroller(feed), feed.world.posts
    state |= {name: torch.tensor([x]) for name, x in (("temper", 1.5), ("fame", 1.2), ("variety", 0.8))}
    state["taste"] = state["taste"].index_fill(1, posts.topics[1600], 0.3)
    items = torch.tensor([[0, 7, 1600]])
    state["satiation"] = torch.zeros_like(state["satiation"]).index_fill(1, posts.topics[7], 0.5)
    state["weariness"] = torch.zeros_like(state["weariness"]).index_fill(1, posts.creators[1600], 0.25)
    logits = feed.world.appeal(state, items)
    for column, item in enumerate(items[0].tolist()):
        share = 0.3 if posts.topics[item] == posts.topics[1600] else 0.05
        tired = 0.5 * float(posts.topics[item] == posts.topics[7])
        weary = 0.25 * float(posts.creators[item] == posts.creators[1600])
        expected = 9 * math.sqrt(share) + 2 * float(state["fancy"][0] @ posts.subjects[item])
        expected += 1.2 * float(posts.popularity[item]) + 1.5 * float(posts.outrage[item])
        expected -= 0.8 * (tired + 3 * weary)
        assert logits[0, column].item() == pytest.approx(expected, abs=1e-4)


def test_people_stand_among_the_posts_where_their_tastes_and_fancies_lead(feed: Feed) -> None:
    world, state = feed.world, scroller(feed)
    planted = {name: world.users.personas[name][:40] for name in ("taste", "fancy")}
    names = ("variety", "satiation", "weariness", "fame", "temper")
    alike = {name: state[name].expand(40, *state[name].shape[1:]) for name in names}
    indifferent = {name: torch.zeros_like(values) for name, values in planted.items()}
    personal_PN = world.appeal(alike | planted, None) - world.appeal(alike | indifferent, None)
    assert world.people is not None
    standing_PN = world.people[:40] @ world.vectors.T
    torch.testing.assert_close(normalize(standing_PN, dim=1), normalize(personal_PN, dim=1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("decisiveness", [1.0, 1.5])
def test_engagement_chances_are_those_of_the_logits_stretched_by_decisiveness(feed: Feed, decisiveness: float) -> None:
    state = scroller(feed) | {"decisiveness": torch.tensor([decisiveness])}
    state["taste"] = torch.full_like(state["taste"], 0.25)
    logits = feed.world.appeal(state, state["candidates"].gather(1, SLATE))[0].tolist()
    weights = [math.exp(6 + decisiveness * (logit - 6)) for logit in logits]
    edge = weights[0] / (sum(weights) + math.exp(6))
    assert 0.001 < edge < 0.999
    for uniform, clicks in ((edge - 1e-4, [1, 0]), (edge + 1e-4, [0, 1])):
        _, outcome = feed.step(state, SLATE, noise(feed, uniform))
        assert outcome.response[0, :2, 0].tolist() == clicks


def test_a_temper_draws_to_what_stirs_up_alone(feed: Feed) -> None:
    calm = scroller(feed)
    hot = calm | {"temper": torch.tensor([2.0])}
    gained = feed.world.appeal(hot, None) - feed.world.appeal(calm, None)
    torch.testing.assert_close(gained, feed.world.posts.outrage.unsqueeze(0), atol=1e-4, rtol=0)


def test_the_whole_catalogue_gives_the_logits_of_its_items(feed: Feed) -> None:
    state = scroller(feed)
    everything = torch.arange(feed.spec.num_items).unsqueeze(0)
    torch.testing.assert_close(feed.world.appeal(state, None), feed.world.appeal(state, everything))
    best = feed.best_items(state)
    assert torch.equal(best, feed.world.appeal(state, everything).argmax(dim=1))
    state["seen"] = state["seen"].scatter(1, best.unsqueeze(1), True)
    assert feed.best_items(state) != best


# feeling and well-being


@pytest.mark.parametrize("planted", ["outrage", "nourishment"])
def test_feeling_follows_what_is_planted(feed: Feed, planted: str) -> None:
    strengths = getattr(feed.world.posts, planted)
    item = int(strengths.argmax())
    strength = float(strengths[item])
    felt = math.tanh(1.4 * strength if planted == "nourishment" else -0.8 * strength)
    state = with_post(scroller(feed), item) | {"wellbeing": torch.tensor([0.5])}
    after, outcome = feed.step(state, SLATE, noise(feed, FIRST, answer=1.0))
    assert after["wellbeing"].item() == pytest.approx(0.45 + 0.1 * felt, abs=1e-5)
    worth = min(max(round(3 + 2 * felt + 0.7), 1), 5)
    assert outcome.response[0].tolist() == [[1, 1, worth], *[[0, 0, 0]] * 4]
    assert outcome.metrics[planted].item() == pytest.approx(strength)


def test_without_engagement_well_being_falls_and_nothing_else_moves(feed: Feed) -> None:
    state = scroller(feed)
    state["satiation"] = torch.full_like(state["satiation"], 0.1)
    state["weariness"] = torch.full_like(state["weariness"], 0.1)
    after, outcome = feed.step(state, SLATE, noise(feed, NEVER, answer=2.0))
    assert outcome.reward.tolist() == [0]
    assert not outcome.response.any()
    assert after["wellbeing"].item() == pytest.approx(-0.03)
    assert after["energy"].item() == 4
    for name in ("satiation", "weariness"):
        torch.testing.assert_close(after[name], 0.9 * state[name])
    for name in ("taste", "own_taste"):
        torch.testing.assert_close(after[name], state[name])


@pytest.mark.parametrize(("answer", "worth"), [(-9.0, 1), (9.0, 5)])
def test_answers_stay_on_the_scale(feed: Feed, answer: float, worth: int) -> None:
    _, outcome = feed.step(scroller(feed), SLATE, noise(feed, FIRST, answer=answer))
    assert outcome.response[0, 0].tolist() == [1, 1, worth]


# the echo chamber


def test_engaging_moves_taste_satiation_and_weariness(feed: Feed) -> None:
    state, posts = scroller(feed), feed.world.posts
    item = int(state["candidates"][0, 3])
    after, _ = feed.step(state, torch.tensor([[3, 1, 2, 0, 4]]), noise(feed, FIRST))
    topic, creator = int(posts.topics[item]), int(posts.creators[item])
    assert after["taste"][0, topic].item() == pytest.approx(0.96 * 0.05 + 0.04)
    torch.testing.assert_close(after["taste"].sum(), torch.tensor(1.0))
    assert after["satiation"][0, topic].item() == pytest.approx(0.1)
    assert after["weariness"][0, creator].item() == pytest.approx(0.1)
    assert after["satiation"].sum().item() == after["weariness"].sum().item() == pytest.approx(0.1)
    assert torch.equal(after["own_taste"], state["own_taste"])


def test_a_taste_made_by_the_feed_is_easier_to_engage_and_feels_stale(feed: Feed) -> None:
    plain, world = scroller(feed), feed.world
    topic = int(world.posts.topics[0])
    narrow = plain | {"taste": 0.5 * plain["taste"].index_fill(1, torch.tensor([topic]), 1.05)}
    narrow["taste"] = narrow["taste"] / narrow["taste"].sum()
    items = torch.tensor([[0]])
    assert world.appeal(narrow, items) > world.appeal(plain, items)
    excess = float(narrow["taste"][0, topic]) - 0.05
    effect = 1.4 * float(world.posts.nourishment[0]) - 0.8 * float(world.posts.outrage[0])
    assert world.feeling(narrow, items).item() == pytest.approx(math.tanh(effect - 2 * excess), abs=1e-5)
    assert world.feeling(plain, items).item() == pytest.approx(math.tanh(effect), abs=1e-5)
    # The same narrow taste, but the user's own from the start, is not stale; nor is a topic that lost share.
    own = narrow | {"own_taste": narrow["taste"]}
    assert world.feeling(own, items).item() == pytest.approx(math.tanh(effect), abs=1e-5)
    other = torch.tensor([[int((world.posts.topics != topic).nonzero()[0, 0])]])
    torch.testing.assert_close(world.feeling(narrow, other), world.feeling(plain, other))


def test_one_topic_over_and_over_narrows_taste(feed: Feed) -> None:
    state = scroller(feed)
    of_topic = (feed.world.posts.topics == 3).nonzero().squeeze(1)
    narrowness = []
    for step in range(20):
        # Whatever else the slates held is not counted as seen: a post of the topic may be among it.
        state = state | {"energy": torch.tensor([5.0]), "seen": torch.zeros_like(state["seen"])}
        state, outcome = feed.step(with_post(state, int(of_topic[step])), SLATE, noise(feed, FIRST))
        narrowness.append(float(outcome.metrics["narrowness"]))
    assert narrowness == sorted(narrowness)
    assert narrowness[-1] == pytest.approx((1 - 0.95 * 0.96**20) ** 2 + 19 * (0.05 * 0.96**20) ** 2, abs=1e-4)


# visits


@pytest.mark.parametrize(("energy", "ended"), [(1.0, True), (1.01, False)])
def test_a_visit_ends_when_energy_is_spent(feed: Feed, energy: float, ended: bool) -> None:
    state = scroller(feed) | {"energy": torch.tensor([energy])}
    after, outcome = feed.step(state, SLATE, noise(feed, NEVER, energy=0.25))
    assert outcome.metrics["visits"].tolist() == [ended]
    assert outcome.left.tolist() == [False]
    assert after["energy"].item() == pytest.approx(3 + 6 * 0.25 if ended else 0.01, abs=1e-5)
    visit = [0, 1, 1, 1] if ended else [1, 0, 0, 0]
    assert after["visit"][0].tolist() == visit


def test_visits_are_from_three_to_nine_slates_long_times_the_stamina(feed: Feed) -> None:
    generator = torch.Generator().manual_seed(0)
    users, drawn = feed.sample_users(100, "train", generator), feed.start_noise(100, generator)
    energy_B = feed.start(users, drawn)["energy"]
    torch.testing.assert_close(energy_B, users["stamina"] * (3 + 6 * drawn["energy"]))
    assert len(users["stamina"].unique()) == 100
    state = scroller(feed) | {"energy": torch.tensor([1.0]), "stamina": torch.tensor([1.3])}
    after, _ = feed.step(state, SLATE, noise(feed, NEVER, energy=0.25))
    assert after["energy"].item() == pytest.approx(1.3 * (3 + 6 * 0.25), abs=1e-5)


def test_what_stirs_up_makes_a_visit_longer(feed: Feed) -> None:
    item = int(feed.world.posts.outrage.argmax())
    state = with_post(scroller(feed), item) | {"energy": torch.tensor([0.9])}
    after, outcome = feed.step(state, SLATE, noise(feed, FIRST))
    assert feed.world.posts.outrage[item] == 1
    assert outcome.metrics["visits"].tolist() == [0]
    assert after["energy"].item() == pytest.approx(0.9 - 0.7, abs=1e-5)


@pytest.mark.parametrize("wellbeing", [-0.6, -0.2, 0.1, 0.8])
def test_coming_back_has_the_documented_chance(feed: Feed, wellbeing: float) -> None:
    state = scroller(feed) | {"energy": torch.tensor([1.0]), "wellbeing": torch.tensor([wellbeing])}
    after = 0.9 * wellbeing - 0.03
    chance = 0.97 / (1 + math.exp(-15 * (after + 0.2)))
    for uniform, left in ((chance - 1e-3, False), (chance + 1e-3, True)):
        drawn = noise(feed, NEVER, comeback=max(uniform, 0.0))
        assert feed.step(state, SLATE, drawn)[1].left.tolist() == [left]


def test_nobody_leaves_within_a_visit(feed: Feed) -> None:
    state = scroller(feed) | {"wellbeing": torch.tensor([-1.0])}
    _, outcome = feed.step(state, SLATE, noise(feed, NEVER, comeback=NEVER))
    assert outcome.left.tolist() == [False]


def test_the_unwell_stay_away_longer_and_days_away_let_habits_fade(feed: Feed) -> None:
    uniform = 1 - math.exp(-1.5)
    days = []
    for wellbeing in (0.8, -0.2, -0.9):
        state = scroller(feed) | {"energy": torch.tensor([1.0]), "wellbeing": torch.tensor([wellbeing])}
        state["satiation"] = torch.full_like(state["satiation"], 0.5)
        state["weariness"] = torch.full_like(state["weariness"], 0.5)
        state["visit"] = torch.tensor([[4.0, 2.0, 7.0, 30.0]])
        after, _ = feed.step(state, SLATE, noise(feed, NEVER, absence=uniform))
        well = 0.9 * wellbeing - 0.03
        chance = 0.97 / (1 + math.exp(-15 * (well + 0.2)))
        away = 1 + math.floor(10 * (1 - chance) * 1.5)
        assert after["visit"][0].tolist() == [0, 3, away, 30 + away]
        for name in ("satiation", "weariness"):
            torch.testing.assert_close(after[name], 0.7**away * 0.9 * state[name])
        days.append(away)
    assert days == sorted(set(days))


# the control


def test_nothing_lasts_in_the_control(control: Feed) -> None:
    generator, world = torch.Generator().manual_seed(0), control.world
    state = control.start(control.sample_users(64, "train", generator), control.start_noise(64, generator))
    drawn = control.step_noise(64, generator) | {"choice": torch.zeros(64, 1)}
    after, outcome = control.step(state, random_slate(64, 30, 5, generator), drawn)
    assert outcome.reward.all()
    torch.testing.assert_close(after["taste"], state["taste"])
    torch.testing.assert_close(world.appeal(after, None), world.appeal(state, None))
    items = after["candidates"]
    changed = {name: after[name] + 1 for name in ("satiation", "weariness", "wellbeing")}
    assert torch.equal(world.appeal(after | changed, items), world.appeal(after, items))
    assert not world.comeback_chance(torch.linspace(-1, 1, 5)).any()
