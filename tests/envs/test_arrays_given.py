"""Slates, masks and users are taken from arrays of any kind, by many users and by one."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from conformance.trajectories import assert_same, make
from toy import K, M, Toy, ToySettings

from envs.single import SlateEnv
from envs.wrappers import SlotBySlot

Array = np.ndarray[Any, Any]


def _read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


KINDS: dict[str, Callable[[Array], Array]] = {
    "reversed": lambda array: array[::-1].copy()[::-1],
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "read-only": _read_only,
    "strided": lambda array: np.repeat(array, 2, axis=0)[::2],
}


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_many_users_take_slates_masks_and_users_of_any_kind(kind: str) -> None:
    results = []
    for turn in (KINDS[kind], np.array):
        env = make(Toy(ToySettings(), "cpu"), 4, autoreset_mode="DISABLED")
        panel = {name: turn(value.numpy()) for name, value in env.sample_users(4, seed=1).items()}
        env.reset(seed=0, options={"users": panel})
        seen = [env.step(turn(np.array([[3, 1], [0, 2], [5, 4], [1, 0]])))[0]]
        few = {name: value[:2] for name, value in panel.items()}
        seen += [env.reset(options={"reset_mask": turn(np.array([True, False, False, True])), "users": few})[0]]
        results.append(seen)
    for one, other in zip(*results, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_one_user_takes_slates_and_users_of_any_kind(kind: str) -> None:
    results = []
    for turn in (KINDS[kind], np.array):
        env = SlateEnv(Toy(ToySettings(), "cpu"))
        panel = {name: turn(value.numpy()) for name, value in env.vector.sample_users(1, seed=1).items()}
        env.reset(seed=0, options={"users": panel})
        results.append(env.step(turn(np.array([4, 1])))[0])
    assert_same(*results)


def test_the_best_first_of_a_sort_turned_round_is_a_slate() -> None:
    env = SlateEnv(Toy(ToySettings(), "cpu"))
    env.reset(seed=0)
    *_, told = env.step(np.argsort(np.arange(M))[::-1][:K])
    assert told["slate_ids"].shape == (K,)


def test_a_candidate_may_come_as_a_number_of_any_kind() -> None:
    env = SlotBySlot(SlateEnv(Toy(ToySettings(), "cpu")))
    observation, _ = env.reset(seed=0)
    env.step(np.array([2], dtype=">i8")[0])
    *_, told = env.step(_read_only(np.array(3)))
    assert told["slate_ids"].tolist() == observation["candidate_ids"][[2, 3]].tolist()
