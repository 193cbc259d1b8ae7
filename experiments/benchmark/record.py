"""What policies earned, user by user, in one safetensors file: no code runs when it is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.errors import Failure
from envs.interface import Tensors
from experiments.sealed import read_sealed, write_sealed
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
    write_sealed(path, {"format": FORMAT, "policies": policies, "about": dict(record.about)}, tensors)


def read_record(path: Path) -> Record:
    """Read a record.

    Raises:
        Failure: there is none, it is broken, or of another format.
    """
    try:
        header, tensors, _ = read_sealed(path)
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
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(f"the record {path} is broken ({error}); delete it and repeat slatelab benchmark") from error


def _sessions(tensors: Tensors, index: int, names: Sequence[str]) -> Sessions:
    return Sessions(
        totals={name: tensors[f"{index}.total.{name}"] for name in names},
        length=tensors[f"{index}.length"],
        exposure=tensors[f"{index}.exposure"],
        cluster=tensors[f"{index}.cluster"],
    )
