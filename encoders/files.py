"""The user's cache folder, files that are never half-written, and their hashes."""

import contextlib
import functools
import hashlib
import os
import secrets
import time
from pathlib import Path
from typing import BinaryIO

from encoders.errors import Failure

_DAY_SECONDS = 86_400


def cache_folder() -> Path:
    """Return the folder for files that can be made again: ``$SLATELAB_CACHE``, else the user's cache folder.

    The folder is not created here.
    """
    named = os.environ.get("SLATELAB_CACHE")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("slatelab")


def write_atomically(path: Path | str, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader sees the old file or the whole new one, never a part.

    Missing parent folders are made. After an error the old file is untouched and no part file remains; a
    process that is killed may leave a hidden ``.NAME.….part`` beside it, which `sweep_parts` removes.

    Raises:
        Failure: the disk is full, or the folder cannot be written to.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as stream:
                _lock(stream)
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(part, path)  # noqa: PTH105 (tests replace it to fail)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise Failure(
            f"cannot write {path} ({len(content):,} bytes): {reason}; free some space or choose another folder"
        ) from error


def sweep_parts(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder and below; what is being written stays."""
    for part in folder.rglob(".*.part"):
        with contextlib.suppress(OSError), part.open("r+b") as stream:
            if _lock(stream) or time.time() - part.stat().st_mtime > _DAY_SECONDS:
                part.unlink()


def _lock(stream: BinaryIO) -> bool:
    """Lock a file until it is closed or its process ends; return False where it is locked, or locks are not known."""
    try:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):  # without fcntl on Windows
        return False
    return True


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits; an unchanged file is read once a process.

    Raises:
        Failure: the file cannot be read.
    """
    try:
        status = path.stat()
        return _hash_unchanged(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror or error}; check the file") from error


@functools.lru_cache(maxsize=256)
def _hash_unchanged(path: Path, size: int, modified_ns: int) -> str:
    """Hash the file; size and time are part of the key under which the answer is remembered."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
