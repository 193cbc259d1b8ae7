"""What is on offer is drawn from a stream of its own: users and all that befalls them are the same beside it."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from conformance.trajectories import assert_same, make, small_settings
from torch import Tensor
from toy import Toy, ToySettings

import envs
from envs.candidates import SOURCES
from envs.many_seeds import ManySeedsVectorEnv
from envs.slates import random_slate
from envs.streams import Stream
from experiments.sessions import play

OFFERS = {"candidates", "offer", "documents", "topics", "qualities", "videos"}
"""Entries of the noise that say what is on offer."""


class Recorded:
    """A simulator whose users never leave, and which notes all that is drawn but for what is on offer."""

    def __init__(self, simulator: Any) -> None:
        self.simulator, self.drawn = simulator, list[dict[str, Tensor]]()
        self.time_limit = 3

    def __getattr__(self, name: str) -> Any:
        return getattr(self.simulator, name)

    def _noted(self, drawn: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        if isinstance(generator, Stream):  # not the trial's
            kept = {name: value.clone() for name, value in drawn.items() if name not in OFFERS}
            self.drawn.append(kept | {"the stream": generator.get_state()})
        return drawn

    def sample_users(self, number: int, split: Any, generator: torch.Generator) -> Any:
        return self._noted(self.simulator.sample_users(number, split, generator), generator)

    def start_noise(self, number: int, generator: torch.Generator) -> Any:
        return self._noted(self.simulator.start_noise(number, generator), generator)

    def step_noise(self, number: int, generator: torch.Generator) -> Any:
        return self._noted(self.simulator.step_noise(number, generator), generator)

    def step(self, state: Any, slate_BK: Tensor, noise: Any) -> Any:
        following, outcome = self.simulator.step(state, slate_BK, noise)
        return following, dataclasses.replace(outcome, left=torch.zeros_like(outcome.left))


def _slate(simulator: Any, number: int) -> Tensor:
    spec = simulator.spec
    return random_slate(number, spec.num_candidates, spec.slate_size, torch.Generator().manual_seed(1))


def _steps(env: Any) -> None:
    """Take steps over two ends of sessions, and reset in between."""
    for _ in range(2):
        for _ in range(4):
            env.step(_slate(env.simulator, env.num_envs))
        env.reset()


def _in_a_vector(simulator: Any) -> None:
    env = make(simulator, 5, as_tensors=True)
    env.reset(seed=3)
    _steps(env)


def _in_many_seeds(simulator: Any) -> None:
    env = ManySeedsVectorEnv(simulator, (3, 4), 2)
    env.reset()
    _steps(env)


def _in_a_panel(simulator: Any) -> None:
    users = simulator.sample_users(5, "test", torch.Generator().manual_seed(1))
    play(simulator, users, lambda state, observation: _slate(simulator, len(observation["user"])), seed=3)


@pytest.mark.parametrize("path", [path for path in envs.ENVIRONMENTS.values() if not path.endswith(":BoredomRerank")])
def test_another_number_of_candidates_leaves_users_and_their_noise_alone(kernel: Callable[..., Any], path: str) -> None:
    settings = kernel(path).settings
    others = {"num_candidates": settings.num_candidates - 1}
    if hasattr(settings, "num_exploration"):
        others["num_exploration"] = settings.num_exploration + 1
    _assert_alike(kernel(path), envs.make_simulator(path, "cpu", **small_settings(path), **others))


@pytest.mark.parametrize("source", SOURCES)
def test_a_candidate_source_leaves_users_and_their_noise_alone(kernel: Callable[..., Any], source: str) -> None:
    other = envs.make_simulator("envs.movies:Movies", "cpu", encoder="tiny", candidate_source=source)
    _assert_alike(kernel("envs.movies:Movies"), other)


def _assert_alike(plain: Any, other: Any) -> None:
    for run in (_in_a_vector, _in_many_seeds, _in_a_panel):
        one, two = Recorded(plain), Recorded(other)
        run(one)
        run(two)
        assert len(one.drawn) == len(two.drawn) >= 4
        for mine, theirs in zip(one.drawn, two.drawn, strict=True):
            assert_same(mine, theirs)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda stream: pickle.loads(pickle.dumps(stream))])
def test_a_copied_stream_goes_on_with_both_of_its_own(again: Callable[[Stream], Stream]) -> None:
    stream = Stream("cpu").manual_seed(2**64 - 1)
    _draw(stream)
    other = again(stream)
    assert torch.equal(_draw(stream), _draw(other))
    assert not torch.equal(_draw(stream)[0], _draw(stream)[0])


def _draw(stream: Stream) -> Tensor:
    return torch.stack([torch.rand(3, generator=each) for each in (stream, stream.candidates)])


def test_candidates_that_were_not_saved_begin_anew_and_users_go_on() -> None:
    stream, other = Stream("cpu").manual_seed(5), Stream("cpu").manual_seed(6)
    begun = torch.rand(3, generator=Stream("cpu").manual_seed(5).candidates)
    _draw(stream)
    saved = {name: value for name, value in stream.state_dict().items() if name != "candidate_generator"}
    other.load_state_dict(saved)
    assert torch.equal(torch.rand(3, generator=other), torch.rand(3, generator=stream))
    assert torch.equal(torch.rand(3, generator=other.candidates), begun)


@pytest.mark.parametrize("number", [1, 2])
def test_a_state_from_before_candidates_had_a_stream_is_loaded(number: int) -> None:
    def build() -> Any:
        simulator = envs.make_simulator("envs.recsim.interest_evolution:InterestEvolution", "cpu")
        return make(simulator, 2, as_tensors=True) if number == 1 else ManySeedsVectorEnv(simulator, (0, 1), 2)

    env, other = build(), build()
    env.reset()
    before = {name: value for name, value in env.state_dict().items() if name != "candidate_generator"}
    env.load_state_dict(before)
    other.load_state_dict(before)
    for _ in range(3):
        slate_BK = _slate(env.simulator, env.num_envs)
        assert_same(env.step(slate_BK)[0], other.step(slate_BK)[0])


def test_a_panel_has_nothing_in_common_with_users_of_an_equal_seed() -> None:
    env = make(Toy(ToySettings(), "cpu"), 4, as_tensors=True)
    env.reset(seed=1)
    assert env.state is not None
    assert not torch.isclose(env.sample_users(4, seed=1)["taste"], env.state["taste"]).any()
