"""What comes of a check: it holds, it does not and why, or it could not be told."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from encoders.errors import Failure, UsageError

HOUSE = Path(__file__).resolve().parents[2]
"""Where our own code lies; what went wrong elsewhere is the user's."""


class CheckFailed(Exception):  # noqa: N818 (what the checks say)
    """What was checked does not hold; the message is a sentence that says what to do."""


class NotChecked(Exception):  # noqa: N818 (what the checks say)
    """It cannot be told here whether it holds; the message says why."""


class Finding(NamedTuple):
    """Something that does not hold."""

    name: str
    """Of the check, such as ``a_step_leaves_its_state_alone``."""
    sentence: str
    """What is wrong, and the cure."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of one check."""

    name: str
    meaning: str
    """What holds if the check passes, one sentence."""
    fault: str = ""
    """What does not hold; empty if all does."""
    open: str = ""
    """Why it could not be told; empty if it could."""

    @property
    def mark(self) -> str:
        """Return ✓, ✗ or –."""
        return "✗" if self.fault else "–" if self.open else "✓"

    @property
    def below(self) -> str:
        """Return what is wrong, or why it is open, or nothing."""
        return self.fault or self.open

    def __str__(self) -> str:
        """Return a line, and below it what is wrong."""
        return f"{self.mark} {self.meaning}" + (f"\n    {self.below}" if self.below else "")


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What came of all checks of an environment or agent."""

    subject: str
    """Its name."""
    kind: str
    """``environment`` or ``agent``."""
    verdicts: tuple[Verdict, ...]

    @property
    def findings(self) -> list[Finding]:
        """Return what does not hold."""
        return [Finding(verdict.name, verdict.fault) for verdict in self.verdicts if verdict.fault]

    @property
    def passed(self) -> bool:
        """Return whether nothing was found."""
        return not self.findings

    def __str__(self) -> str:
        """Return a line for each check, and what is wrong below it."""
        return "\n".join([f"{self.kind} {self.subject}", *map(str, self.verdicts), self.summary()])

    def summary(self) -> str:
        """Return how many checks passed."""
        told = [verdict for verdict in self.verdicts if not verdict.open]
        open_ = len(self.verdicts) - len(told)
        return f"{len(told) - len(self.findings)} of {len(told)} checks passed" + (f", {open_} open" if open_ else "")


def judge(check: Callable[[Any], None], subject: Any, after_a_fault: bool = False) -> Verdict:
    """Run a check.

    Args:
        check: a function of the subject that raises `CheckFailed` or `NotChecked`; its name and the first line of its
            docstring say what it is about.
        subject: what is checked.
        after_a_fault: whether a check before it failed; what breaks down now may be for the same reason.
    """
    name = getattr(check, "__name__", "")
    meaning = (check.__doc__ or name).partition("\n")[0].rstrip(".")
    try:
        check(subject)
    except CheckFailed as fault:
        return Verdict(name=name, meaning=meaning, fault=str(fault))
    except NotChecked as reason:
        return Verdict(name=name, meaning=meaning, open=str(reason))
    except Exception as error:  # whatever a user's own code may raise
        if after_a_fault:
            return Verdict(name=name, meaning=meaning, open=f"mend the above first ({told(error)})")
        return Verdict(name=name, meaning=meaning, fault=told(error))
    return Verdict(name=name, meaning=meaning)


def told(error: BaseException) -> str:
    """Return what went wrong as a sentence, with the line of the user's file where it did."""
    text = " ".join(str(error).split())
    if isinstance(error, UsageError | Failure):
        return text
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not _ours(frame.filename)]
    where = f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno}, in {theirs[-1].name})" if theirs else ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f" ({Path(error.filename).name}, line {error.lineno})"
        text = error.msg
    return f"{type(error).__name__}: {text}{where}" if text else f"{type(error).__name__}{where}"


def _ours(filename: str) -> bool:
    """Tell whether a file is slatelab's or a library's."""
    path = Path(filename).resolve()
    inside = path.is_relative_to(HOUSE) and path.relative_to(HOUSE).parts[0] in _FLOORS
    return inside or "site-packages" in path.parts or filename.startswith("<")


_FLOORS = ("encoders", "envs", "agents", "experiments")
