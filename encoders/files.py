"""The user's cache folder, files that are never half-written, and their hashes."""

import atexit
import contextlib
import errno
import functools
import hashlib
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from encoders.errors import Failure, UsageError

logger = logging.getLogger("slatelab.encoders")

_DAY_SECONDS = 86_400
_CURES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space or choose another folder"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "choose a folder that you may write to"),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), "a file is in the way: move it, or choose another folder"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "close some programs, or raise the limit of open files (ulimit -n)"),
    errno.ENOENT: "it was removed or moved meanwhile: put it back, or begin anew",
    errno.EISDIR: "a folder is in the way: move it, or choose another",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def cure(error: OSError) -> str:
    """Return what can be done about an error of the file system."""
    return _CURES.get(error.errno or 0, "check the disk, or choose another folder")


def at_home(path: str) -> Path:
    """Return a path with its ``~`` resolved.

    Raises:
        UsageError: there is no home directory.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{path}: there is no home directory here; write the path in full") from error


def cache_folder() -> Path:
    """Return the folder for files that can be made again: ``$SLATELAB_CACHE``, else the user's cache folder.

    The folder is not created here. Without a home directory it is one that goes away with this process.
    """
    named = os.environ.get("SLATELAB_CACHE")
    if named:
        return at_home(named)
    import platformdirs

    try:
        folder = platformdirs.user_cache_path("slatelab")
    except RuntimeError:
        return _passing_folder()
    # (Older versions of platformdirs give "~/.cache/slatelab" as it stands.)
    return folder if folder.is_absolute() else _passing_folder()


@functools.cache
def _passing_folder() -> Path:
    """Return a folder for this process alone."""
    logger.warning("there is no home directory, so nothing is kept for the next run; $SLATELAB_CACHE can name a folder")
    folder = tempfile.mkdtemp(prefix="slatelab-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


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
        raise Failure(f"cannot write {path} ({len(content):,} bytes): {reason}; {cure(error)}") from error


def sweep_parts(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder and below; what is being written stays."""
    for part in folder.rglob(".*.part"):
        with contextlib.suppress(OSError), part.open("r+b") as stream:
            if _lock(stream) or time.time() - part.stat().st_mtime > _DAY_SECONDS:
                part.unlink()


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Let only one process at a time do what makes ``path``; where files cannot be locked, let all.

    The lock is a hidden file beside it, which stays.
    """
    lock = path.with_name(f".{path.name}.lock")
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            lock.parent.mkdir(parents=True, exist_ok=True)
            stream = stack.enter_context(lock.open("wb"))
            if not _lock(stream):
                _wait(stream, path)
        yield


def _wait(stream: BinaryIO, path: Path) -> None:
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        logger.info("waiting for another process that makes %s", path)
        fcntl.flock(stream, fcntl.LOCK_EX)


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
