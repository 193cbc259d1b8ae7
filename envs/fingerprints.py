"""Fingerprints: a short hash of what something is made of, the same on every machine and device."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DIGITS = 16


def fingerprint(*parts: str | Sequence[str] | NDArray[np.generic]) -> str:
    """Return 16 hexadecimal digits that change with any of the parts: words, lists of words, or arrays.

    Give it what is read or counted, not what is computed in floating point: that differs in its last digits from one
    machine to another.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            little = part.astype(part.dtype.newbyteorder("<"), copy=False)
            content, kind = np.ascontiguousarray(little).tobytes(), f"{little.dtype.str} {part.shape}"
        else:
            words = [part] if isinstance(part, str) else part
            encoded = [word.encode("utf-8", "surrogatepass") for word in words]
            content, kind = b"".join(encoded), f"{type(part) is str} {[len(word) for word in encoded]}"
        digest.update(kind.encode())
        digest.update(content)
    return digest.hexdigest()[:DIGITS]
