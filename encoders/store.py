"""Vectors on disk, in immutable files named by the hash of what they hold."""

import contextlib
import hashlib
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from encoders.errors import Failure
from encoders.files import write_atomically

logger = logging.getLogger("slatelab.encoders")

KEY_BYTES = 32
MANY = 32
"""So many small shards are merged into one."""
SMALL = 16_384
"""Shards of fewer rows than this are small."""


class VectorStore:
    """A map from 32-byte keys to vectors of one encoder, kept in a folder.

    Each ``add`` writes one new file (a *shard*) in one step, so that processes can share the folder and a
    crash loses only the batch at hand. A shard's name is its hash: one that was cut or changed is recognised,
    skipped with a warning, and its vectors are made again. Shards are memory-mapped, never unpickled.

    Args:
        folder: where the shards are; made when first written to.
        dim: length of a vector.
    """

    def __init__(self, folder: Path, dim: int) -> None:
        self.folder = folder
        self._row = np.dtype([("key", "u1", (KEY_BYTES,)), ("vector", "<f4", (dim,))])
        self._shards: list[npt.NDArray[Any]] = []
        self._small: list[Path] = []
        self._place: dict[bytes, tuple[int, int]] = {}
        self._seen: set[Path] = set()
        self._can_write = True
        self.look_again()
        self._merge_if_many()

    def __contains__(self, key: bytes) -> bool:
        """Return whether the vector of ``key`` is here."""
        return key in self._place

    def add(self, keys: Sequence[bytes], vectors_ND: npt.NDArray[np.float32]) -> None:
        """Keep vectors, float32 (N, dim), under their keys; in memory alone if they cannot be written."""
        shard = np.empty(len(keys), dtype=self._row)
        shard["key"] = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY_BYTES)
        shard["vector"] = vectors_ND
        path = self._write(shard)
        if path is not None:
            with contextlib.suppress(FileNotFoundError):  # another process has merged it already
                shard = np.load(path, mmap_mode="r", allow_pickle=False)
        self._attach(shard, path)
        self._merge_if_many()

    def gather(self, keys: Sequence[bytes]) -> npt.NDArray[np.float32]:
        """Return the vectors of ``keys``, float32 (N, dim).

        Raises:
            KeyError: a key is not here.
        """
        vectors_ND = np.empty((len(keys), *self._row["vector"].shape), dtype=np.float32)
        places = np.array([self._place[key] for key in keys], dtype=np.int64).reshape(-1, 2)
        for number in np.unique(places[:, 0]):
            here = np.flatnonzero(places[:, 0] == number)
            vectors_ND[here] = self._shards[number]["vector"][places[here, 1]]
        return vectors_ND

    def look_again(self) -> None:
        """Attach every whole shard that is new in the folder; once more if another process has just merged some."""
        for _ in range(3):
            if not self._scan_once():
                return

    def _scan_once(self) -> bool:
        """Attach the shards not yet seen, and return whether one vanished meanwhile."""
        vanished = False
        for path in sorted(set(self.folder.glob("*.npy")) - self._seen):
            self._seen.add(path)
            try:
                shard = self._open(path)
            except FileNotFoundError:
                vanished = True
                continue
            except (OSError, ValueError) as error:
                logger.warning("the cache file %s is broken (%s); its vectors are made again", path, error)
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            self._attach(shard, path)
        return vanished

    def _open(self, path: Path) -> npt.NDArray[Any]:
        """Map a shard into memory after checking it to the last bit."""
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found[: len(path.stem)] != path.stem:
            raise ValueError("its content is not what was written")
        shard: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if shard.dtype != self._row or shard.ndim != 1:
            raise ValueError(f"it holds {shard.dtype}, expected {self._row}")
        return shard

    def _attach(self, shard: npt.NDArray[Any], path: Path | None) -> None:
        number = len(self._shards)
        self._shards.append(shard)
        joined = shard["key"].tobytes()
        for row in range(len(shard)):
            self._place.setdefault(joined[row * KEY_BYTES : (row + 1) * KEY_BYTES], (number, row))
        if path is not None and len(shard) < SMALL:
            self._small.append(path)

    def _write(self, shard: npt.NDArray[Any]) -> Path | None:
        """Write a shard and return its path; None, with one warning, where that is impossible."""
        if not self._can_write:
            return None
        stream = io.BytesIO()
        np.save(stream, shard, allow_pickle=False)
        content = stream.getvalue()
        path = self.folder / f"{hashlib.sha256(content).hexdigest()[:40]}.npy"
        try:
            write_atomically(path, content)
        except Failure as error:
            self._can_write = False
            logger.warning("vectors are not kept for the next run: %s ($SLATELAB_CACHE names the folder)", error)
            return None
        self._seen.add(path)
        return path

    def _merge_if_many(self) -> None:
        """Rewrite many small shards as one, then remove them; a reader meets the vectors in either form."""
        if len(self._small) < MANY or not self._can_write:
            return
        small, self._small = self._small, []
        parts = []
        for path in small:
            with contextlib.suppress(OSError, ValueError):
                parts.append(self._open(path))
        if not parts:
            return
        joined = np.concatenate(parts)
        _, first = np.unique(joined["key"].view(f"V{KEY_BYTES}").ravel(), return_index=True)
        merged = self._write(joined[np.sort(first)])
        if merged is None:
            return
        self._small = [merged] if len(first) < SMALL else []
        for path in small:
            if path != merged:
                with contextlib.suppress(OSError):  # already gone, or still mapped by a process on Windows
                    path.unlink()
