"""One process at a time in a folder: a lock that ends with the process that holds it, however that ends."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from encoders.errors import UsageError


@contextlib.contextmanager
def locked(folder: Path, refusal: str) -> Iterator[None]:
    """Keep other processes out of a folder for as long as the block, or this process, lives.

    The lock is the folder's own and leaves no file; it goes along where the folder is moved. Where there are no such
    locks (on Windows, on most network file systems) nobody is kept out.

    Args:
        folder: which exists.
        refusal: the sentence for whoever comes second.

    Raises:
        UsageError: another process holds it, or has moved it away meanwhile.
    """
    try:
        import fcntl
    except ImportError:  # (there is none on Windows)
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(refusal) from error
        except OSError:  # (a file system that knows no locks)
            pass
        if not folder.exists() or not os.path.samestat(os.fstat(descriptor), folder.stat()):
            raise UsageError(refusal)
        yield
    finally:
        os.close(descriptor)
