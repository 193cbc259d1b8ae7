"""What Gymnasium's own vector environments give, and what its vector wrappers do with ours, in every autoreset mode."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import vector as wrappers

from conformance.trajectories import make
from envs.single import SlateEnv

NEXT, SAME, OFF = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED
MODES = (NEXT, SAME, OFF)
FINAL = {"final_obs", "_final_obs", "final_info", "_final_info"}


def _flat(env: VectorEnv) -> VectorEnv:
    return wrappers.FlattenObservation(env)


def _users(env: VectorEnv) -> VectorEnv:
    """Return an environment whose observation is one box, of numbers between bounds."""
    return wrappers.TransformObservation(
        wrappers.FlattenObservation(wrappers.FilterObservation(env, ["user"])),
        lambda seen: np.tanh(seen),
        single_observation_space=gym.spaces.Box(-1, 1, env.single_observation_space["user"].shape, np.float32),
    )


WRAPPERS: Mapping[str, Callable[[VectorEnv], VectorEnv]] = {
    "ClipReward": lambda env: wrappers.ClipReward(env, 0.0, 1.0),
    "DictInfoToList": wrappers.DictInfoToList,
    "DtypeObservation": lambda env: wrappers.DtypeObservation(_flat(env), np.float64),
    "FilterObservation": lambda env: wrappers.FilterObservation(env, ["user", "response"]),
    "FlattenObservation": _flat,
    "NormalizeObservation": lambda env: wrappers.NormalizeObservation(_flat(env)),
    "NormalizeReward": wrappers.NormalizeReward,
    "NumpyToTorch": wrappers.NumpyToTorch,
    "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
    "RescaleObservation": lambda env: wrappers.RescaleObservation(_users(env), np.float32(0), np.float32(1)),
    "ReshapeObservation": lambda env: wrappers.ReshapeObservation(
        _users(env), (1, *env.single_observation_space["user"].shape)
    ),
    "TransformAction": lambda env: wrappers.TransformAction(env, lambda slates: slates),
    "TransformObservation": lambda env: wrappers.TransformObservation(env, lambda seen: seen),
    "TransformReward": lambda env: wrappers.TransformReward(env, lambda reward: reward / 2),
    "VectorizeTransformAction": lambda env: wrappers.VectorizeTransformAction(
        env, gym.wrappers.TransformAction, func=lambda slate: slate, action_space=env.single_action_space
    ),
    "VectorizeTransformObservation": lambda env: wrappers.VectorizeTransformObservation(
        env,
        gym.wrappers.TransformObservation,
        func=lambda seen: seen["user"],
        observation_space=env.single_observation_space["user"],
    ),
    "VectorizeTransformReward": lambda env: wrappers.VectorizeTransformReward(
        env, gym.wrappers.TransformReward, func=lambda reward: reward / 2
    ),
}
"""Name to what wraps an environment of slates."""
NOT_OF_SLATES: Mapping[str, str] = {
    "ArrayConversion": "NumpyToTorch is one",
    "ClipAction": "wants box actions",
    "GrayscaleObservation": "wants pictures",
    "HumanRendering": "wants pygame, and `human` is offered",
    "JaxToNumpy": "wants jax",
    "JaxToTorch": "wants jax",
    "RecordVideo": "wants moviepy",
    "RescaleAction": "wants box actions",
    "ResizeObservation": "wants pictures",
}
"""The others, and why."""
REFUSED_BY_GYMNASIUM = {
    ("NormalizeObservation", OFF): "wants NEXT_STEP",
    ("NumpyToTorch", SAME): "makes no tensor of final_obs, which is an array of dicts",
    **{(name, SAME): "does not know final_obs" for name in WRAPPERS if name.endswith("Observation")},
}
"""What it does not do with its own environments either, and why."""


def shapes(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return names with shapes and types; masks of entries that all users have are left out, as they may be."""
    return {
        name: shapes(value) if isinstance(value, dict) else (value.shape, value.dtype)
        for name, value in info.items()
        if not name.startswith("_") or name in FINAL
    }


def assert_alike(one: Any, other: Any) -> None:
    """Compare nested dicts, arrays and None."""
    if isinstance(one, dict):
        assert set(one) == set(other)
        for name, value in one.items():
            assert_alike(value, other[name])
    elif isinstance(one, np.ndarray) and one.dtype == object:
        for value, expected in zip(one, other, strict=True):
            assert_alike(value, expected)
    else:
        np.testing.assert_array_equal(one, other)


def play(env: VectorEnv, steps: int) -> list[tuple[Any, ...]]:
    """Return what a reset and some steps give; ended rows are reset where nothing else does it."""
    env.reset(seed=3)
    env.action_space.seed(0)
    seen: list[tuple[Any, ...]] = [env.reset()]
    for _ in range(steps):
        seen.append(env.step(env.action_space.sample()))
        ended = np.asarray(seen[-1][2]) | np.asarray(seen[-1][3])
        if env.metadata["autoreset_mode"] is OFF and ended.any():
            seen.append(env.reset(options={"reset_mask": ended}))
    return seen


class Wrapped:
    """Under Gymnasium, as its own."""

    @pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
    def test_one_user_is_told_what_gymnasiums_own_vector_environment_tells(self, short: Any, mode: Any) -> None:
        ours = play(make(short, 1, autoreset_mode=mode), 7)
        theirs = play(SyncVectorEnv([lambda: SlateEnv(short)], autoreset_mode=mode), 7)
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            masks = {name for name in other[-1] if name.startswith("_")} - FINAL
            told = {name: value for name, value in other[-1].items() if name not in masks}
            assert set(one[-1]) == set(told)
            if mode is NEXT:  # another stream of noise from the second session on
                assert shapes(one[-1]).keys() == shapes(told).keys()
                assert len(one) == 2 or [value.dtype for value in one[1:4]] == [value.dtype for value in other[1:4]]
            else:
                assert_alike(dict(enumerate(one[:-1])), dict(enumerate(other[:-1])))
                assert_alike(one[-1], told)

    @pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
    def test_every_vector_wrapper_of_gymnasium_wraps_it(self, short: Any, mode: Any) -> None:
        for name, wrap in WRAPPERS.items():
            if (name, mode) in REFUSED_BY_GYMNASIUM:
                continue
            env = wrap(make(short, 3, autoreset_mode=mode))
            (began, told), *steps = play(env, 5)
            for observation, *_, info in [(began, told), *steps]:
                assert observation in env.observation_space or name == "NumpyToTorch", name
                if name == "DictInfoToList":
                    assert {frozenset(row.keys() - FINAL) for row in info} == {frozenset(told[0])}
                else:
                    assert info.keys() - FINAL - {"episode", "_episode"} == told.keys(), name

    def test_in_the_step_after_its_end_a_session_begins_and_nothing_is_shown(self, short: Any) -> None:
        env = make(short, 32, autoreset_mode=NEXT)
        env.reset(seed=0)
        env.action_space.seed(0)
        due, begun = np.zeros(32, dtype=bool), 0
        for _ in range(8):
            observation, reward, left, truncated, info = env.step(env.action_space.sample())
            assert not reward[due].any()
            assert not (left | truncated)[due].any()
            assert (info["slate_ids"][due] == -1).all()
            assert (info["slate_ids"][~due] >= 0).all()
            assert not observation["response"][due].any()
            assert not any(info[metric.name][due].any() for metric in short.METRICS)
            assert (env.steps_B.numpy()[due] == 0).all()
            begun += due.sum()
            due = left | truncated
        assert 0 < begun < 8 * 32
