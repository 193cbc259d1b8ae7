"""Tensors with a header in one safetensors file: no code runs when it is read, and damage does not pass unnoticed."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch

from encoders.cache import write_atomically
from envs.interface import Tensors
from experiments.plain import to_json

HEADER, CHECKSUM = "slatelab", "checksum"
"""What the file's metadata holds: the header as JSON, and the CRC-32 of it and of all tensors."""


class Sealed(NamedTuple):
    """What a file holds."""

    header: Any
    """Whatever JSON is there: it is for the reader to look at its form."""
    tensors: Tensors
    checked: bool
    """Whether there was a checksum; files of earlier versions have none."""


def write_sealed(path: Path, header: Mapping[str, Any], tensors: Tensors) -> None:
    """Replace a file; a kill at any moment leaves the old one or the new one.

    Raises:
        Failure: a full disk.
    """
    # A copy each: safetensors refuses tensors that share memory.
    copies = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()
    }
    text = to_json(header)
    metadata = {HEADER: text, CHECKSUM: _checksum(text, copies)}
    write_atomically(path, safetensors.torch.save(copies, metadata=metadata))


def read_sealed(path: Path, with_tensors: bool = True) -> Sealed:
    """Read a file; without its tensors there is nothing to check the checksum with.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no such file, or was damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in (file.keys() if with_tensors else ())}
        header = json.loads(metadata[HEADER])
    except FileNotFoundError:
        raise
    except KeyError as error:
        raise ValueError("it has no header of slatelab") from error
    except (safetensors.SafetensorError, OSError, RecursionError) as error:
        raise ValueError(str(error)) from error
    strange = metadata.keys() - {HEADER, CHECKSUM}
    if strange:
        raise ValueError(f'its metadata hold "{min(strange)}", which slatelab does not write')
    checksum = metadata.get(CHECKSUM)
    if with_tensors and checksum not in (None, _checksum(metadata[HEADER], tensors)):
        raise ValueError("its checksum does not fit: it was damaged or changed")
    return Sealed(header, tensors, checksum is not None)


def _checksum(text: str, tensors: Tensors) -> str:
    """Return the CRC-32 of a header and of names, types, shapes and bytes of tensors."""
    total = zlib.crc32(text.encode())
    for name, value in sorted(tensors.items()):
        total = zlib.crc32(f"{name} {value.dtype} {tuple(value.shape)}".encode(), total)
        total = zlib.crc32(value.reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"
