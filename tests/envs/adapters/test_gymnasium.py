"""Gymnasium as others use it: keywords, render modes, time limits, specifications, its wrappers for one user."""

import copy
import pickle
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from conformance.gymnasium_wrappers import NOT_OF_SLATES, WRAPPERS
from conformance.trajectories import assert_same
from gymnasium import wrappers
from gymnasium.envs.registration import EnvSpec
from toy import Toy, ToySettings

import envs
from encoders.errors import UsageError
from envs.adapters.title_bytes import LONGEST, read_titles, title_table
from envs.single import SlateEnv
from envs.vector import SlateVectorEnv
from envs.wrappers import SlotBySlot, flat_floats

ID = "slatelab/Toy-v0"


@pytest.fixture(autouse=True)
def _registered() -> None:
    if ID not in envs.known_ids():
        envs.register(ID, "toy:Toy")


def _toy(**options: Any) -> SlateEnv:
    return SlateEnv(Toy(ToySettings(tiring=0.0), "cpu"), **options)


# Keywords and settings


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_an_unknown_keyword_is_a_type_error_as_python_says_it_and_a_sentence(make: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"got an unexpected keyword argument 'tirring'.*did you mean \"tiring\""):
        make(ID, tirring=0.1)
    with pytest.raises(UsageError, match="unexpected keyword argument"):
        make(ID, tirring=0.1)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"time_limit": "four"}, "time_limit is 'four', expected int"),
        ({"time_limit": 4.0}, "time_limit is 4.0, expected int"),
        ({"tiring": "much"}, "tiring is 'much', expected float"),
        ({"encoder": 3}, "encoder is 3, expected str"),
        ({"time_limit": True}, "time_limit is True, expected int"),
    ],
)
def test_a_setting_of_a_wrong_type_is_refused_in_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        gym.make(ID, **settings)


def test_numbers_of_numpy_are_numbers() -> None:
    env = gym.make(ID, time_limit=np.int64(3), tiring=np.float32(0.5))
    assert env.unwrapped.vector.simulator.settings == ToySettings(time_limit=3, tiring=0.5)


# Rendering


@pytest.mark.parametrize("render_mode", ["depth_array", "video"])
def test_an_unknown_render_mode_is_a_warning(render_mode: str) -> None:
    with pytest.warns(UserWarning, match="not in the possible render_modes"):
        env = gym.make(ID, render_mode=render_mode)
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="shows nothing"):
        assert env.render() is None


def test_without_a_render_mode_nothing_is_rendered_and_a_warning_says_so() -> None:
    for env in (gym.make(ID), gym.make_vec(ID, num_envs=2)):
        env.reset(seed=0)
        with pytest.warns(UserWarning, match="human, ansi, rgb_array"):
            assert env.render() is None


def test_pictures_are_collected_as_gymnasium_does_it() -> None:
    env = gym.make(ID, render_mode="rgb_array_list")
    env.reset(seed=0)
    env.step(np.array([1, 0]))
    before, after = env.render()
    assert before.shape == after.shape


def test_a_human_sees_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    env = gym.make(ID, render_mode="human", tiring=0.0)
    env.reset(seed=0)
    env.step(np.array([1, 0]))
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "a new session begins"
    assert second.startswith("slate 1, reward ")


@pytest.mark.parametrize("mode", ["NEXT_STEP", "SAME_STEP", "DISABLED"])
@pytest.mark.parametrize("as_tensors", [False, True])
def test_many_users_are_rendered_one_by_one(mode: str, as_tensors: bool) -> None:
    toy = Toy(ToySettings(time_limit=1), "cpu")
    env = SlateVectorEnv(toy, 3, render_mode="ansi", autoreset_mode=mode, as_tensors=as_tensors)
    env.reset(seed=0)
    assert env.render() == ("a new session begins",) * 3
    slates = torch.tensor([[0, 1], [2, 3], [5, 4]])
    *_, info = env.step(slates if as_tensors else slates.numpy())
    told = env.render()
    assert told is not None
    if mode == "SAME_STEP" and not as_tensors:  # with tensors info tells of the step in every row
        assert told == ("a new session begins",) * 3
    else:
        for text, ids_K in zip(told, np.asarray(info["slate_ids"]), strict=True):
            caption, *lines = text.split("\n")
            assert caption.startswith("slate 1, reward ")
            assert ", and " in caption
            assert [line[2:] for line in lines] == toy.titles(ids_K).tolist()


def test_a_title_is_drawn_as_it_is_written() -> None:
    """Dollars are no formula, and a letter that the font lacks is a box."""
    odd = np.array(["$x^2$ and $", "七人の侍", "a\nb" * 99, "<b>", "é"], dtype=object)

    class Odd(Toy):
        def titles(self, item_ids: Any) -> Any:
            return odd[np.asarray(item_ids) % len(odd)]

    env = SlateEnv(Odd(ToySettings(), "cpu"), render_mode="rgb_array")
    env.reset(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for first in range(5):
            env.step(np.array([first, first + 1]))
            assert env.render().shape == (96 + 24, 640, 3)


# Titles


def test_titles_are_read_as_they_are_written_up_to_a_length() -> None:
    class Long(Toy):
        def titles(self, item_ids: Any) -> Any:
            return np.array(["", "Amélie", "七" * 300], dtype=object)[np.asarray(item_ids) % 3]

    toy = Long(ToySettings(), "cpu")
    table = title_table(toy)
    assert table.shape == (21, LONGEST)
    assert read_titles(table)[:3].tolist() == ["", "Amélie", "七" * (LONGEST // 3)]
    assert read_titles(torch.from_numpy(table[[1, -1]])).tolist() == ["Amélie", ""]


# Time limits and specifications


def test_a_shorter_time_limit_truncates_in_both_ways_of_making() -> None:
    single = gym.make(ID, tiring=-1.0, max_episode_steps=3)
    single.reset(seed=0)
    ended = [single.step(np.array([0, 1]))[2:4] for _ in range(3)]
    many = gym.make_vec(ID, num_envs=2, tiring=-1.0, max_episode_steps=3)
    many.reset(seed=0)
    steps = [many.step(np.array([[0, 1], [0, 1]]))[2:4] for _ in range(3)]
    assert ended == [(False, False), (False, False), (False, True)]
    assert [truncated.tolist() for _, truncated in steps] == [[False] * 2, [False] * 2, [True] * 2]
    assert single.spec is not None
    assert single.spec.max_episode_steps == many.spec.max_episode_steps == 3


@pytest.mark.parametrize("asked", [None, -1, 12, 500])
def test_the_limit_that_holds_stands_in_the_specification(asked: int | None) -> None:
    many = gym.make_vec(ID, num_envs=2, max_episode_steps=asked)
    assert many.spec.max_episode_steps == many.unwrapped.time_limit == 12
    assert gym.make(ID, time_limit=7).spec.max_episode_steps == 7


@pytest.mark.parametrize("asked", [0, -2, 2.5, True, "three"])
def test_a_limit_that_cannot_be_is_refused(asked: Any) -> None:
    with pytest.raises(UsageError, match="max_episode_steps is"):
        gym.make_vec(ID, num_envs=2, max_episode_steps=asked)


@pytest.mark.parametrize("wrap", [lambda env: env, SlotBySlot, flat_floats, lambda env: flat_floats(SlotBySlot(env))])
def test_an_environment_is_made_again_from_its_specification(wrap: Callable[[Any], Any]) -> None:
    env = wrap(gym.make(ID, time_limit=5, history=2))
    assert env.spec is not None
    for spec in (env.spec, EnvSpec.from_json(env.spec.to_json())):
        again = gym.make(spec)
        assert again.spec == env.spec
        assert again.observation_space == env.observation_space
        assert again.action_space == env.action_space


def test_a_vector_environment_is_made_again_from_its_specification() -> None:
    env = gym.make_vec(ID, num_envs=3, time_limit=5, autoreset_mode="NEXT_STEP")
    again = gym.make_vec(env.spec)
    assert again.num_envs == 3
    assert again.metadata == env.metadata
    assert again.spec.max_episode_steps == env.spec.max_episode_steps == 5
    assert gym.make_vec(again.spec).spec == again.spec


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"])
@pytest.mark.parametrize("mode", ["NEXT_STEP", "SAME_STEP"])
def test_a_copy_of_many_users_goes_on_alike(copied: Callable[[Any], Any], mode: str) -> None:
    env = gym.make_vec(ID, num_envs=4, time_limit=3, autoreset_mode=mode)
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(2):
        env.step(env.action_space.sample())
    twin = copied(env)
    for _ in range(4):
        slates = env.action_space.sample()
        assert_same(env.step(slates)[0], twin.step(slates)[0])


# Gymnasium's wrappers for one user


class _Sum(wrappers.TransformObservation):
    def __init__(self, env: Any) -> None:
        space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
        super().__init__(env, lambda seen: seen["user"].sum(keepdims=True), space)


SINGLE: Mapping[str, Callable[[Any], Any]] = {
    "AddRenderObservation": lambda env: wrappers.AddRenderObservation(env, render_only=False),
    "Autoreset": wrappers.Autoreset,
    "ClipReward": lambda env: wrappers.ClipReward(env, 0.0, 1.0),
    "DelayObservation": lambda env: wrappers.DelayObservation(flat_floats(env), 1),
    "DtypeObservation": lambda env: wrappers.DtypeObservation(flat_floats(env), np.float64),
    "FilterObservation": lambda env: wrappers.FilterObservation(env, ["user"]),
    "FlattenObservation": wrappers.FlattenObservation,
    "FrameStackObservation": lambda env: wrappers.FrameStackObservation(env, 2),
    "NormalizeObservation": lambda env: wrappers.NormalizeObservation(flat_floats(env)),
    "NormalizeReward": wrappers.NormalizeReward,
    "NumpyToTorch": wrappers.NumpyToTorch,
    "OrderEnforcing": wrappers.OrderEnforcing,
    "PassiveEnvChecker": wrappers.PassiveEnvChecker,
    "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
    "RenderCollection": wrappers.RenderCollection,
    "RepeatAction": lambda env: wrappers.RepeatAction(env, 2) if hasattr(wrappers, "RepeatAction") else env,
    "StickyAction": lambda env: wrappers.StickyAction(env, 0.5),
    "TimeAwareObservation": lambda env: wrappers.TimeAwareObservation(env),
    "TimeLimit": lambda env: wrappers.TimeLimit(env, 3),
    "TransformAction": lambda env: wrappers.TransformAction(env, lambda slate: slate, env.action_space),
    "TransformObservation": _Sum,
    "TransformReward": lambda env: wrappers.TransformReward(env, lambda reward: reward / 2),
}


@pytest.mark.parametrize("under", [lambda env: env, SlotBySlot], ids=["slates", "slots"])
@pytest.mark.parametrize("name", SINGLE)
def test_info_has_one_structure_under_every_wrapper(name: str, under: Callable[[Any], Any]) -> None:
    env = SINGLE[name](under(gym.make(ID, time_limit=4, tiring=-1.0, render_mode="rgb_array")))
    env.action_space.seed(0)
    _, info = env.reset(seed=0)

    def kinds(told: Mapping[str, Any]) -> dict[str, Any]:
        own = {key: np.asarray(value) for key, value in told.items() if key != "episode"}
        return {key: (type(told[key]), value.shape, value.dtype) for key, value in own.items()}

    began = kinds(info)
    assert {"response", "slate_ids", "titles", "bait"} <= began.keys()
    for _ in range(8):
        action = env.action_space.sample()
        _, _, left, truncated, info = env.step(torch.as_tensor(action) if name == "NumpyToTorch" else action)
        assert kinds(info) == began
        if (left or truncated) and name != "Autoreset":
            assert kinds(env.reset()[1]) == began


def test_every_vector_wrapper_of_gymnasium_is_known() -> None:
    assert {*WRAPPERS, *NOT_OF_SLATES} >= set(wrappers.vector.__all__)
    assert not set(WRAPPERS) & set(NOT_OF_SLATES)


@pytest.mark.parametrize("vectorization_mode", ["sync", "async"])
def test_gymnasiums_own_vectors_of_ours_give_the_same_info(vectorization_mode: str) -> None:
    env = gym.make_vec(ID, num_envs=2, vectorization_mode=vectorization_mode, time_limit=3)
    wrapped = wrappers.vector.NumpyToTorch(env)
    _, info = wrapped.reset(seed=0)
    titles = set()
    for _ in range(4):
        *_, told = wrapped.step(torch.as_tensor(env.action_space.sample()))
        titles |= set(read_titles(told["titles"]).ravel())
        assert told.keys() == info.keys()
        assert all(torch.is_tensor(value) for value in told.values())
    assert titles - {""} <= set(Toy(ToySettings(), "cpu").titles(np.arange(20)))
    assert len(titles) > 2
    env.close()
