"""What an environment has and gives is of the declared names, shapes and types."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from envs.interface import Metric, Spec
from envs.simulator import SPLITS, Outcome, Simulator
from experiments.checking.playing import scenes, stream
from experiments.checking.verdicts import CheckFailed

MEMBERS = sorted(name for name in {*vars(Simulator), *Simulator.__annotations__} if not name.startswith("_"))
"""What `Simulator` asks for."""


def it_has_every_method_and_attribute_of_a_simulator(simulator: Any) -> None:
    """It has every method and attribute of a simulator."""
    missing = [name for name in MEMBERS if not hasattr(simulator, name)]
    if missing:
        raise CheckFailed(f"it has no {', no '.join(missing)}; see envs.simulator.Simulator for what they are")
    if not dataclasses.is_dataclass(simulator.Settings):
        raise CheckFailed("Settings is no dataclass; put @dataclass(frozen=True, kw_only=True) above it")
    limit = simulator.time_limit
    if not isinstance(limit, int) or limit < 1:
        raise CheckFailed(f"time_limit is {limit!r}; it is the slates of a session at most, a whole number from 1")
    for metric in simulator.METRICS:
        if not isinstance(metric, Metric):
            raise CheckFailed(
                f"METRICS holds {metric!r}, which is no envs.interface.Metric(name, unit, better, meaning)"
            )
    if not isinstance(simulator.POLICIES, Mapping):
        raise CheckFailed("POLICIES is no mapping from name to policy(simulator, state)")


def sizes_agree_with_each_other(simulator: Any) -> None:
    """The sizes in spec agree with each other and with the catalogue."""
    spec = simulator.spec
    if not isinstance(spec, Spec):
        raise CheckFailed(f"spec is {type(spec).__name__}, expected envs.interface.Spec")
    slots, offered, items = spec.slate_size, spec.num_candidates, spec.num_items
    if not 1 <= slots <= offered or items < 1:
        raise CheckFailed(
            f"spec says slate_size {slots}, num_candidates {offered}, num_items {items}; "
            "a slate has at least one slot and at most as many as there are candidates"
        )
    lacking = [name for name in ("user", "candidates", "response", "slate_items") if name not in spec.shapes]
    if lacking:
        raise CheckFailed(f"spec.shapes lacks {', '.join(lacking)}, which every environment shows")
    columns = len(spec.response_columns)
    if tuple(spec.response_columns[:2]) != ("click", "reward"):
        raise CheckFailed(f"response_columns are {spec.response_columns}; the first is click, the second reward")
    if len(spec.neutral_response) != columns:
        raise CheckFailed(f"neutral_response has {len(spec.neutral_response)} values for {columns} response_columns")
    width = spec.shapes["candidates"][-1]
    expected = {
        "candidates": (offered, width),
        "response": (slots, columns),
        "slate_items": (slots, width),
        **{name: (offered,) for name in ("candidate_ids", "popularity") if name in spec.shapes},
    }
    for name, shape in expected.items():
        if tuple(spec.shapes[name]) != shape:
            raise CheckFailed(f'spec.shapes["{name}"] is {tuple(spec.shapes[name])}, expected {shape}')


def the_catalogue_has_vectors_and_titles(simulator: Any) -> None:
    """The catalogue has a finite vector and a title for every item."""
    vectors, number = simulator.item_vectors(), simulator.spec.num_items
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32 or vectors.ndim != 2:
        kind = (
            f"{vectors.dtype} of shape {vectors.shape}" if isinstance(vectors, np.ndarray) else type(vectors).__name__
        )
        raise CheckFailed(f"item_vectors gives {kind}, expected a float32 array (items, features)")
    if len(vectors) != number:
        raise CheckFailed(f"item_vectors gives {len(vectors)} rows, but spec.num_items is {number}")
    if not np.isfinite(vectors).all():
        raise CheckFailed("item_vectors holds NaN or infinity")
    asked = np.arange(min(4, number)).reshape(1, -1)
    titles = np.asarray(simulator.titles(asked))
    if titles.shape != asked.shape or not all(isinstance(title, str) for title in titles.flat):
        raise CheckFailed(
            f"titles of ids {asked.shape} gives {titles.shape} of {titles.dtype}, expected as many strings"
        )


def users_and_noise_are_tensors_with_a_row_for_each_user(simulator: Any) -> None:
    """Users and noise are tensors with a row for each user, in every split and for any number."""
    generator = stream(simulator)
    for number in (1, 3):
        for split in SPLITS:
            _check_rows(f'sample_users({number}, "{split}")', simulator.sample_users(number, split, generator), number)
        _check_rows(f"start_noise({number})", simulator.start_noise(number, generator), number)
        _check_rows(f"step_noise({number})", simulator.step_noise(number, generator), number)
        begun = simulator.start(
            simulator.sample_users(number, "train", generator), simulator.start_noise(number, generator)
        )
        _check_rows("start", begun, number)
        for name, value in begun.items():
            if value.device.type != simulator.device.type:
                raise CheckFailed(f'state["{name}"] is on {value.device}, but the simulator on {simulator.device}')


def a_step_gives_a_state_and_an_outcome(simulator: Any) -> None:
    """A step gives a new state of the same form, and response, reward and left of the right types."""
    users = 3
    for state, slate_BK, noise in scenes(simulator, users):
        given = simulator.step(state, slate_BK, noise)
        if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[1], Outcome):
            raise CheckFailed("step gives no (state, envs.simulator.Outcome)")
        following, outcome = given
        _check_rows("step", following, users)
        if following.keys() != state.keys():
            raise CheckFailed(
                f"step gives a state with {_names(following)}, but was given one with {_names(state)}; "
                "start and step give the same names"
            )
        for name, value in following.items():
            if value.shape != state[name].shape or value.dtype != state[name].dtype:
                raise CheckFailed(
                    f'step turns state["{name}"] from {_form(state[name])} into {_form(value)}; '
                    "shapes and types stay, so that some rows can begin anew"
                )
        shape = (users, *simulator.spec.shapes["response"])
        _check_form("response", outcome.response, shape, torch.float32)
        _check_form("reward", outcome.reward, (users,), torch.float32)
        _check_form("left", outcome.left, (users,), torch.bool)


def metrics_are_those_declared(simulator: Any) -> None:
    """The metrics of a step are those in METRICS, a finite number for each user."""
    declared = [metric.name for metric in simulator.METRICS]
    twice = {name for name in declared if declared.count(name) > 1}
    if twice:
        raise CheckFailed(f"METRICS names {', '.join(sorted(twice))} twice")
    for state, slate_BK, noise in scenes(simulator, 3):
        metrics = simulator.step(state, slate_BK, noise)[1].metrics
        for name in metrics.keys() - set(declared):
            raise CheckFailed(f'step gives the metric "{name}", which METRICS does not declare; add it there')
        for name in set(declared) - metrics.keys():
            raise CheckFailed(f'METRICS declares "{name}", but step does not give it')
        for name, value in metrics.items():
            _check_form(f'metrics["{name}"]', value, (3,), torch.float32)
            if not value.isfinite().all():
                raise CheckFailed(f'the metric "{name}" is NaN or infinite')


def _check_rows(source: str, tensors: Any, number: int) -> None:
    if not isinstance(tensors, Mapping):
        raise CheckFailed(f"{source} gives {type(tensors).__name__}, expected a dict of tensors")
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise CheckFailed(f'{source} gives "{name}" as {type(value).__name__}, expected a tensor')
        if not value.dim() or len(value) != number:
            raise CheckFailed(
                f'{source} gives "{name}" of shape {tuple(value.shape)}; the first axis is {number} users'
            )


def _check_form(name: str, value: Any, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    if not isinstance(value, Tensor):
        raise CheckFailed(f"{name} is {type(value).__name__}, expected a tensor")
    if tuple(value.shape) != shape or value.dtype != dtype:
        raise CheckFailed(f"{name} is {_form(value)}, expected {_named(dtype)} {shape}")


def _form(value: Tensor) -> str:
    return f"{_named(value.dtype)} {tuple(value.shape)}"


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


CHECKS = (
    it_has_every_method_and_attribute_of_a_simulator,
    sizes_agree_with_each_other,
    the_catalogue_has_vectors_and_titles,
    users_and_noise_are_tensors_with_a_row_for_each_user,
    a_step_gives_a_state_and_an_outcome,
    metrics_are_those_declared,
)
