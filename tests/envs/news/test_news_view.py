"""What a news service sees: texts beside freshness and events at an hour, what was read and for how long."""

import math

import torch
from readers import FIRST, HOUR, NEVER, SLATE, noise, open_item, reader, with_article
from torch import Tensor
from torch.nn.functional import normalize

from envs.news.simulator import News
from envs.simulator import CLUSTER
from envs.slates import random_slate


def test_every_slate_moves_the_clock_a_quarter_of_an_hour(news: News) -> None:
    after, _ = news.step(reader(news), SLATE, noise(news, NEVER))
    assert after["clock"].tolist() == [HOUR + 0.25]
    observed = news.observe(after)
    torch.testing.assert_close(observed["user"][0, -1], torch.tensor(60.25 / 168))
    turn = 2 * math.pi * 60.25 / 24
    torch.testing.assert_close(observed["user"][0, -3:-1], torch.tensor([math.sin(turn), math.cos(turn)]))


def test_features_tell_the_hour_of_each_slate_in_rows_of_one_length(news: News) -> None:
    state = reader(news)
    after, _ = news.step(state, SLATE, noise(news, NEVER))
    before, later = news.observe(state), news.observe(after)
    torch.testing.assert_close(later["slate_items"], before["candidates"][:, :5])
    for observed in (before, later):
        torch.testing.assert_close(observed["candidates"].norm(dim=2), torch.full((1, 30), math.sqrt(3)))
        torch.testing.assert_close(observed["candidates"][..., :32], news.view.vectors[observed["candidate_ids"]])
    assert not before["user"][0, 32:36].any()
    fresh, burst = news.world.items.timing(after["clock"], after["candidates"])
    pairs = [fresh, (1 - fresh**2).sqrt(), burst, (1 - burst**2).sqrt()]
    torch.testing.assert_close(later["candidates"][..., 32:], torch.stack(pairs, dim=2))


def test_a_session_begins_with_the_own_words_of_the_persona(news: News) -> None:
    users = news.sample_users(50, "test", torch.Generator().manual_seed(0))
    state = news.start(users, news.start_noise(50, torch.Generator().manual_seed(0)))
    assert news.view.people is not None
    assert torch.equal(state["profile"], news.view.people[users[CLUSTER]])


def test_a_click_moves_profile_and_vectors_and_reading_time_the_traces(news: News) -> None:
    state, items = reader(news, taste=0.2), news.world.items
    item = open_item(news, state, (items.clickbait == 0) & (items.depth > 1.0))
    state = with_article(state, item)
    state |= {name: torch.full_like(state[name], 0.1) for name in ("recent", "valued", "progress")}
    after, outcome = news.step(state, SLATE, noise(news, FIRST, minutes=1.0))
    vector, verdict = news.view.vectors[item], math.log(float(outcome.response[0, 0, 2]) / 2)
    assert verdict > 0.8
    torch.testing.assert_close(after["profile"][0], normalize(0.95 * state["profile"][0] + 0.05 * vector, dim=0))
    torch.testing.assert_close(after["recent"][0], 0.08 + 0.2 * vector)
    torch.testing.assert_close(after["valued"][0], 0.095 + 0.05 * verdict * vector)
    traces = [0.12, 0.08 + 0.2, 0.095 + 0.05, 0.08 + 0.2 * verdict, 0.095 + 0.05 * verdict, 0.095]
    torch.testing.assert_close(after["progress"][0], torch.tensor(traces))


def test_without_a_click_the_profile_stays(news: News) -> None:
    state = reader(news)
    after, _ = news.step(state, SLATE, noise(news, NEVER))
    torch.testing.assert_close(after["profile"], state["profile"])
    torch.testing.assert_close(after["progress"], torch.tensor([[0.02, 0, 0, 0, 0, 0]]))


def test_what_is_hidden_cannot_be_seen(news: News) -> None:
    state = reader(news)
    hidden = ("trust", "patience", "taste", "fancy", "lure", "fatigue", "decisiveness", "variety", "stamina")
    other = state | {name: state[name] + 1 for name in hidden}
    one, another = news.observe(state), news.observe(other)
    assert all(torch.equal(one[name], another[name]) for name in one)


def test_the_view_of_the_control_stays_but_for_the_hour(control: News) -> None:
    state = reader(control)
    after, outcome = control.step(state, SLATE, noise(control, FIRST))
    assert outcome.reward.tolist() == [1]
    for name in ("profile", "recent", "valued", "progress"):
        assert torch.equal(after[name], state[name]), name
    before, later = (control.observe(seen)["user"] for seen in (state, after))
    assert torch.equal(before[:, :-3], later[:, :-3])
    assert (before[:, -3:] != later[:, -3:]).all()


def test_metrics_of_retrieval_are_means_over_the_next_candidates(news: News) -> None:
    generator = torch.Generator().manual_seed(0)
    state = news.start(news.sample_users(8, "train", generator), news.start_noise(8, generator))
    slate_BK = random_slate(8, 30, 5, generator)
    after, outcome = news.step(state, slate_BK, news.step_noise(8, generator))
    cosine_B = (after["profile"].unsqueeze(1) * news.view.vectors[after["candidates"]]).sum(dim=2).mean(dim=1)
    torch.testing.assert_close(outcome.metrics["retrieval/cosine"], cosine_B)
    fresh_BM = news.observe(after)["candidates"][..., 32]
    torch.testing.assert_close(outcome.metrics["retrieval/freshness"], fresh_BM.mean(dim=1))
    shown_BK = news.observe(after)["slate_items"][..., 32]
    torch.testing.assert_close(outcome.metrics["freshness"], shown_BK.mean(dim=1))


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
