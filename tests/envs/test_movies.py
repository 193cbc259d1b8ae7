"""The equations of Movies-v0, by hand, and what its reference policies show."""

import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import envs
from encoders.errors import UsageError
from envs.interface import Policy
from envs.movies import Movies
from envs.movies_settings import MoviesSettings
from envs.simulator import State
from envs.slates import random_slate
from envs.vector import SlateVectorEnv

NEVER = 1 - 2.0**-24
"""The uniform draw that clicks nothing."""
FIRST = 0.0
"""The uniform draw that clicks the first slot."""


@pytest.fixture
def movies(kernel: Callable[[str], Any]) -> Movies:
    simulator: Movies = kernel(envs.ENVIRONMENTS["slatelab/Movies-v0"])
    return simulator


@pytest.fixture
def control(kernel: Callable[[str], Any]) -> Movies:
    simulator: Movies = kernel(envs.ENVIRONMENTS["slatelab/MoviesMyopic-v0"])
    return simulator


def _user(simulator: Movies, affinity: float = 0.5) -> State:
    """Return one median user who likes every film the same, drawn to film 0, which is all they know."""
    generator = torch.Generator().manual_seed(0)
    users = simulator.sample_users(1, "train", generator)
    users["factors"] = torch.zeros_like(users["factors"])
    users["factors"][0, -1] = affinity
    users["interest"] = simulator.world.vectors[:1].clone()
    users["history"] = torch.zeros(1, 1, dtype=torch.int64)
    users |= {"decisiveness": torch.ones(1), "fame": torch.ones(1), "variety": torch.ones(1), "stamina": torch.ones(1)}
    return simulator.start(users, simulator.start_noise(1, generator))


def _noise(simulator: Movies, choice: float, stars: float = 0.0) -> dict[str, Tensor]:
    noise = simulator.step_noise(1, torch.Generator().manual_seed(0))
    return noise | {"choice": torch.tensor([[choice]]), "stars": torch.tensor([stars])}


SLATE = torch.tensor([[0, 1, 2, 3, 4]])


def test_the_click_logit_is_the_documented_sum(movies: Movies) -> None:
    state, films = _user(movies, affinity=-1.5), movies.world.items
    state["fame"], state["variety"] = torch.tensor([1.5]), torch.tensor([0.8])
    state["satiation"] = torch.zeros_like(state["satiation"]).index_fill(1, torch.tensor([4]), 0.5)
    items = torch.tensor([[0, 7, 100]])
    logits, affinity, satiation = movies.world.opinion(state, items).values()
    torch.testing.assert_close(affinity, torch.full((1, 3), -1.5))
    torch.testing.assert_close(satiation, 0.5 * films.genres[items[0], 4].unsqueeze(0))
    for column, item in enumerate(items[0].tolist()):
        cosine = float(films.directions[0] @ films.directions[item])
        fame, tired = float(films.popularity[item]), 0.5 * float(films.genres[item, 4])
        expected = 6 * cosine + 0.5 * 1.5 * fame - 2 * 0.8 * tired
        assert logits[0, column].item() == pytest.approx(expected, abs=1e-5)


def test_click_chances_are_those_of_the_logits(movies: Movies) -> None:
    state = _user(movies)
    state["decisiveness"] = torch.tensor([1.3])
    logits = movies.world.appeal(state, state["candidates"].gather(1, SLATE))
    weights = [math.exp(1.3 * (logit - 3)) for logit in logits[0].tolist()]
    edge = weights[0] / (sum(weights) + 1)
    for uniform, clicks in ((edge - 1e-4, [1, 0]), (edge + 1e-4, [0, 1])):
        _, outcome = movies.step(state, SLATE, _noise(movies, uniform))
        assert outcome.response[0, :2, 0].tolist() == clicks


def test_a_click_moves_mood_patience_satiation_and_profile(movies: Movies) -> None:
    state, films, vectors = _user(movies), movies.world.items, movies.view.vectors
    state["mood"], state["patience"] = torch.tensor([0.25]), torch.tensor([3.0])
    state["satiation"] = torch.full_like(state["satiation"], 0.1)
    for trace in ("recent", "valued", "progress"):
        state[trace] = torch.full_like(state[trace], 0.5)
    clicked = int(state["candidates"][0, 3])
    slate = torch.tensor([[3, 1, 2, 0, 4]])
    after, outcome = movies.step(state, slate, _noise(movies, FIRST, stars=1.0))
    satiation = 0.1 * float(films.genres[clicked].sum())
    satisfaction = math.tanh(2 * (0.5 - 0.3 * satiation))
    mood = 0.8 * 0.25 + 0.2 * satisfaction
    assert outcome.metrics["satisfaction"].item() == pytest.approx(satisfaction, abs=1e-5)
    assert after["mood"].item() == pytest.approx(mood, abs=1e-5)
    assert after["patience"].item() == pytest.approx(3 - math.exp(-3.5 * mood), abs=1e-5)
    torch.testing.assert_close(after["satiation"][0], 0.08 + 0.2 * films.genres[clicked])
    profile = 0.95 * vectors[0] + 0.05 * vectors[clicked]
    torch.testing.assert_close(after["profile"][0], profile / profile.norm())
    interest = 0.95 * films.directions[0] + 0.05 * films.directions[clicked]
    torch.testing.assert_close(after["interest"][0], interest / interest.norm())
    stars = round(3 + 0.5 - 0.3 * satiation + 0.5)
    assert outcome.response[0].tolist() == [[1, 1, stars], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert outcome.reward.tolist() == [1]
    verdict = (stars - 3) / 2
    traces = [0.52, 0.4 + 0.2, 0.4 + 0.2 * verdict, 0.475 + 0.05 * verdict]
    torch.testing.assert_close(after["progress"][0], torch.tensor(traces))
    torch.testing.assert_close(after["recent"][0], 0.4 + 0.2 * vectors[clicked])
    torch.testing.assert_close(after["valued"][0], 0.475 + 0.05 * verdict * vectors[clicked])


def test_without_a_click_only_time_passes(movies: Movies) -> None:
    state = _user(movies)
    state["satiation"] = torch.full_like(state["satiation"], 0.1)
    after, outcome = movies.step(state, SLATE, _noise(movies, NEVER))
    assert outcome.reward.tolist() == [0]
    assert not outcome.response.any()
    assert after["mood"].item() == pytest.approx(0.2 * -0.2)
    assert after["patience"].item() == pytest.approx(20 - math.exp(3.5 * 0.04), abs=1e-5)
    torch.testing.assert_close(after["satiation"], 0.8 * state["satiation"])
    torch.testing.assert_close(after["profile"], state["profile"])
    torch.testing.assert_close(after["interest"], state["interest"])
    torch.testing.assert_close(after["progress"], torch.tensor([[0.02, 0, 0, 0]]))


@pytest.mark.parametrize(("affinity", "stars"), [(9.0, 5), (-9.0, 1), (0.1, 3), (-0.9, 2)])
def test_stars_are_rounded_and_stay_on_the_scale(movies: Movies, affinity: float, stars: int) -> None:
    _, outcome = movies.step(_user(movies, affinity), SLATE, _noise(movies, FIRST))
    assert outcome.response[0, 0].tolist() == [1, 1, stars]


@pytest.mark.parametrize(("patience", "left"), [(1.1, True), (1.2, False)])
def test_a_user_leaves_when_patience_is_used_up(movies: Movies, patience: float, left: bool) -> None:
    state = _user(movies)
    state["patience"] = torch.tensor([patience])
    _, outcome = movies.step(state, SLATE, _noise(movies, NEVER))  # exp(3.5 * 0.04) = 1.15
    assert outcome.left.tolist() == [left]


def test_films_shown_are_not_offered_again_and_counted_once(movies: Movies) -> None:
    state = _user(movies)
    slate = torch.tensor([[0, 1, 1, 2, 0]])
    shown = state["candidates"][0, :3]
    after, outcome = movies.step(state, slate, _noise(movies, NEVER))
    assert outcome.metrics["repeats"].tolist() == [2]
    assert after["unseen"].item() == movies.spec.num_items - 4  # film 0 is known
    assert after["seen"][0].nonzero().squeeze(1).tolist() == sorted([0, *shown.tolist()])
    assert not set(shown.tolist()) & set(after["candidates"][0].tolist())


def test_seen_is_counted_right_until_everything_is_offered_again(movies: Movies) -> None:
    state = _user(movies)
    generator = torch.Generator().manual_seed(0)
    started_over = 0
    for _ in range(460):
        state, _ = movies.step(state, random_slate(1, 30, 5, generator), movies.step_noise(1, generator))
        assert state["unseen"].item() == movies.spec.num_items - int(state["seen"].sum())
        assert not state["seen"].gather(1, state["candidates"]).any()
        started_over += int(state["unseen"].item() == movies.spec.num_items - 1)
    assert started_over == 1


def test_metrics_of_retrieval_are_means_over_the_next_candidates(movies: Movies) -> None:
    env = SlateVectorEnv(movies, 8, as_tensors=True)
    env.reset(seed=0)
    state, outcome = movies.step(env.state, random_slate(8, 30, 5, env.generator), movies.step_noise(8, env.generator))
    vectors = movies.observe(state)["candidates"]
    cosine = torch.einsum("bd,bmd->bm", state["profile"], vectors).mean(dim=1)
    affinity = movies.world.opinion(state, state["candidates"])["affinity"]
    torch.testing.assert_close(outcome.metrics["retrieval/cosine"], cosine)
    torch.testing.assert_close(outcome.metrics["retrieval/affinity"], affinity.mean(dim=1))


def test_most_candidates_are_the_nearest_by_cosine(movies: Movies) -> None:
    state = _user(movies)
    near = (movies.view.vectors @ state["profile"][0]).topk(19).indices.tolist()
    assert near[0] == 0  # the history, which is known
    assert set(state["candidates"][0, :18].tolist()) == set(near[1:])


def test_affinities_are_standardised_over_the_catalogue(movies: Movies) -> None:
    users = movies.sample_users(20, "validation", torch.Generator().manual_seed(0))
    affinity = users["factors"] @ movies.world.items.factors.T
    torch.testing.assert_close(affinity.mean(dim=1), torch.zeros(20), atol=1e-4, rtol=0)
    torch.testing.assert_close(affinity.std(dim=1), torch.ones(20), atol=1e-3, rtol=0)
    torch.testing.assert_close(users["interest"].norm(dim=1), torch.ones(20))


def test_splits_draw_from_disjoint_raters(movies: Movies) -> None:
    raters = [set(pool.raters.tolist()) for pool in movies.world.users.pools.values()]
    assert len(raters) == 3
    assert all(raters)
    assert sum(map(len, raters)) == len(set.union(*raters))


def _play(simulator: Movies, policy: Policy, users: int = 200) -> tuple[np.ndarray, np.ndarray]:
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


def _random(simulator: Movies, state: State) -> Tensor:
    batch = len(state["mood"])
    return random_slate(batch, 30, 5, torch.Generator().manual_seed(int(state["unseen"].sum())))


def test_reference_policies_stand_in_the_documented_order(movies: Movies) -> None:
    returns = {name: _play(movies, policy)[0] for name, policy in movies.POLICIES.items()}
    returns["random"] = _play(movies, _random)[0]
    gained = returns["near_oracle"] - returns["myopic_oracle"]
    assert gained.mean() > 3 + 3 * gained.std() / math.sqrt(len(gained))
    better = returns["myopic_oracle"] - returns["random"]
    assert better.mean() > 3 * better.std() / math.sqrt(len(better))


@pytest.mark.parametrize("name", ["myopic_oracle", "near_oracle"])
def test_the_control_ends_by_itself_whatever_is_shown(control: Movies, name: str) -> None:
    users = control.sample_users(64, "validation", torch.Generator().manual_seed(0))
    env = SlateVectorEnv(control, 64, as_tensors=True, autoreset_mode="DISABLED")
    env.reset(seed=1, options={"users": users})
    _, length = _play(control, control.POLICIES[name], 64)
    _, again = _play(control, _random, 64)
    assert np.array_equal(length, again)
    assert env.state is not None
    torch.testing.assert_close(env.state["patience"], 20 * users["stamina"])


def test_nothing_lasts_in_the_control(control: Movies) -> None:
    env = SlateVectorEnv(control, 8, as_tensors=True)
    env.reset(seed=0)
    state = env.state
    assert state is not None
    after, _ = control.step(state, random_slate(8, 30, 5, env.generator), control.step_noise(8, env.generator))
    for name in ("profile", "interest", "recent", "valued", "progress"):
        torch.testing.assert_close(after[name], state[name])
    tired, fresh = after | {"satiation": after["satiation"] + 1}, after
    items = after["candidates"]
    torch.testing.assert_close(control.world.appeal(tired, items), control.world.appeal(fresh, items))


def test_in_the_control_the_near_oracle_is_the_myopic_oracle(control: Movies) -> None:
    env = SlateVectorEnv(control, 64, as_tensors=True)
    env.reset(seed=0)
    assert env.state is not None
    one, other = (control.POLICIES[name](control, env.state) for name in ("myopic_oracle", "near_oracle"))
    assert torch.equal(one.sort(dim=1).values, other.sort(dim=1).values)


def test_profiles_of_text_are_their_own_cached_and_the_same_again(
    movies: Movies, caplog: pytest.LogCaptureFixture
) -> None:
    def draw(simulator: Movies) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        users = simulator.sample_users(50, "train", generator)
        return simulator.start(users, simulator.start_noise(50, generator))["profile"]

    def make() -> Movies:
        made: Movies = envs.make_simulator("envs.movies:Movies", "cpu", encoder="tiny", user_vector="text")
        return made

    first = make()
    with caplog.at_level(logging.INFO):
        second = make()
    assert "encoded 0 new texts, 671 from the cache" in caplog.text
    by_text, again = draw(first), draw(second)
    assert torch.equal(by_text, again)
    torch.testing.assert_close(by_text.norm(dim=1), torch.ones(50))
    assert ((by_text * draw(movies)).sum(dim=1) < 0.99).all()
    assert len(by_text.unique(dim=0)) > 25


@pytest.fixture(scope="module")
def whole_catalogue() -> Movies:
    return Movies(MoviesSettings(encoder="tiny", candidate_source="all"), device="cpu")


def test_of_the_whole_catalogue_a_film_already_shown_cannot_be_clicked(whole_catalogue: Movies) -> None:
    simulator, generator = whole_catalogue, torch.Generator().manual_seed(0)
    users = simulator.sample_users(200, "test", generator)
    state = simulator.start(users, simulator.start_noise(200, generator))
    assert simulator.spec.num_candidates == simulator.spec.num_items
    slate_BK = Movies.POLICIES["myopic_oracle"](simulator, state)
    state, first = simulator.step(state, slate_BK, simulator.step_noise(200, generator))
    assert first.reward.mean() > 0.5
    _, again = simulator.step(state, slate_BK, simulator.step_noise(200, generator))
    assert again.reward.sum() == 0
    assert (again.metrics["repeats"] == simulator.settings.slate_size).all()
    for policy in Movies.POLICIES.values():
        assert not state["seen"].gather(1, policy(simulator, state)).any()


def test_the_best_film_is_the_unseen_one_of_the_highest_logit(movies: Movies) -> None:
    generator = torch.Generator().manual_seed(1)
    users = movies.sample_users(3, "test", generator)
    state = movies.start(users, movies.start_noise(3, generator))
    everything = torch.arange(movies.spec.num_items).expand(3, -1)
    logits_BN = movies.world.appeal(state, everything)
    best_B = movies.best_items(state)
    assert torch.equal(best_B, logits_BN.argmax(dim=1))
    state["seen"] = state["seen"].scatter(1, best_B.unsqueeze(1), True)
    assert (movies.best_items(state) != best_B).all()


def test_films_can_be_chosen_by_a_cascade() -> None:
    with pytest.raises(UsageError, match="clicks several slots"):
        MoviesSettings(choice_model="position_based")
    simulator = Movies(MoviesSettings(encoder="tiny", choice_model="exponential_cascade"), device="cpu")
    generator = torch.Generator().manual_seed(0)
    users = simulator.sample_users(2000, "test", generator)
    state = simulator.start(users, simulator.start_noise(2000, generator))
    slate_BK = Movies.POLICIES["myopic_oracle"](simulator, state)
    _, outcome = simulator.step(state, slate_BK.flip(1), simulator.step_noise(2000, generator))
    clicks_K = outcome.response[:, :, 0].mean(dim=0)
    assert outcome.response[:, :, 0].sum(dim=1).max() == 1
    # The slate stands upside down: who walks it from the top still clicks there most, who sees it at once does not.
    assert clicks_K.argmax() == 0
    assert clicks_K[0] > 0.3


def test_clicks_on_what_the_rater_really_rated_are_counted(movies: Movies) -> None:
    from envs.catalog import with_min_ratings

    ratings = with_min_ratings(movies.load_dataset(), 10).ratings
    rated = set(zip(ratings.users.tolist(), ratings.items.tolist(), strict=True))
    generator = torch.Generator().manual_seed(0)
    raters, items = (torch.randint(number, (4000,), generator=generator) for number in (671, 2245))
    raters[:500], items[:500] = torch.tensor(ratings.users[:500]), torch.tensor(ratings.items[:500])
    told = movies.world.users.really_rated(raters, items)
    assert told.tolist() == [float(pair in rated) for pair in zip(raters.tolist(), items.tolist(), strict=True)]


def test_people_click_what_their_rater_watched_more_often_than_other_films(movies: Movies) -> None:
    world, generator = movies.world, torch.Generator().manual_seed(0)
    users = movies.sample_users(300, "test", generator)
    state = movies.start(users, movies.start_noise(300, generator))
    appeal_BN = world.decided(state, world.appeal(state, None))
    rated_BN = torch.stack(
        [world.users.really_rated(users["rater"], torch.full((300,), item)) for item in range(300)], 1
    )
    watched, other = (appeal_BN[:, :300][rated_BN == flag].mean() for flag in (1, 0))
    assert watched > other + 1


def test_too_small_a_catalogue_after_the_history_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="known already"):
        Movies(MoviesSettings(encoder="random", num_candidates=2240), "cpu")
