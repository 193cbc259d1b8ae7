"""``slatelab encode``."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from encoders.errors import Failure, UsageError
from encoders.files import cure, write_atomically

FORMATS = (".npy", ".safetensors")


@dataclass(frozen=True, kw_only=True)
class EncodeFlags:
    """Turn a file of texts, one a line, into unit vectors, one a row."""

    file: tyro.conf.Positional[Path]
    """Texts, one a line, UTF-8."""
    encoder: str = "minilm"
    """Text encoder: a name, a local folder such as a tuned one, or a hub name."""
    out: Path = Path("vectors.npy")
    """Where the vectors go, float32 (lines, D): a .npy file, or .safetensors with the tensor "vectors"."""
    device: str = "auto"
    """Torch device."""


def main(arguments: Sequence[str]) -> int:
    """Encode the texts of a file."""
    flags = tyro.cli(EncodeFlags, prog="slatelab encode", args=list(arguments))
    if flags.out.suffix not in FORMATS:
        raise UsageError(f"--out {flags.out} has to end in {' or '.join(FORMATS)}")
    texts = read_lines(flags.file)
    from encoders import load_encoder

    vectors_ND = load_encoder(flags.encoder, device=flags.device, corpus=texts).encode(texts)
    write_atomically(flags.out, as_bytes(vectors_ND, flags.out.suffix))
    print(f"{flags.out}: {len(vectors_ND)} vectors of {vectors_ND.shape[1]} numbers")
    return 0


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file of texts.

    Raises:
        UsageError: there is no such file, it is empty, not UTF-8, or a line is blank.
        Failure: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UsageError(f"{path} is no file; give a file with one text a line") from error
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror or error}; {cure(error)}") from error
    try:
        lines = content.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        where = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}: line {where} is not UTF-8; save the file as UTF-8") from error
    if not lines[-1]:
        lines.pop()
    if not lines:
        raise UsageError(f"{path} is empty; give a file with one text a line")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            raise UsageError(f"{path}: line {number} is blank, and a row stands for each line; fill it in or drop it")
    return lines


def as_bytes(vectors_ND: NDArray[np.float32], suffix: str) -> bytes:
    """Return the content of a file of vectors, by its ending."""
    if suffix == ".npy":
        stream = io.BytesIO()
        np.save(stream, vectors_ND, allow_pickle=False)
        return stream.getvalue()
    from safetensors.numpy import save

    return save({"vectors": vectors_ND})
