"""Standard output and error that fail no command: odd characters are spelled, a reader who has left is no error."""

import codecs
import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

_SPELLED = str.maketrans(
    {"−": "-", "…": "...", "·": "-", "×": "x", "→": "->", "≥": ">=", "≤": "<=", "²": "^2", "€": "EUR"}
    | dict.fromkeys("─━╌╴╶╸╺", "-")
    | dict.fromkeys("│┃", "|")
    | dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╯╰┏┓┗┛┡┩╇", "+")
)
_GONE = {errno.EPIPE, errno.EIO, errno.EBADF}
"""What the system says when nobody reads any more: a closed pipe, a terminal that went away, a closed file."""


@contextlib.contextmanager
def steady_output() -> Iterator[None]:
    """Let standard output and error hold for as long as a command runs, whatever they are."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Steady(stream)) for stream in before)
    try:
        yield
    finally:
        # Here rather than when Python ends, where a reader who has left would change the exit code.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        sys.stdout, sys.stderr = before


class _Steady:
    """A text stream that spells what its encoding lacks, and writes nowhere once its reader has left.

    Args:
        stream: what is written to; None, as where it was closed before Python began, is nowhere.
    """

    def __init__(self, stream: TextIO | None) -> None:
        # (Nowhere is as good as it gets for as long as the process lives.)
        self._stream: Any = open(os.devnull, "w", encoding="utf-8") if stream is None else stream  # noqa: SIM115
        if hasattr(self._stream, "reconfigure"):
            self._stream.reconfigure(errors="slatelab")

    def write(self, text: str) -> int:
        """Write a text."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._leave(error)
        return len(text)

    def flush(self) -> None:
        """Bring what was written to the reader."""
        try:
            self._stream.flush()
        except OSError as error:
            self._leave(error)

    def __getattr__(self, name: str) -> Any:
        """Be the stream in all else."""
        return getattr(self._stream, name)

    def _leave(self, error: OSError) -> None:
        """Write nowhere from now on, and throw away what is still kept back for the reader."""
        if error.errno not in _GONE:
            raise error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for the characters that an encoding lacks, as `codecs.register_error` wants it."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(one if one.isascii() else "?" for one in lacking.translate(_SPELLED)), error.end


codecs.register_error("slatelab", _spell)
