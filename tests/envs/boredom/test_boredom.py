"""Boredom-v0 and BoredomRerank-v0: SARDINE's rules by hand, and their reference policies."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import pytest
import torch
from torch import Tensor

import envs
from encoders.errors import UsageError
from envs.boredom.settings import PRESETS, BoredomSettings
from envs.boredom.simulator import Boredom, BoredomRerank
from envs.choice import CHOICE_MODELS, ChoiceParameters
from envs.slates import random_slate
from envs.vector import SlateVectorEnv
from experiments.sessions import play

PATH = "envs.boredom.simulator:Boredom"
RERANK = "envs.boredom.simulator:BoredomRerank"
ALL_SEEN = ChoiceParameters(examination=1.0)


class Plain(Boredom):
    """Twelve items of a single topic each, 0 0 0 0 1 1 1 1 2 2 2 2, and one of two topics."""

    def load_items(self) -> Tensor:
        """Return the thirteen items, the last one (0.6, 0.8, 0)."""
        return torch.cat([torch.eye(3).repeat_interleave(4, dim=0), torch.tensor([[0.6, 0.8, 0.0]])])


def plain(slate_size: int = 4, **settings: Any) -> Plain:
    """Return the simulator whose every slot is seen, with the plain items."""
    sizes = {"num_items": 13, "num_candidates": 13, "num_topics": 3, "user_topics": (1, 3), "slate_size": slate_size}
    return Plain(BoredomSettings(**{"choice": ALL_SEEN, "offset": 0.3} | sizes | settings), "cpu")


def begin(simulator: Boredom, taste: list[float]) -> dict[str, Tensor]:
    """Return the state of one user."""
    return simulator.start({"taste": torch.tensor([taste])}, {})


def show(
    simulator: Boredom, state: dict[str, Tensor], slate: list[int], uniform: list[float] | None = None
) -> tuple[dict[str, Tensor], list[float]]:
    """Show one slate; return the state and the clicks. Slots are clicked where they are relevant at all."""
    noise = {"choice": torch.tensor([uniform or [0.5] * len(slate)])}
    state, outcome = simulator.step(state, torch.tensor([slate]), noise)
    assert outcome.reward.item() == outcome.response[0, :, 0].sum().item()
    assert not outcome.left.any()
    clicks: list[float] = outcome.response[0, :, 0].tolist()
    return state, clicks


def returns(simulator: Any, name: str, users: int) -> tuple[float, float]:
    """Return the means of return and of bored steps of a reference policy, or of random slates."""
    generator, spec = torch.Generator().manual_seed(4), simulator.spec

    def act(state: dict[str, Tensor], observation: dict[str, Tensor]) -> Tensor:
        if name == "random":
            return random_slate(len(observation["user"]), spec.num_candidates, spec.slate_size, generator)
        slate: Tensor = simulator.POLICIES[name](simulator, state)
        return slate

    panel = simulator.sample_users(users, "validation", torch.Generator().manual_seed(4))
    totals = play(simulator, panel, act, 4).totals
    return float(totals["reward"].mean()), float(totals["bored"].mean())


# relevance and clicks


def test_a_slot_is_clicked_with_relevance_times_its_place() -> None:
    simulator = plain(3, slope=10.0, offset=0.65, choice=ChoiceParameters(examination=0.85))
    state = begin(simulator, [0.8, 0.6, 0.0])
    chances = [
        1 / (1 + math.exp(-10 * (0.8 - 0.65))),
        0.85 / (1 + math.exp(-10 * (0.6 * 0.8 + 0.8 * 0.6 - 0.65))),
        0.85**2 / (1 + math.exp(-10 * (0.6 - 0.65))),
    ]
    below, above = [chance - 1e-4 for chance in chances], [chance + 1e-4 for chance in chances]
    assert show(simulator, state, [0, 12, 4], below)[1] == [1, 1, 1]
    assert show(simulator, state, [0, 12, 4], above)[1] == [0, 0, 0]
    assert show(simulator, state, [0, 12, 4], [below[0], above[1], below[2]])[1] == [1, 0, 1]


def test_relevance_is_relative_to_the_longest_item() -> None:
    class Long(Plain):
        def load_items(self) -> Tensor:
            return 2 * super().load_items()

    settings = plain(3, slope=10.0).settings
    short, long = plain(3, slope=10.0), Long(settings, "cpu")
    one = short.logits(short.items @ torch.tensor([0.8, 0.6, 0.0]))
    torch.testing.assert_close(one, long.logits(long.items @ torch.tensor([0.8, 0.6, 0.0])))


def test_the_published_defaults() -> None:
    settings = BoredomSettings()
    assert (settings.slope, settings.offset, settings.choice.examination) == (100, 0.65, 0.85)
    assert (settings.boredom_threshold, settings.boredom_memory) == (5, 10)
    assert (settings.boredom_window, settings.boredom_duration) == (5, 5)
    assert PRESETS["SlateTopK-Bored"] == settings
    assert PRESETS["SlateTopK-BoredInf"].influence == 0.95
    assert PRESETS["SlateRerank-Bored"] == BoredomRerank.Settings()


# boredom


def test_the_fifth_recent_click_bores_and_the_fourth_does_not() -> None:
    simulator = plain(4)
    state, clicks = show(simulator, begin(simulator, [0.6, 0.8, 0.0]), [0, 1, 2, 3])
    assert clicks == [1, 1, 1, 1]
    assert not state["boredom"].any()
    after, _ = show(simulator, state, [0, 8, 9, 10])
    assert after["boredom"].tolist() == [[5, 0, 0]]
    after, _ = show(simulator, state, [8, 9, 10, 11])
    assert not after["boredom"].any()


@pytest.mark.parametrize(("pause", "bores"), [(3, True), (4, False)])
def test_clicks_count_for_five_steps_with_their_own(pause: int, bores: bool) -> None:
    simulator = plain(4)
    state, _ = show(simulator, begin(simulator, [0.6, 0.8, 0.0]), [0, 1, 2, 3])
    for _ in range(pause):
        state, clicks = show(simulator, state, [8, 9, 10, 11])
        assert clicks == [0, 0, 0, 0]
    state, _ = show(simulator, state, [0, 8, 9, 10])
    assert (state["boredom"][0, 0] == 5) == bores


def test_only_the_latest_ten_clicks_count_and_a_lower_slot_is_later() -> None:
    simulator = plain(4)
    taste = [1 / math.sqrt(3)] * 3
    first, _ = show(simulator, begin(simulator, taste), [0, 1, 2, 4])
    second, _ = show(simulator, first, [5, 6, 8, 9])
    assert second["recent"].tolist() == [[3, 3, 2]]
    third, _ = show(simulator, second, [10, 0, 1, 7])
    # Of twelve clicks the first two, both of topic 0, are forgotten; with all, topic 0 would have five.
    assert third["recent"].tolist() == [[3, 4, 3]]
    assert third["recent_topics"][:, :-1].tolist() == [[1, 0, 0, 2, 2, 2, 1, 1, 1, 0]]
    assert not third["boredom"].any()
    longer = plain(4, boredom_memory=12)
    state = begin(longer, taste)
    for slate in ([0, 1, 2, 4], [5, 6, 8, 9], [10, 0, 1, 7]):
        state, _ = show(longer, state, slate)
    assert state["boredom"].tolist() == [[5, 0, 0]]


@pytest.mark.parametrize(("boredom_type", "other"), [("churn_and_return", 0), ("loss_of_interest", 1)])
def test_boredom_lasts_five_steps_for_the_user_or_for_the_topic(boredom_type: str, other: int) -> None:
    simulator = plain(5, boredom_type=boredom_type)
    state, clicks = show(simulator, begin(simulator, [0.6, 0.8, 0.0]), [0, 1, 2, 3, 12])
    assert clicks == [1, 1, 1, 1, 1]
    assert not state["boredom"].any()
    state, _ = show(simulator, state, [0, 8, 9, 10, 11])
    for left in (5, 4, 3, 2, 1):
        assert state["boredom"][0, 0] == left
        expected = [0, 0.8, 0] if other else [0, 0, 0]
        assert simulator.current_taste(state)[0].tolist() == pytest.approx(expected)
        state, clicks = show(simulator, state, [0, 4, 8, 9, 10] if left % 2 else [0, 8, 9, 10, 11])
        assert clicks[0] == 0
        assert clicks[1] == (other if left % 2 else 0)
    assert not state["boredom"].any()
    assert show(simulator, state, [0, 8, 9, 10, 11])[1][0] == 1


def test_what_bores_already_is_not_made_to_bore_for_longer_but_may_bore_again_at_its_end() -> None:
    # An item whose main topic bores can still be clicked for its other topic.
    simulator = plain(1, boredom_type="loss_of_interest", boredom_threshold=1, boredom_duration=2)
    state = begin(simulator, [0.0, 0.8, 0.6])
    left = []
    for item in (4, 8, 8, 8, 8):
        state, _ = show(simulator, state, [item])
        left.append(state["boredom"][0].tolist())
    assert left == [[0, 2, 0], [0, 1, 2], [0, 2, 1], [0, 1, 2], [0, 2, 1]]


def test_memory_and_boredom_equal_a_plain_list_of_clicks() -> None:
    simulator = Boredom(BoredomSettings(slope=5.0, offset=0.3, boredom_threshold=3, influence=0.9), "cpu")
    generator = torch.Generator().manual_seed(0)
    batch = 16
    state = simulator.start(simulator.sample_users(batch, "train", generator), {})
    clicked: list[list[tuple[int, int]]] = [[] for _ in range(batch)]
    boredom = [[0] * 10 for _ in range(batch)]
    for step in range(40):
        slate = random_slate(batch, 1000, 10, generator)
        state, outcome = simulator.step(state, slate, simulator.step_noise(batch, generator))
        for user in range(batch):
            items = slate[user][outcome.response[user, :, 0] > 0]
            clicked[user] = (clicked[user] + [(step, int(simulator.topics[item])) for item in items])[-10:]
            for topic in range(10):
                count = sum(other == topic and step - when < 5 for when, other in clicked[user])
                assert state["recent"][user, topic] == count
                boredom[user][topic] = max(boredom[user][topic] - 1, 0)
                if boredom[user][topic] == 0 and count >= 3:
                    boredom[user][topic] = 5
        assert state["boredom"].tolist() == boredom
    assert state["boredom"].any()


def test_a_threshold_above_the_memory_never_bores() -> None:
    simulator = Boredom(replace(PRESETS["SlateRerank-Static"], slope=100.0, offset=-1.0), "cpu")
    earned, bored = returns(simulator, "random", 50)
    assert bored == 0
    assert earned == pytest.approx(10 * (1 - 0.7**10) / 0.3, rel=0.02)
    assert returns(simulator, "near_oracle", 50) == returns(simulator, "myopic_oracle", 50)


# influence


def test_clicked_items_draw_the_taste_to_their_mean_vector() -> None:
    simulator = plain(4, influence=0.9)
    state = begin(simulator, [0.6, 0.8, 0.0])
    after, clicks = show(simulator, state, [0, 1, 4, 8])
    assert clicks == [1, 1, 1, 0]
    moved = torch.tensor([0.9 * 0.6 + 0.1 * 2 / 3, 0.9 * 0.8 + 0.1 / 3, 0.0])
    torch.testing.assert_close(after["taste"][0], moved / moved.norm())
    after, _ = show(simulator, state, [8, 9, 10, 11])
    assert torch.equal(after["taste"], state["taste"])
    after, _ = show(plain(4), state, [0, 1, 4, 8])
    assert torch.equal(after["taste"], state["taste"])


# slots, observation, candidates


def test_an_item_shown_twice_is_clicked_and_remembered_once() -> None:
    simulator = plain(5)
    state, clicks = show(simulator, begin(simulator, [1.0, 0.0, 0.0]), [0, 0, 0, 0, 0])
    assert clicks == [1, 0, 0, 0, 0]
    assert state["recent"].tolist() == [[1, 0, 0]]
    assert not state["slate_items"][:, 1:].any()


def test_the_observation_sums_up_the_session_and_hides_taste_and_boredom() -> None:
    for observe_state in (False, True):
        simulator = plain(4, observe_state=observe_state)
        state, _ = show(simulator, begin(simulator, [0.6, 0.8, 0.0]), [0, 1, 2, 8])
        state, _ = show(simulator, state, [0, 1, 2, 8])
        liked, seen = (3 / 4 * 0.05 * (0.95 + 1), 1 / 4 * 0.05 * (0.95 + 1))
        expected = [liked, 0, 0, liked, 0, seen, 1, 0, 0, 0.2 * 3 / 4 * 1.8, 0.02]
        hidden = [0, 0, 0, 1, 0, 0] if observe_state else []
        assert simulator.observe(state)["user"][0].tolist() == pytest.approx(expected + hidden)
        assert simulator.spec.shapes["user"] == (len(expected) + len(hidden),)


def test_the_observed_state_counts_boredom_down_from_one_and_is_zero_without() -> None:
    simulator = plain(5, observe_state=True)
    state, _ = show(simulator, begin(simulator, [0.6, 0.8, 0.0]), [0, 1, 2, 3, 12])
    told = [simulator.observe(state)["user"][0, -6:].tolist()]
    for _ in range(6):
        state, _ = show(simulator, state, [0, 8, 9, 10, 11])
        told.append(simulator.observe(state)["user"][0, -6:].tolist())
    tastes, counters = [[*row[:3]] for row in told], [row[3:] for row in told]
    assert torch.tensor(counters)[:, 0].tolist() == pytest.approx([0, 1, 0.8, 0.6, 0.4, 0.2, 0])
    assert not torch.tensor(counters)[:, 1:].any()
    assert [any(taste) for taste in tastes] == [True, False, False, False, False, False, True]


def test_the_whole_catalogue_is_offered_without_a_copy_for_each_user(kernel: Callable[[str], Any]) -> None:
    simulator, generator = kernel(PATH), torch.Generator().manual_seed(0)
    state = simulator.start(simulator.sample_users(64, "train", generator), simulator.start_noise(64, generator))
    assert sum(value.numel() for value in state.values()) / 64 < 300
    seen = simulator.observe(state)
    assert seen["candidates"].shape == (64, 1000, 10)
    assert seen["candidates"].stride(0) == seen["candidate_ids"].stride(0) == 0
    SlateVectorEnv(simulator, 2, as_tensors=True).reset(seed=0)[0]["candidates"][0][:] = 0
    assert simulator.items.norm(dim=1).min() > 0.99


def test_fewer_candidates_are_distinct_and_drawn_anew() -> None:
    env = gym.make_vec(
        "slatelab/Boredom-v0", num_envs=32, device="cpu", as_tensors=True, num_candidates=20, slate_size=5
    )
    simulator = env.unwrapped.simulator
    before, _ = env.reset(seed=0)
    slate = torch.arange(5).expand(32, -1)
    after, _, _, _, info = env.step(slate)
    assert torch.equal(info["slate_ids"], before["candidate_ids"][:, :5])
    torch.testing.assert_close(after["slate_items"], simulator.items[before["candidate_ids"][:, :5]])
    torch.testing.assert_close(after["candidates"], simulator.items[after["candidate_ids"]])
    assert (after["candidate_ids"].sort(dim=1).values.diff(dim=1) > 0).all()
    assert (before["candidate_ids"] != after["candidate_ids"]).any(dim=1).all()
    earned = {name: returns(simulator, name, 100)[0] for name in ("random", "myopic_oracle", "near_oracle")}
    assert earned["random"] < earned["myopic_oracle"] < earned["near_oracle"]


def test_items_and_users_are_sparse_unit_vectors_of_the_published_numbers_of_topics(
    kernel: Callable[[str], Any],
) -> None:
    simulator = kernel(PATH)
    users = simulator.sample_users(50_000, "train", torch.Generator().manual_seed(0))["taste"]
    for vectors in (simulator.items, users):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))
        assert vectors.min() >= 0
    items = (simulator.items > 0).sum(dim=1).bincount(minlength=5) / 1000
    torch.testing.assert_close(items, torch.tensor([0, 0, 0.5, 0.5, 0]), atol=0.05, rtol=0)
    binomial = torch.tensor([math.comb(10, n) * 0.4**n * 0.6 ** (10 - n) for n in (3, 4, 5)])
    numbers = (users > 0).sum(dim=1).bincount(minlength=6) / 50_000
    torch.testing.assert_close(numbers[3:6], binomial / binomial.sum(), atol=0.01, rtol=0)
    torch.testing.assert_close((users > 0).float().mean(dim=0), torch.full((10,), 0.398), atol=0.01, rtol=0)


@pytest.mark.parametrize("name", CHOICE_MODELS)
def test_it_runs_under_every_choice_model(name: str) -> None:
    simulator = Boredom(BoredomSettings(choice_model=name, choice=ChoiceParameters(min_score=-200.0)), "cpu")
    generator = torch.Generator().manual_seed(0)
    state = simulator.start(simulator.sample_users(200, "train", generator), {})
    slate = simulator.POLICIES["myopic_oracle"](simulator, state)
    _, outcome = simulator.step(state, slate, simulator.step_noise(200, generator))
    assert outcome.reward.max() > 0
    assert (outcome.reward.max() > 1) == CHOICE_MODELS[name].several


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_plays_and_its_oracle_beats_random(preset: str) -> None:
    simulator = Boredom(PRESETS[preset], "cpu")
    users = 1000 if preset.startswith("SlateRerank") else 50
    earned = {name: returns(simulator, name, users)[0] for name in ("random", "myopic_oracle", "near_oracle")}
    assert earned["random"] < earned["myopic_oracle"] <= earned["near_oracle"] + 1e-6


# reference policies


@pytest.mark.parametrize(("path", "users", "tolerance"), [(PATH, 200, (4, 17, 38, 18)), (RERANK, 2000, (0.5,) * 4)])
def test_reference_policies_earn_what_is_documented(
    kernel: Callable[[str], Any], path: str, users: int, tolerance: tuple[float, ...]
) -> None:
    # Four standard errors of so many users, of the panel here and of the documented one.
    simulator = kernel(path)
    documented = {anchor.policy: anchor.mean for anchor in simulator.ANCHORS}
    policies = ("random", "myopic_oracle", "hand_rule", "near_oracle")
    for name, within in zip(policies, tolerance, strict=True):
        assert returns(simulator, name, users)[0] == pytest.approx(documented[name], abs=within)
    means = [documented[name] for name in policies]
    assert means == sorted(means)
    assert documented["near_oracle"] > 1.25 * documented["myopic_oracle"]


def test_the_myopic_oracle_bores_and_the_near_oracle_does_not(kernel: Callable[[str], Any]) -> None:
    simulator = kernel(PATH)
    assert returns(simulator, "myopic_oracle", 100)[1] > 50
    assert returns(simulator, "near_oracle", 100)[1] < 10


def mid_session(simulator: Any, steps: int) -> dict[str, Tensor]:
    """Return the state of users who have been shown random slates."""
    generator, spec = torch.Generator().manual_seed(0), simulator.spec
    state: dict[str, Tensor] = simulator.start(simulator.sample_users(64, "train", generator), {})
    for _ in range(steps):
        slate = random_slate(64, spec.num_candidates, spec.slate_size, generator)
        state, _ = simulator.step(state, slate, simulator.step_noise(64, generator))
    return state


def test_the_hand_rule_reads_nothing_that_is_hidden(kernel: Callable[[str], Any]) -> None:
    simulator = kernel(PATH)
    state = mid_session(simulator, 6)
    hidden = ("taste", "boredom", "recent_topics", "recent_ages", "clicks", "steps")
    blind = state | {name: torch.zeros_like(state[name]) for name in hidden}
    rule = simulator.POLICIES["hand_rule"]
    slate = rule(simulator, state)
    assert torch.equal(slate, rule(simulator, blind))
    topics = simulator.topics[slate]
    assert torch.nn.functional.one_hot(topics, 10).sum(dim=1).max() <= 2


def test_the_near_oracle_is_myopic_in_the_last_step(kernel: Callable[[str], Any]) -> None:
    simulator = kernel(PATH)
    state = mid_session(simulator, 6)
    place = 0.85 ** torch.arange(10)

    def expected(name: str, steps: float) -> Tensor:
        at = state | {"steps": torch.full((64, 1), steps)}
        slate = simulator.POLICIES[name](simulator, at)
        match = torch.einsum("bkd,bd->bk", simulator.items[slate], simulator.current_taste(at))
        return (torch.sigmoid(simulator.logits(match)) * place).sum(dim=1)

    torch.testing.assert_close(expected("near_oracle", 99.0), expected("myopic_oracle", 99.0))
    assert expected("near_oracle", 50.0).mean() < expected("myopic_oracle", 50.0).mean() - 0.1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"slate_size": 0}, "slate_size is 0"),
        ({"num_candidates": 1001}, "larger than the catalogue of 1000 items"),
        ({"num_candidates": 9}, "slate_size 10 is larger than num_candidates 9"),
        ({"boredom_threshold": 0}, "boredom_threshold is 0"),
        ({"boredom_window": 0}, "boredom_window is 0"),
        ({"boredom_duration": 0}, "boredom_duration is 0"),
        ({"boredom_memory": 0}, "boredom_memory is 0"),
        ({"boredom_type": "loss_of_interests"}, 'did you mean "loss_of_interest"'),
        ({"slope": 0.0}, "slope is 0"),
        ({"offset": math.nan}, "offset is nan"),
        ({"influence": 1.1}, "influence is 1.1"),
        ({"item_topics": (0, 3)}, r"item_topics is \(0, 3\)"),
        ({"user_topics": (3, 11)}, r"user_topics is \(3, 11\)"),
        ({"user_topics": (5, 3)}, r"user_topics is \(5, 3\)"),
        ({"choice_model": "position_base"}, 'did you mean "position_based"'),
        ({"time_limit": 0}, "time_limit is 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        envs.make_simulator(PATH, "cpu", **settings)
