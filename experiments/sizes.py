"""What an agent has to know of an environment: a checkpoint keeps it, so that the agent can be built without."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from envs.interface import Spec


class Sized(Protocol):
    """What an agent can be built for: a simulator, or `Sizes`."""

    @property
    def spec(self) -> Spec:
        """Return the sizes."""

    @property
    def device(self) -> torch.device:
        """Return where tensors are."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of an environment that is not built."""

    spec: Spec
    device: torch.device


def plain_spec(spec: Spec) -> dict[str, Any]:
    """Return a specification as plain values, for JSON."""
    return {**vars(spec), "shapes": dict(spec.shapes)}


def read_spec(plain: Mapping[str, Any]) -> Spec:
    """Return the specification of a `plain_spec` that went through JSON, which knows no tuples.

    Raises:
        ValueError: an entry is missing, not known or of another type.
    """
    try:
        named: dict[str, Any] = {key: tuple(own) if isinstance(own, list) else own for key, own in plain.items()}
        named["shapes"] = {key: tuple(shape) for key, shape in plain["shapes"].items()}
        spec = Spec(**named)
        sizes = [spec.num_candidates, spec.slate_size, spec.num_items, *itertools.chain(*spec.shapes.values())]
        if not all(type(size) is int and size >= 0 for size in sizes):
            raise ValueError("a size is no count")
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no specification: {error}") from error
    return spec
