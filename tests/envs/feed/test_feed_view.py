"""What a feed sees: texts and creators, what was engaged with and found worth it, the calendar, and nothing hidden."""

import torch
from scrollers import FIRST, NEVER, SLATE, noise, scroller
from torch.nn.functional import normalize

from envs.feed.simulator import Feed
from envs.simulator import CLUSTER
from envs.slates import random_slate


def test_a_session_begins_with_the_own_words_of_the_persona(feed: Feed) -> None:
    users = feed.sample_users(50, "test", torch.Generator().manual_seed(0))
    state = feed.start(users, feed.start_noise(50, torch.Generator().manual_seed(0)))
    assert feed.view.people is not None
    assert torch.equal(state["profile"], feed.view.people[users[CLUSTER]])


def test_what_is_hidden_moves_no_observation(feed: Feed) -> None:
    state = scroller(feed)
    tastes = ("taste", "own_taste", "temper", "fancy", "decisiveness", "fame", "variety", "stamina")
    other = state | {
        name: torch.rand_like(state[name]) for name in (*tastes, "satiation", "weariness", "wellbeing", "energy")
    }
    for name, value in feed.observe(state).items():
        assert torch.equal(value, feed.observe(other)[name]), name


def test_a_post_shows_its_text_and_a_code_of_its_creator(feed: Feed) -> None:
    features, dim = feed.view.features, feed.view.vectors.shape[1]
    assert torch.equal(features[:, :dim], feed.view.vectors)
    assert torch.equal(features[:, dim:], feed.world.posts.creator_codes)
    assert torch.equal(features[0, dim:], features[14, dim:])
    assert abs(float(features[0, dim:] @ features[15, dim:])) < 0.9


def test_engaging_moves_profile_vectors_and_traces(feed: Feed) -> None:
    state = scroller(feed)
    item = int(state["candidates"][0, 3])
    for name in ("recent", "valued", "progress"):
        state[name] = torch.full_like(state[name], 0.5)
    after, outcome = feed.step(state, torch.tensor([[3, 1, 2, 0, 4]]), noise(feed, FIRST, answer=-3.0))
    vector, features = feed.view.vectors[item], feed.view.features[item]
    turned = 0.95 * state["profile"][0] + 0.05 * vector
    torch.testing.assert_close(after["profile"][0], normalize(turned, dim=0))
    verdict = (float(outcome.response[0, 0, 2]) - 3) / 2
    assert verdict < 0
    torch.testing.assert_close(after["recent"][0], 0.45 + 0.1 * features)
    torch.testing.assert_close(after["valued"][0], 0.475 + 0.05 * verdict * features)
    traces = [0.52, 0.4 + 0.2, 0.4 + 0.2 * verdict, 0.475 + 0.05 * verdict]
    torch.testing.assert_close(after["progress"][0], torch.tensor(traces))


def test_without_engagement_only_the_slate_is_counted(feed: Feed) -> None:
    state = scroller(feed)
    after, _ = feed.step(state, SLATE, noise(feed, NEVER, answer=2.0))
    for name in ("profile", "recent", "valued"):
        torch.testing.assert_close(after[name], state[name])
    torch.testing.assert_close(after["progress"], torch.tensor([[0.02, 0, 0, 0]]))


def test_the_calendar_is_seen_in_logarithms(feed: Feed) -> None:
    state = scroller(feed) | {"visit": torch.tensor([[4.0, 2.0, 7.0, 30.0]])}
    torch.testing.assert_close(feed.observe(state)["user"][0, -4:], 0.1 * torch.tensor([5.0, 3.0, 8.0, 31.0]).log())


def test_posts_shown_are_not_offered_again_and_counted_once(feed: Feed) -> None:
    state = scroller(feed)
    shown = state["candidates"][0, :3]
    after, outcome = feed.step(state, torch.tensor([[0, 1, 1, 2, 0]]), noise(feed, NEVER))
    assert outcome.metrics["repeats"].tolist() == [2]
    assert after["unseen"].item() == feed.spec.num_items - 3
    assert after["seen"][0].nonzero().squeeze(1).tolist() == sorted(shown.tolist())
    assert not set(shown.tolist()) & set(after["candidates"][0].tolist())


def test_half_of_the_candidates_are_the_nearest_to_the_profile(feed: Feed) -> None:
    state = scroller(feed)
    nearest = (feed.view.vectors @ state["profile"][0]).topk(15).indices
    assert set(nearest.tolist()) == set(state["candidates"][0, :15].tolist())


def test_metrics_of_retrieval_are_means_over_the_next_candidates(feed: Feed) -> None:
    generator = torch.Generator().manual_seed(0)
    state = feed.start(feed.sample_users(8, "train", generator), feed.start_noise(8, generator))
    state, outcome = feed.step(state, random_slate(8, 30, 5, generator), feed.step_noise(8, generator))
    cosine = torch.einsum("bd,bmd->bm", state["profile"], feed.view.vectors[state["candidates"]]).mean(dim=1)
    taste = state["taste"].gather(1, feed.world.posts.topics[state["candidates"]]).mean(dim=1)
    torch.testing.assert_close(outcome.metrics["retrieval/cosine"], cosine)
    torch.testing.assert_close(outcome.metrics["retrieval/taste"], taste)


def test_the_view_of_the_control_stays_but_for_the_calendar(control: Feed) -> None:
    state = scroller(control)
    after, outcome = control.step(state, SLATE, noise(control, FIRST))
    assert outcome.reward.tolist() == [1]
    before, later = (control.observe(seen)["user"] for seen in (state, after))
    assert torch.equal(before[:, :-4], later[:, :-4])
    assert not torch.equal(before[:, -4:], later[:, -4:])
