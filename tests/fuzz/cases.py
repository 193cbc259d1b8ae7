"""What a fuzz is made of: cases drawn from a seed, each given a time, and what may come of them."""

import contextlib
import io
import random
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from encoders.errors import Failure, UsageError

SECONDS = 60
"""Longer than this no case may take, on a busy machine either; the longest takes about two."""


class Hang(BaseException):
    """A case takes too long."""


@dataclass
class Case:
    """One try of a way in."""

    way: str
    seed: int
    number: int
    folder: Path
    """An empty folder of its own."""
    notes: list[str] = field(default_factory=list)
    """What was tried, for whoever reads the report."""

    def __post_init__(self) -> None:
        """Draw from a stream of its own, so that it can be repeated alone."""
        self.rng = random.Random(f"{self.way} {self.seed} {self.number}")

    def note(self, what: str) -> None:
        """Say what is tried next."""
        self.notes.append(what[:500])

    def attempt(self, act: Callable[[], Any]) -> Any:
        """Return what a call gives, or the refusal of it, which has words; anything else that is raised is a fault."""
        try:
            return act()
        except (UsageError, Failure) as error:
            refusal = error
        assert str(refusal).strip(), "a refusal without a word"
        return refusal

    def command(self, arguments: list[str]) -> int:
        """Run a command line here; its exit code and what it prints have to fit each other."""
        from experiments.cli import main

        self.note(f"slatelab {' '.join(map(repr, arguments))}")
        out, err = io.StringIO(), io.StringIO()
        path = list(sys.path)
        try:
            with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(arguments)
        finally:
            sys.path[:] = path
        self.note(f"exit code {code}: {err.getvalue().strip()[-300:]}")
        assert code in (0, 1, 2), f"exit code {code}"
        assert "Traceback" not in err.getvalue() + out.getvalue()
        assert code == 0 or err.getvalue().strip(), "it fails without a word"
        return code

    def check_nothing_half_written(self) -> None:
        """Look for what a process leaves that did not finish."""
        left = [path.relative_to(self.folder) for path in self.folder.rglob("*.part")]
        assert not left, f"half-written: {left}"


Way = Callable[[Case], None]


def run(way: Way, case: Case) -> str:
    """Return the report of a fault, empty if there is none."""
    try:
        with _time_limit():
            way(case)
            case.check_nothing_half_written()
    except KeyboardInterrupt:
        raise
    except (Exception, Hang, SystemExit) as error:
        tried = "\n".join(f"    {note}" for note in case.notes)
        return (
            f"{case.way}, seed {case.seed}, case {case.number}: {type(error).__name__}: {error}\n{tried}\n"
            f"{''.join(traceback.format_exception(error)[-6:])}"
            f"again: python tests/fuzz --way {case.way} --seed {case.seed} --first {case.number} --cases 1"
        )
    return ""


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Interrupt what takes too long."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang(f"it takes longer than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
