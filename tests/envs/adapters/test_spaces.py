"""Spaces have the true bounds where these are known."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from toy import K, Toy, ToySettings

import envs
from envs.adapters.spaces import observation_space

LARGEST = np.finfo(np.float32).max


class Bounded(Toy):
    """The toy with bounds for two entries."""

    @property
    def spec(self) -> Any:
        bounds = {"popularity": (0, 2), "response": ((0, -1), (float("inf"), 3.5))}
        return dataclasses.replace(super().spec, bounds=bounds)


def test_bounds_of_a_specification_are_those_of_the_space() -> None:
    space = observation_space(Bounded(ToySettings(), "cpu"))
    assert (space["popularity"].low == 0).all()
    assert (space["popularity"].high == 2).all()
    assert space["response"].low.tolist() == [[0, -1]] * K
    assert space["response"].high.tolist() == [[1, 3.5]] * K
    assert (space["user"].high == LARGEST).all()
    assert all(box.dtype == np.float32 for name, box in space.items() if name != "candidate_ids")


def test_clicks_are_none_or_one_and_ids_those_of_the_catalogue_where_nothing_else_is_known() -> None:
    space = observation_space(Toy(ToySettings(), "cpu"))
    assert space["response"].low.tolist() == [[0, -LARGEST]] * K
    assert space["response"].high.tolist() == [[1, LARGEST]] * K
    assert (space["candidate_ids"].low.min(), space["candidate_ids"].high.max()) == (0, 19)


@pytest.mark.parametrize(
    ("env_id", "name", "low", "high"),
    [
        ("InterestEvolution-v0", "user", -1, 1),
        ("InterestEvolution-v0", "candidates", 0, 1),
        ("InterestExploration-v0", "user", 0, LARGEST),
        ("LongTermSatisfaction-v0", "candidates", 0, 1),
        ("Boredom-v0", "response", 0, 1),
        ("Shop-v0", "candidates", pytest.approx(-1, abs=1e-4), pytest.approx(1, abs=1e-4)),
    ],
)
def test_environments_say_what_they_know(env_id: str, name: str, low: float, high: float) -> None:
    text = {"encoder": "tiny"} if env_id == "Shop-v0" else {}
    box = observation_space(envs.make_simulator(envs.ENVIRONMENTS[f"slatelab/{env_id}"], "cpu", **text))[name]
    assert (box.low.min(), box.high.max()) == (low, high)


def test_popularity_lies_between_the_least_and_the_most_popular() -> None:
    simulator = envs.make_simulator(envs.ENVIRONMENTS["slatelab/Shop-v0"], "cpu", encoder="tiny")
    box = observation_space(simulator)["popularity"]
    assert box.low.min() == simulator.view.popularity.min()
    assert box.high.max() == simulator.view.popularity.max()
