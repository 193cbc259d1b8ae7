"""What is on offer and what is observed, whatever is shown."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from envs.adapters.spaces import observation_space
from envs.interface import repeats
from envs.simulator import Simulator
from experiments.checking.playing import make, slates
from experiments.checking.verdicts import CheckFailed, NotChecked

USERS = 16
PATTERNS: Mapping[str, Callable[[int, int], list[int]]] = {
    "the same position in every slot": lambda slots, offered: [offered // 2] * slots,
    "the first position in every slot": lambda slots, offered: [0] * slots,
    "the last position in every slot": lambda slots, offered: [offered - 1] * slots,
    "every position twice": lambda slots, offered: [slot // 2 % offered for slot in range(slots)],
}
"""Slates that agents seldom show, from slots and candidates."""


class Bounds:
    """Tells what of an observation lies outside its space.

    Args:
        simulator: whose spaces.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.space = observation_space(simulator).spaces
        self.limits = {
            name: tuple(torch.as_tensor(limit, device=simulator.device) for limit in (box.low, box.high))
            for name, box in self.space.items()
            if isinstance(box, Box)
        }

    def check(self, observation: Mapping[str, Tensor], when: str) -> None:
        """Raise CheckFailed where an entry is missing, has another form, or is out of bounds."""
        for name in self.space.keys() - observation.keys():
            raise CheckFailed(f'observe does not give "{name}", which spec.shapes names')
        for name in observation.keys() - self.space.keys():
            raise CheckFailed(f'observe gives "{name}", which spec.shapes does not name; add its shape there')
        for name, value in observation.items():
            self._check_entry(name, value, when)

    def _check_entry(self, name: str, value: Tensor, when: str) -> None:
        box, entry = self.space[name], f'observation["{name}"]'
        dtype = torch.int64 if box.dtype == np.int64 else torch.float32
        if value.dtype != dtype or value.shape[1:] != box.shape:
            kind = str(dtype).removeprefix("torch.")
            raise CheckFailed(
                f"{entry} is {str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}, "
                f"expected {kind} (users, *{box.shape})"
            )
        if not value.isfinite().all():
            raise CheckFailed(f"{entry} holds {'NaN' if value.isnan().any() else 'infinity'} after {when}")
        low, high = self.limits[name]
        outside = (value < low) | (value > high)
        if outside.any():
            raise CheckFailed(
                f"{entry} holds {value[outside][0].item():g}, outside its space "
                f"({low.min().item():g} to {high.max().item():g}), after {when}"
            )


def observations_stay_in_their_space(simulator: Any) -> None:
    """Observations and rewards stay finite and in their space, whatever is shown."""
    bounds, offered, slots = Bounds(simulator), simulator.spec.num_candidates, simulator.spec.slate_size
    for pattern in ("random slates", *PATTERNS):
        env = make(simulator, USERS, as_tensors=True)
        bounds.check(env.reset(seed=0)[0], "reset")
        fixed = torch.tensor(PATTERNS[pattern](slots, offered)).expand(USERS, -1) if pattern in PATTERNS else None
        for slate_BK in slates(env, 80 if fixed is None else 20):
            observation, reward_B, _, _, info = env.step(slate_BK if fixed is None else fixed)
            bounds.check(observation, pattern)
            if not reward_B.isfinite().all() or not info["response"].isfinite().all():
                raise CheckFailed(f"reward or response holds NaN or infinity after {pattern}")


def candidates_are_items_of_the_catalogue(simulator: Any) -> None:
    """The candidates are items of the catalogue; where their ids are observed, none is on offer twice."""
    spec, env = simulator.spec, make(simulator, USERS, as_tensors=True)
    observation, _ = env.reset(seed=0)
    for slate_BK in slates(env, 20):
        ids_BM = simulator.candidate_ids(env.state)
        if ids_BM.dtype != torch.int64 or tuple(ids_BM.shape) != (USERS, spec.num_candidates):
            raise CheckFailed(
                f"candidate_ids gives {ids_BM.dtype} {tuple(ids_BM.shape)}, "
                f"expected torch.int64 (users, candidates) = {(USERS, spec.num_candidates)}"
            )
        if ids_BM.min() < 0 or ids_BM.max() >= spec.num_items:
            raise CheckFailed(f"candidate_ids gives an item outside the catalogue, 0 to {spec.num_items - 1}")
        if "candidate_ids" in observation:
            if not torch.equal(observation["candidate_ids"], ids_BM):
                raise CheckFailed('candidate_ids and observation["candidate_ids"] are not the same items')
            if (ids_BM.sort(dim=1).values.diff(dim=1) == 0).any():
                raise CheckFailed("an item is on offer twice at once; a candidate set holds an item once")
        observation, *_ = env.step(slate_BK)


def static_items_never_change(simulator: Any) -> None:
    """Where spec says static_items, the features of an item depend on its id alone."""
    spec, env = simulator.spec, make(simulator, USERS, as_tensors=True)
    if not spec.static_items:
        raise NotChecked("spec.static_items is False")
    observation, _ = env.reset(seed=0)
    known: dict[str, Tensor] = {}
    for slate_BK in slates(env, 20):
        ids = simulator.candidate_ids(env.state).flatten()
        for name in {"candidates", "popularity"} & observation.keys():
            values = observation[name].flatten(0, 1)
            table = known.setdefault(name, torch.full((spec.num_items, *values.shape[1:]), torch.nan).to(values.device))
            met = ~table[ids].isnan().flatten(1).any(dim=1) if table.dim() > 1 else ~table[ids].isnan()
            table[ids] = torch.where(met.view(-1, *[1] * (values.dim() - 1)), table[ids], values)
            if not torch.equal(table[ids], values):
                raise CheckFailed(
                    f'observation["{name}"] is not the same whenever an item is on offer; '
                    "say static_items=False in spec, or leave out what changes"
                )
        observation, *_ = env.step(slate_BK)


def a_session_begins_without_a_response(simulator: Any) -> None:
    """A session begins with zeros for the response and for the items of the last slate."""
    observation, _ = make(simulator, as_tensors=True).reset(seed=0)
    for name in ("response", "slate_items"):
        if observation[name].any():
            raise CheckFailed(f'observation["{name}"] is not zero at the start; nothing was shown yet')


def a_repeated_position_is_an_empty_slot(simulator: Any) -> None:
    """A position that stands earlier in the slate is an empty slot: nobody responds to it."""
    if simulator.spec.slate_size == 1:
        raise NotChecked("a slate of one slot has no position to repeat")
    env = make(simulator, 64, as_tensors=True)
    env.reset(seed=0)
    for slate_BK in slates(env, 20):
        slate_BK[:, -1] = slate_BK[:, 0]
        *_, info = env.step(slate_BK)
        if info["response"][:, -1].any():
            raise CheckFailed("a position that repeats an earlier one got a response; leave out envs.interface.repeats")
        if "repeats" in info and (info["repeats"] != 1).any():
            raise CheckFailed('the metric "repeats" does not count the repeated positions')


def reference_policies_show_full_slates(simulator: Any) -> None:
    """The reference policies show full slates without repeats."""
    spec, env = simulator.spec, make(simulator, USERS, as_tensors=True)
    if not simulator.POLICIES:
        raise NotChecked("POLICIES is empty")
    env.reset(seed=0)
    for name, policy in simulator.POLICIES.items():
        for _ in range(5):
            slate_BK = policy(simulator, env.state)
            check_slate(f'policy "{name}"', slate_BK, (USERS, spec.slate_size), spec.num_candidates)
            env.step(slate_BK)


def check_slate(who: str, slate_BK: Any, shape: tuple[int, int], offered: int) -> None:
    """Raise CheckFailed where something is no batch of slates without repeats."""
    if not isinstance(slate_BK, Tensor):
        raise CheckFailed(f"{who} gives {type(slate_BK).__name__}, expected a tensor of slates")
    if tuple(slate_BK.shape) != shape:
        raise CheckFailed(f"{who} gives slates of shape {tuple(slate_BK.shape)}, expected (users, slots) = {shape}")
    if slate_BK.dtype != torch.int64:
        raise CheckFailed(f"{who} gives {str(slate_BK.dtype).removeprefix('torch.')}, expected int64 positions")
    if slate_BK.min() < 0 or slate_BK.max() >= offered:
        wrong = slate_BK[(slate_BK < 0) | (slate_BK >= offered)][0].item()
        raise CheckFailed(
            f"{who} shows position {wrong}, but the {offered} candidates are 0 to {offered - 1}; "
            "a slate holds positions in the candidate set, no ids"
        )
    if repeats(slate_BK).any():
        row = slate_BK[repeats(slate_BK).any(dim=1)][0].tolist()
        raise CheckFailed(f"{who} shows a position twice in one slate: {row}")


CHECKS = (
    observations_stay_in_their_space,
    candidates_are_items_of_the_catalogue,
    static_items_never_change,
    a_session_begins_without_a_response,
    a_repeated_position_is_an_empty_slot,
    reference_policies_show_full_slates,
)
