"""The history of a session: its events and totals by hand, and that nothing else of an environment changes."""

import copy
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest
import torch
from conformance import EnvironmentConformance
from conformance.trajectories import assert_same, copied, make, slates
from test_vector import never_waits
from torch import Tensor
from toy import Toy, ToySettings

import envs
from encoders import devices
from encoders.errors import UsageError
from envs.history import WithHistory, event
from envs.simulator import Retrieves
from envs.slates import random_slate
from experiments.building import build_simulator
from experiments.sessions import agent_policy, play
from experiments.settings import RunSettings, TrainSettings


class Remembering(WithHistory):
    """The toy with a history of four events."""

    Settings: ClassVar[type[Any]] = ToySettings

    def __init__(self, settings: ToySettings, device: str = "auto") -> None:
        super().__init__(Toy(settings, device), 4)


class TestRemembering(EnvironmentConformance):
    """An environment with a history is an environment."""

    env_id: ClassVar[str] = "slatelab/Remembering-v0"
    simulator_path: ClassVar[str] = "test_history:Remembering"

    @pytest.fixture(autouse=True)
    def _registered(self) -> None:
        if self.env_id not in envs.known_ids():
            envs.register(self.env_id, self.simulator_path)


def toy(length: int, **settings: Any) -> WithHistory:
    return WithHistory(Toy(ToySettings(**settings), "cpu"), length)


# Events and totals


def test_events_by_hand() -> None:
    response_BKR = torch.tensor(
        [
            [[1.0, 1.0, 5.0], [0.0, 0.0, 0.0], [0.0, 0.0, 2.0]],
            [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
            [[1.0, 0.5, 1.0], [1.0, 2.0, 4.0], [0.0, 0.0, 0.0]],
        ]
    )
    items_BKD = torch.tensor([[[1.0, 2.0], [7.0, 7.0], [9.0, 9.0]]] * 2 + [[[1.0, 0.0], [3.0, -4.0], [9.0, 9.0]]])
    rows = event(response_BKR, items_BKD, torch.tensor([0.0, 0.0, 3.0]))
    assert rows.tolist() == [
        [1.0, 0.0, 1.0, 1.0, 2.0, 1.0, 2.0],
        [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 2.0, 2.5, -1.0, 2.0, -2.0],
    ]


@pytest.mark.parametrize("length", [0, 1, 3])
def test_totals_then_the_newest_events_then_zeros(length: int) -> None:
    simulator, generator = toy(length, tiring=-1.0), torch.Generator().manual_seed(0)
    assert simulator.spec.shapes["history"] == (length + 1, 2 + 2 + 4)
    state = simulator.start(simulator.sample_users(9, "train", generator), simulator.start_noise(9, generator))
    assert simulator.observe(state)["history"].tolist() == torch.zeros(9, length + 1, 8).tolist()
    expected: list[list[list[float]]] = [[] for _ in range(9)]
    for step in range(6):
        slate_BK = random_slate(9, 6, 2, generator)
        if step % 2:
            slate_BK[:, 1] = slate_BK[:, 0]  # an empty slot
        shown_BKD = simulator.observe(state)["candidates"].gather(1, slate_BK.unsqueeze(2).expand(-1, -1, 4))
        state, outcome = simulator.step(state, slate_BK, simulator.step_noise(9, generator))
        history = simulator.observe(state)["history"]
        for user in range(9):
            clicks = outcome.response[user, :, 0].tolist()
            item = shown_BKD[user, clicks.index(1.0)].tolist() if 1.0 in clicks else [0.0] * 4
            expected[user].insert(0, [1.0, float(1.0 not in clicks), sum(clicks), sum(clicks), *item])
            rows = expected[user][:length] + [[0.0] * 8] * (length - step - 1)
            totals = np.array(expected[user]).sum(axis=0)
            np.testing.assert_allclose(history[user].numpy(), np.stack([totals, *rows]), 0, 1e-6)
    clicked = np.array(expected)[:, :, 2]
    assert 0 < clicked[:, 1::2].mean() < 1
    assert 0 < clicked[:, ::2].mean() < 1


def test_the_budget_of_interest_evolution_is_linear_in_the_totals(kernel: Callable[[str], Any]) -> None:
    simulator = WithHistory(kernel("envs.recsim.interest_evolution:InterestEvolution"), 0)
    near_oracle, generator = simulator.POLICIES["near_oracle"], torch.Generator().manual_seed(0)
    state = simulator.start(simulator.sample_users(50, "train", generator), simulator.start_noise(50, generator))
    plenty_B = torch.ones(50, dtype=torch.bool)
    for step in range(90):
        plenty_B &= state["budget"] > 4
        slate_BK = near_oracle(simulator, state) if step % 2 else random_slate(50, 10, 3, generator)
        state, _ = simulator.step(state, slate_BK, simulator.step_noise(50, generator))
        totals = dict(zip(("present", "no_click", *simulator.spec.response_columns), range(7), strict=True))
        total = {name: simulator.observe(state)["history"][:, 0, column] for name, column in totals.items()}
        budget_B = 200 - total["minutes"] + 0.9 / 3.4 * 4 * total["quality"] - 0.5 * total["no_click"]
        torch.testing.assert_close(budget_B[plenty_B], state["budget"][plenty_B], rtol=0, atol=1e-3)
    assert plenty_B.sum() > 10


@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_a_step_with_a_history_builds_no_observation_and_remembers_the_same(
    env_id: str, kernel: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = kernel(envs.ENVIRONMENTS[env_id])
    simulator, generator = WithHistory(plain, 2), torch.Generator().manual_seed(0)
    state = simulator.start(plain.sample_users(6, "train", generator), plain.start_noise(6, generator))
    offered, slots = plain.spec.num_candidates, plain.spec.slate_size
    for _ in range(4):
        slate_BK, noise = random_slate(6, offered, slots, generator), plain.step_noise(6, generator)
        with monkeypatch.context() as patch:
            patch.setattr(plain, "observe", lambda state: pytest.fail("an observation was built"))
            state, outcome = simulator.step(state, slate_BK, noise)
        items_BKD = plain.observe(state)["slate_items"]
        newest = event(outcome.response, items_BKD, torch.tensor(plain.spec.neutral_response))
        assert torch.equal(simulator.observe(state)["history"][:, 1], newest)


# Sessions that end


@pytest.mark.parametrize("lockstep", [False, True])
def test_the_end_of_a_session_empties_its_history_alone_and_the_last_observation_keeps_it(
    lockstep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lockstep:
        monkeypatch.setattr(devices, "may_look", lambda device: False)
    env = make(toy(2), 40, as_tensors=True)
    observation, _ = env.reset(seed=0)
    steps_B, mixed = torch.zeros(40), 0
    for slate_BK in slates(env, 12):
        before = copied(observation)
        observation, _, left_B, truncated_B, info = env.step(slate_BK)
        final, last_B = info.get("final_obs", observation)["history"], left_B | truncated_B
        assert torch.equal(final[:, 0, 0], steps_B + 1)
        torch.testing.assert_close(final[:, 0], before["history"][:, 0] + final[:, 1])
        assert torch.equal(final[:, 2], before["history"][:, 1])
        assert not observation["history"][last_B].any()
        assert torch.equal(observation["history"][~last_B], final[~last_B])
        steps_B = torch.where(last_B, 0, steps_B + 1)
        mixed += 0 < int(last_B.sum()) < 40
    assert mixed > 5


def test_a_saved_history_goes_on_to_the_bit() -> None:
    env, other = (make(toy(3), 5, as_tensors=True) for _ in range(2))
    env.reset(seed=0)
    for slate_BK in slates(env, 4):
        env.step(slate_BK)
    other.load_state_dict(copied(env.state_dict()))
    for slate_BK in slates(env, 5, seed=1):
        one, *_ = env.step(slate_BK)
        same, *_ = other.step(slate_BK)
        assert one["history"].any()
        assert_same(one, same)


def test_nobody_changes_the_past_by_writing_into_what_they_see() -> None:
    env = make(toy(3), 5, as_tensors=True)
    env.reset(seed=0)
    first, second = slates(env, 2)
    observation, *_ = env.step(first)
    observation["history"][:] = 7
    assert env.step(second)[0]["history"].max() < 7


def test_a_step_does_not_wait_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "may_look", lambda device: False)
    env = make(toy(3), 5, as_tensors=True)
    env.reset(seed=0)
    with never_waits(env.simulator.device):
        for slate_BK in slates(env, 4):
            observation, *_ = env.step(slate_BK)
    assert torch.equal(observation["history"][:, 0, 0].long(), env.steps_B)


class Watcher:
    """An agent that takes down how many slates each user's history tells of."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def act(self, observation: dict[str, Tensor], explore: bool) -> Tensor:
        self.seen.append(observation["history"][:, 0, 0].tolist())
        return observation["popularity"].topk(2, dim=1).indices


def test_at_evaluation_users_keep_their_history_as_others_leave() -> None:
    watcher: Any = Watcher()
    simulator = toy(2, time_limit=9)
    users = simulator.sample_users(50, "test", torch.Generator().manual_seed(0))
    sessions = play(simulator, users, agent_policy(watcher), 1)
    assert watcher.seen == [[float(step)] * int((sessions.length > step).sum()) for step in range(len(watcher.seen))]
    assert len(watcher.seen) > 3
    plain = play(simulator.simulator, users, lambda state, seen: seen["popularity"].topk(2, dim=1).indices, 1)
    assert_same(plain.totals, sessions.totals)
    assert torch.equal(plain.length, sessions.length)


# What is the simulator's own


@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_every_environment_and_its_reference_policies_stay_the_same_to_the_bit(
    kernel: Callable[[str], Any], env_id: str
) -> None:
    simulator = kernel(envs.ENVIRONMENTS[env_id])
    wrapped: Any = WithHistory(simulator, 3)
    for name in ("METRICS", "ANCHORS", "POLICIES", "Settings", "settings", "device", "time_limit"):
        assert getattr(wrapped, name) is getattr(simulator, name)
    assert isinstance(wrapped, Retrieves) == isinstance(simulator, Retrieves)
    for policy in simulator.POLICIES.values():
        plain, other = make(simulator, 6, as_tensors=True), make(wrapped, 6, as_tensors=True)
        expected, observation = plain.reset(seed=0)[0], other.reset(seed=0)[0]
        for _ in range(3):
            assert observation.pop("history").shape[1:] == wrapped.spec.shapes["history"]
            assert_same(observation, expected)
            slate_BK = policy(simulator, plain.state)
            assert torch.equal(policy(wrapped, other.state), slate_BK)
            expected, *numbers, told = plain.step(slate_BK)
            observation, *given, seen = other.step(slate_BK)
            assert all(torch.equal(one, two) for one, two in zip(given, numbers, strict=True))
            told.pop("final_obs", None)
            seen.pop("final_obs", None)
            assert_same(seen, told)
    ids = np.array([0, simulator.spec.num_items - 1])
    assert wrapped.titles(ids).tolist() == simulator.titles(ids).tolist()
    np.testing.assert_array_equal(wrapped.item_vectors(), simulator.item_vectors())


def test_a_best_item_is_found_as_without_a_history_in_every_version_of_python(kernel: Callable[[str], Any]) -> None:
    simulator = kernel(envs.ENVIRONMENTS["slatelab/Movies-v0"])
    wrapped: Any = WithHistory(simulator, 1)
    assert inspect.getattr_static(wrapped, "best_items")  # where Python 3.12 and later look for it
    generator = torch.Generator().manual_seed(0)
    state = wrapped.start(wrapped.sample_users(6, "train", generator), wrapped.start_noise(6, generator))
    assert torch.equal(wrapped.best_items(state), simulator.best_items(state))
    assert not isinstance(toy(1), Retrieves)


def test_a_copy_is_a_simulator_of_its_own() -> None:
    simulator = toy(2)
    limited = copy.copy(simulator)
    limited.time_limit = 3
    assert (limited.time_limit, simulator.time_limit, simulator.simulator.time_limit) == (3, 12, 12)
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        _ = limited.nothing_of_this_name


@pytest.mark.parametrize("length", [-1, 2.0, True, "16", None])
def test_a_length_that_cannot_be_is_refused_in_a_sentence(length: Any) -> None:
    with pytest.raises(UsageError, match="it has to be a whole number, 0 or more"):
        WithHistory(Toy(ToySettings(), "cpu"), length)


def test_a_second_history_is_refused() -> None:
    with pytest.raises(UsageError, match="shows a history already"):
        WithHistory(toy(2), 2)


# Who asks for one


def test_gymnasium_makes_any_environment_with_a_history() -> None:
    single = gym.make("slatelab/InterestEvolution-v0", history=16)
    observation, _ = single.reset(seed=0)
    assert observation["history"].shape == (17, 2 + 5 + 20)
    assert observation in single.observation_space
    vector = gym.make_vec("slatelab/InterestEvolution-v0", num_envs=3, history=0, observe_budget=True)
    observation, _ = vector.reset(seed=0)
    assert observation["history"].shape == (3, 1, 27)
    assert "history" not in gym.make("slatelab/InterestEvolution-v0").reset(seed=0)[0]
    with pytest.raises(UsageError, match="it has to be a whole number"):
        gym.make("slatelab/InterestEvolution-v0", history=-1)


@pytest.mark.parametrize(("tracker", "rows"), [("totals", 1), ("gru", 6), ("none", None)])
def test_an_agent_that_reads_a_history_is_trained_with_one(tracker: str, rows: int | None) -> None:
    agent = SimpleNamespace(history=tracker, history_length=5)
    train = TrainSettings(env="slatelab/Toy-v0", device="cpu")
    shapes = build_simulator(RunSettings(train=train, env=ToySettings(), agent=agent)).spec.shapes
    assert shapes.get("history", (None,))[0] == rows
    assert "history" not in build_simulator(RunSettings(train=train, env=ToySettings(), agent=object())).spec.shapes
