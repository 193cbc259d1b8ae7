"""The encoder ``random``: a vector for each text that says nothing about it, the floor of every comparison."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from encoders.protocol import check_texts
from encoders.settings import EncoderSettings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DIM = 64


class RandomEncoder:
    """Draw a unit vector for each text, uniform on the sphere, from a stream seeded by the text's SHA-256.

    Equal texts have equal vectors, in every process; no two others have anything in common.
    """

    dim = DIM
    fingerprint = hashlib.sha256(f"random vectors of {DIM} numbers, by SHA-256".encode()).hexdigest()

    def encode(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Return unit vectors, float32 (len(texts), 64).

        Raises:
            UsageError: a text is blank or no string.
        """
        import numpy as np

        listed = check_texts(texts)
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in listed]
        vectors_ND = np.zeros((len(listed), DIM))
        for row, key in enumerate(keys):
            vectors_ND[row] = np.random.default_rng(int.from_bytes(key, "little")).standard_normal(DIM)
        units_ND: npt.NDArray[np.float64] = vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)
        return units_ND.astype(np.float32)


def random_encoder(settings: EncoderSettings) -> RandomEncoder:
    """Return vectors drawn by the hash of each text, which say nothing: the floor of every comparison."""
    return RandomEncoder()
