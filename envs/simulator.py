"""The simulator kernel: batched users on one device, a pure step, noise drawn apart from it.

An environment is one class that follows `Simulator`; `envs.vector` and `envs.single` make Gymnasium environments of it.
"""

import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from encoders.devices import resolve_device as resolve_device
from encoders.errors import UsageError
from envs.interface import Metric, Observation, Policy, Spec, Tensors

State = Tensors
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
CLUSTER = "cluster"
"""The entry of drawn users that tells around whom each was drawn, (number,) int64; users around nobody have none."""


@dataclass(kw_only=True, slots=True)
class Outcome:
    """What a step of B users gave, beside their new state."""

    response: Tensor
    """(B, K, R) float32."""
    reward: Tensor
    """(B,) float32."""
    left: Tensor
    """(B,) bool: the user ended the session."""
    metrics: Tensors = field(default_factory=dict)
    """Name to (B,) float32, for the log alone; the names are declared in the simulator's METRICS."""


class Anchor(NamedTuple):
    """The measured return of a reference policy, by the command in the environment's docstring."""

    policy: str
    mean: float
    ci_low: float
    ci_high: float


class Simulator(Protocol):
    """Users, items and choice of one environment, for B users at once.

    A state is a dict of tensors with leading axis B; functions never write into the state they are given. What `start`
    and `step` return is new, or was given to them, or is one entry that all rows share (stride 0); it is never a tensor
    that the simulator keeps, because rows of new ones are replaced in place.

    A simulator whose settings name what lies elsewhere, such as data or an encoder, also has ``fingerprint``, a hash of
    their content (`envs.fingerprints`).
    """

    METRICS: ClassVar[tuple[Metric, ...]]
    ANCHORS: ClassVar[tuple[Anchor, ...]]
    POLICIES: ClassVar[Mapping[str, Policy]]
    Settings: ClassVar[type[Any]]

    settings: Any
    device: torch.device
    time_limit: int
    """Slates after which a session is truncated."""

    @property
    def spec(self) -> Spec:
        """Sizes of observation and action."""

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users of a split: all that stays the same over a session, each tensor (number, ...).

        Where users are drawn around raters or personas, `CLUSTER` is the id of each one's. It is for intervals alone:
        neither states nor observations have it.
        """

    def start_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw what `start` needs."""

    def start(self, users: Tensors, noise: Tensors) -> State:
        """Begin a session for each of the users."""

    def step_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw what `step` needs."""

    def step(self, state: State, slate_BK: Tensor, noise: Tensors) -> tuple[State, Outcome]:
        """Show a slate to every user."""

    def observe(self, state: State) -> Observation:
        """Return what an agent may see of a state."""

    def candidate_ids(self, state: State) -> Tensor:
        """Return the (B, M) int64 items on offer."""

    def titles(self, item_ids: np.ndarray) -> np.ndarray:
        """Return the titles (object array) of items, in the shape of ``item_ids``."""

    def item_vectors(self) -> np.ndarray:
        """Return the (N, D) float32 feature vectors of the catalogue."""


@runtime_checkable
class Retrieves(Protocol):
    """A simulator whose candidate sets may lack the best item; evaluation then tells how often they have it."""

    def best_items(self, state: State) -> Tensor:
        """Return the item of the whole catalogue, among those that may be shown, that is likeliest clicked, (B,)."""


@runtime_checkable
class ShowsSlates(Protocol):
    """A simulator that can say what was observed of the last slate alone; a history asks it at every step."""

    def slate_items(self, state: State) -> Tensor:
        """Return ``slate_items`` of the observation, (B, K, D)."""


def fingerprint_of(simulator: Simulator) -> str:
    """Return the fingerprint of what a simulator's settings only name, such as a folder of data or an encoder.

    It is the simulator's attribute ``fingerprint``, which need not be there: where settings say all, it is empty. Two
    simulators of one environment with the same settings and fingerprint are the same, wherever their data lie.
    """
    return str(getattr(simulator, "fingerprint", ""))


def check_sizes(slate_size: int, num_candidates: int, num_items: int) -> None:
    """Refuse slates that cannot be filled.

    Raises:
        UsageError: not 1 <= slate_size <= num_candidates <= num_items.
    """
    if slate_size < 1:
        raise UsageError(f"slate_size is {slate_size}; a slate has at least one slot")
    if slate_size > num_candidates:
        raise UsageError(
            f"slate_size {slate_size} is larger than num_candidates {num_candidates}; "
            "show fewer items or offer more candidates"
        )
    if num_candidates > num_items:
        raise UsageError(
            f"num_candidates {num_candidates} is larger than the catalogue of {num_items} items; offer fewer candidates"
        )


def check_split(split: str) -> Split:
    """Return ``split`` if it is one, else raise UsageError."""
    for known in SPLITS:
        if split == known:
            return known
    raise UsageError(f'unknown split "{split}" (known: {", ".join(SPLITS)})')


def check_seed(seed: Any) -> int:
    """Return a seed, of Python or numpy, as an int; else raise UsageError."""
    whole = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not whole or not 0 <= seed < 2**64:
        raise UsageError(f"seed is {seed!r}; it has to be a whole number from 0 to 2**64 - 1")
    return int(seed)
