"""Remember on disk what an encoder has said."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from encoders.files import cache_folder, one_at_a_time, sweep_parts, write_atomically
from encoders.progress import show_progress
from encoders.protocol import Encoder, check_encoder, check_texts, check_vectors, unreadable_texts
from encoders.store import VectorStore

__all__ = ["CachedEncoder", "cache_folder", "text_key", "write_atomically"]

logger = logging.getLogger("slatelab.encoders")

CHUNK = 2_048
"""Texts encoded between two writes: so many are lost at most when a run is killed."""


class CachedEncoder:
    """Encode each text once: vectors are kept by (fingerprint of the encoder, SHA-256 of the text).

    Args:
        encoder: what is asked for texts not seen before. While all texts are known it is asked nothing, so
            a ``BertEncoder`` made from a folder does not even load its weights.
        folder: where vectors are kept; ``cache_folder() / "vectors"`` by default. A folder that cannot be
            written to costs a warning, not the run.

    Raises:
        UsageError: the encoder lacks a part.
    """

    def __init__(self, encoder: Encoder, folder: Path | None = None) -> None:
        self.encoder = check_encoder(encoder, type(encoder).__name__)
        self._folder = folder or cache_folder() / "vectors"
        self._stores: dict[str, VectorStore] = {}
        sweep_parts(self._folder)

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return self.encoder.dim

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the encoder within."""
        return self.encoder.fingerprint

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors, float32 (len(texts), dim), in the order of the texts.

        Raises:
            UsageError: a text is blank or no string.
            Failure: the encoder within fails, or what it gives are no unit vectors of that shape.
        """
        listed = check_texts(texts)
        store = self._store()
        keys = [text_key(text) for text in listed]
        by_key = dict(zip(keys, listed, strict=True))
        encoded = 0
        if any(key not in store for key in by_key):
            with one_at_a_time(store.folder):
                store.look_again()  # another process may have encoded them while this one waited
                missing = {key: text for key, text in by_key.items() if key not in store}
                self._encode_missing(missing, store)
                encoded = len(missing)
        if listed:
            logger.info("encoded %d new texts, %d from the cache", encoded, len(by_key) - encoded)
        return store.gather(keys)

    def unreadable(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each text whether the encoder within can read nothing of it, as far as that one says."""
        return unreadable_texts(self.encoder, texts)

    def _encode_missing(self, missing: dict[bytes, str], store: VectorStore) -> None:
        # Longest first, so that each chunk holds texts of like length and the estimate of time is a bound.
        order = sorted(missing, key=lambda key: -len(missing[key]))
        with show_progress(len(order)) as progress:
            for start in range(0, len(order), CHUNK):
                chunk = order[start : start + CHUNK]
                texts = [missing[key] for key in chunk]
                store.add(chunk, check_vectors(self.encoder.encode(texts), texts, self.dim))
                progress.reach(start + len(chunk))

    def _store(self) -> VectorStore:
        """Return the store of the encoder as it is now; fine-tuning changes the fingerprint."""
        fingerprint = self.fingerprint
        if fingerprint not in self._stores:
            name = hashlib.sha256(fingerprint.encode()).hexdigest()[:32]
            self._stores = {fingerprint: VectorStore(self._folder / name, self.dim)}
        return self._stores[fingerprint]


def text_key(text: str) -> bytes:
    """Return the key of a text: its SHA-256, 32 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
