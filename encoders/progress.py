"""Show how far a long encoding is: a bar on a terminal, a line every ten seconds elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

WORTH_SHOWING = 2_000
"""Fewer texts than this take seconds: they show nothing."""
SECONDS_BETWEEN_LINES = 10.0


class Progress(Protocol):
    """Counts finished texts."""

    def advance(self, count: int) -> None:
        """Count ``count`` more texts as finished."""

    def reach(self, done: int) -> None:
        """Say that ``done`` texts are finished in all."""


class _Silent:
    """Shows nothing."""

    def advance(self, count: int) -> None:
        """Do nothing."""

    def reach(self, done: int) -> None:
        """Do nothing."""


class _Counter:
    """Prints a line to stderr now and then."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._start = self._last = time.monotonic()

    def advance(self, count: int) -> None:
        """Count ``count`` more texts."""
        self.reach(self._done + count)

    def reach(self, done: int) -> None:
        """Set the count, and show it if it was not shown for a while."""
        self._done = done
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            rate = done / (now - self._start)
            print(f"encoded {done:,} of {self._total:,} texts ({rate:,.0f} texts/s)", file=sys.stderr)


class _Bar(_Counter):
    """Moves a rich progress bar."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("encoding texts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.rich = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self._task = self.rich.add_task("encode", total=total)

    def reach(self, done: int) -> None:
        """Set the count."""
        self._done = done
        self.rich.update(self._task, completed=done)


_outer: ContextVar[Progress | None] = ContextVar("outer_progress", default=None)


@contextmanager
def show_progress(total: int) -> Iterator[Progress]:
    """Yield the counter for ``total`` texts; inside another one, yield that one, so that there is one bar."""
    outer = _outer.get()
    if outer is not None:
        yield outer
        return
    shown: Progress
    is_long, on_terminal = total >= WORTH_SHOWING, sys.stderr is not None and sys.stderr.isatty()
    shown = (_Bar(total) if on_terminal else _Counter(total)) if is_long else _Silent()
    token = _outer.set(shown)
    try:
        if isinstance(shown, _Bar):
            with shown.rich:
                yield shown
        else:
            yield shown
    finally:
        _outer.reset(token)
