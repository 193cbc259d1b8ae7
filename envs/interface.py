"""What agents and environments say to each other: specification, observation, transition, policy.

Shapes: B users at once, M candidates, K slots of a slate, D item features, U user features, R response columns.
"""

import functools
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

Tensors = dict[str, Tensor]
"""Named tensors which share their leading axis, the users."""

Bound = float | tuple[float, ...]
"""A number, or one for each place of a last axis."""

Observation = Tensors
"""What an agent sees, batched: ``user (B, U)``, ``candidates (B, M, D)``, ``response (B, K, R)``,
``slate_items (B, K, D)`` and, where the environment has them, ``candidate_ids (B, M)``, ``popularity (B, M)``,
``budget (B, 1)``, ``history (B, L + 1, F)``: the totals of the session so far, then what each of the last L slates
brought, the newest first, zeros where there was none (`envs.history.WithHistory`)."""


UNIT = 1 + 1e-5
"""Bound of the numbers of a vector of unit length, up to rounding."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The sizes of an environment, all that an agent needs to build its networks."""

    num_candidates: int
    """M, candidates offered at each step."""
    slate_size: int
    """K, slots of a slate."""
    num_items: int
    """Items of the catalogue; ``candidate_ids`` are below it."""
    shapes: Mapping[str, tuple[int, ...]]
    """Observation key to the shape of one user's entry, without the leading axis B."""
    bounds: Mapping[str, tuple[Bound, Bound]] = field(default_factory=dict)
    """Observation key to the least and the largest number there can be, where they are known: one for the whole entry,
    or one for each place of its last axis. Clicks are 0 or 1 anyway."""
    static_items: bool = False
    """Whether an item's features and popularity depend on its id alone, wherever and whenever it is a candidate."""
    response_columns: tuple[str, ...]
    """Names of the R columns of ``response``; the first is ``click``, the second ``reward``."""
    neutral_response: tuple[float, ...]
    """The value of each column that carries no news (such as 3 of 5 stars), for centring."""


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One step of B users."""

    observation: Observation
    slate: Tensor
    """(B, K) int64, positions in the candidate set."""
    response: Tensor
    """(B, K, R) float32; column 0 is the click, column 1 the reward."""
    reward: Tensor
    """(B,) float32."""
    discount: Tensor
    """(B,) float32: 0 where the user left, else 1; every learner multiplies it by its own gamma."""
    last: Tensor
    """(B,) bool: the session ended here, whether the user left or time ran out; what follows is another session."""
    next_observation: Observation
    """What the same user sees next; the final observation where ``last``."""
    notes: Tensors = field(default_factory=dict)
    """What the agent noted when it chose the slates (`agents.protocol.TakesNotes`); empty where another chose them."""


class Metric(NamedTuple):
    """A quantity that is logged, declared once beside the code that computes it."""

    name: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    meaning: str


class Policy(Protocol):
    """A reference policy of an environment; it may look inside the simulator."""

    def __call__(self, simulator: Any, state: Tensors) -> Tensor:
        """Return slates (B, K), positions in the candidate set."""


FEW_USERS = 128
"""Up to so many users what runs along the slots of a slate is one operation; for more, on a CPU, one a slot."""


def repeats(slate_BK: Tensor) -> Tensor:
    """Mark the slots whose position stands earlier in the same slate; they count as empty.

    Args:
        slate_BK: (B, K) int64 positions.

    Returns:
        (B, K) bool.
    """
    if len(slate_BK) <= FEW_USERS or slate_BK.device.type != "cpu":
        same_BKK = slate_BK.unsqueeze(2) == slate_BK.unsqueeze(1)
        return same_BKK.tril(-1).any(dim=2)
    # Many users, pair by pair of slots: what runs along a short last axis is slow on a CPU.
    slots = slate_BK.unbind(dim=1)
    first_B = torch.zeros_like(slots[0], dtype=torch.bool)
    same = ([slot_B == above_B for above_B in slots[:at]] for at, slot_B in enumerate(slots[1:], start=1))
    return torch.stack([first_B, *(functools.reduce(torch.logical_or, pairs) for pairs in same)], dim=1)


def take_candidates(values_BM: Tensor, slate_BK: Tensor) -> Tensor:
    """Pick the entries of the slate's candidates.

    Args:
        values_BM: (B, M) or (B, M, D), an entry for each candidate.
        slate_BK: (B, K) int64 positions.

    Returns:
        (B, K) or (B, K, D).
    """
    if values_BM.dim() == 2:
        return values_BM.gather(1, slate_BK)
    index = slate_BK.unsqueeze(-1).expand(-1, -1, values_BM.shape[-1])
    return values_BM.gather(1, index)


def is_shared(value: Tensor) -> bool:
    """Tell whether all rows are one and the same memory."""
    return value.shape[0] > 1 and value.stride(0) == 0


def mask_out(values: Tensor, excluded: Tensor) -> Tensor:
    """Return ``values`` with ``-inf`` where ``excluded``: the one place that writes it."""
    return values.masked_fill(excluded, -torch.inf)


STREAM_BYTES = (5056, 16, 44)
"""Of a random stream on a CPU, with CUDA and on Apple's GPUs."""


def restore_stream(generator: torch.Generator, saved: Tensor) -> None:
    """Go on with a saved random stream.

    A stream of another kind of device cannot go on; a new one is then seeded from it, so that what was trained on a
    GPU can be loaded on a CPU, and always with the same outcome.

    Raises:
        ValueError: it is no random stream.
    """
    # A copy: torch reads a stream from the start of its storage, wherever the row of several begins.
    saved, own = saved.cpu().clone(), generator.get_state()
    if saved.dtype != own.dtype or saved.dim() != 1 or len(saved) not in {len(own), *STREAM_BYTES}:
        raise ValueError(
            f"a saved random stream is {saved.dtype} {tuple(saved.shape)}, expected {own.dtype} {len(own)}"
        )
    if saved.shape == own.shape:
        generator.set_state(saved)
    else:
        generator.manual_seed(zlib.crc32(saved.numpy().tobytes()))
