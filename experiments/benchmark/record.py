"""What policies earned, user by user, in one safetensors file: no code runs when it is read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from encoders.cache import write_atomically
from encoders.errors import Failure
from envs.interface import Tensors
from experiments.plain import to_json
from experiments.sessions import Sessions

FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class Record:
    """Policies that met one panel, and what is to be known about them."""

    about: Mapping[str, Any]
    """Plain values, such as which panel it was."""
    sessions: Mapping[str, Sessions]
    """Policy to what it earned with each user."""


def save_record(path: Path, record: Record) -> None:
    """Replace a record; a kill at any moment leaves the old one or the new one.

    Raises:
        Failure: a full disk.
    """
    tensors: Tensors = {}
    for index, played in enumerate(record.sessions.values()):
        tensors |= {f"{index}.{name}": getattr(played, name) for name in ("length", "exposure", "cluster")}
        tensors |= {f"{index}.total.{name}": value for name, value in played.totals.items()}
    # The order of names is kept, since sums over tables of them end in other last digits in another order.
    policies = [[name, list(played.totals)] for name, played in record.sessions.items()]
    header = {"format": FORMAT, "policies": policies, "about": dict(record.about)}
    # A copy each: safetensors refuses tensors that share memory.
    copies = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    write_atomically(path, safetensors.torch.save(copies, metadata={"slatelab": to_json(header)}))


def read_record(path: Path) -> Record:
    """Read a record.

    Raises:
        Failure: there is none, it is broken, or of another format.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["slatelab"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header["format"] != FORMAT:
            raise ValueError(f"it has format {header['format']}, not {FORMAT}")
        return Record(
            about=header["about"],
            sessions={
                policy: _sessions(tensors, index, names) for index, (policy, names) in enumerate(header["policies"])
            },
        )
    except FileNotFoundError as error:
        raise Failure(f"there is no record {path}") from error
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"the record {path} is broken ({error}); delete it and repeat slatelab benchmark") from error


def _sessions(tensors: Tensors, index: int, names: Sequence[str]) -> Sessions:
    return Sessions(
        totals={name: tensors[f"{index}.total.{name}"] for name in names},
        length=tensors[f"{index}.length"],
        exposure=tensors[f"{index}.exposure"],
        cluster=tensors[f"{index}.cluster"],
    )
