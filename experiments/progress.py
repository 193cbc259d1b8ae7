"""Say on stderr what happens: a progress bar on a terminal, a line every ten seconds elsewhere."""

import contextlib
import logging
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

from experiments.tracking.monitor import RETURN

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_MOVES = 0.2
FOREVER = 360_000 - 1
"""Seconds; no longer time is left."""
LONGEST_BAR = 40
"""Characters."""


def say(text: str) -> None:
    """Print a line to stderr; nobody who listens is no error."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


class TrainingProgress:
    """Shows user-steps, user-steps per second, the mean return of sessions that ended lately, and time left.

    Args:
        total: user-steps of the run.
        done: user-steps before this start of it.
    """

    def __init__(self, total: int, done: int = 0) -> None:
        self.total, self.first = total, done
        self.returned = ""
        self.started = self.moved = time.monotonic()
        self.shown: RichProgress | None = None
        if sys.stderr is not None and sys.stderr.isatty():
            self.bar = BarColumn(bar_width=1)
            self.shown = RichProgress(
                self.bar, TextColumn("{task.fields[text]}"), console=Console(stderr=True), transient=True
            )
            self.task = self.shown.add_task("training", total=total, completed=done, text="")

    def __enter__(self) -> "TrainingProgress":
        """Begin to show."""
        if self.shown is not None:
            self.shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        if self.shown is not None:
            self.shown.stop()

    def note(self, row: Mapping[str, float]) -> None:
        """Take the mean return from a row of metrics."""
        if RETURN in row:
            self.returned = f" · return {row[RETURN]:.2f}"

    def move(self, done: int) -> None:
        """Say how many user-steps are done."""
        now = time.monotonic()
        pause = SECONDS_BETWEEN_MOVES if self.shown is not None else SECONDS_BETWEEN_LINES
        if now - self.moved < pause and done < self.total:
            return
        self.moved = now
        rate = (done - self.first) / max(now - self.started, 1e-9)
        left = (self.total - done) / max(rate, 1e-9)
        text = f"{done:,} of {self.total:,} user-steps · {rate:,.0f}/s{self.returned}"
        if self.shown is None:
            say(f"training: {text} · {left:,.0f} s left")
            return
        text = f"{text} · {timedelta(seconds=round(min(left, FOREVER)))} left"
        # The bar takes what the words leave of the line.
        self.bar.bar_width = max(1, min(LONGEST_BAR, self.shown.console.width - len(text) - 1))
        self.shown.update(self.task, completed=done, text=text)


def log_to_stderr() -> None:
    """Show what slatelab's own loggers say, such as which encoder was used."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("slatelab")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
