"""``slatelab check``."""

import argparse
import dataclasses
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from encoders.errors import Failure
from experiments.checking.verdicts import Verdict

PROG = "slatelab check"


@dataclass(frozen=True, kw_only=True)
class CheckFlags:
    """Check what an environment or an agent has to do: slates, random numbers, memory, saving, and more.

    It takes seconds, needs no data and writes nothing. What does not hold is said in a sentence, and the exit code is 1
    then. Texts are read by the tiny encoder and networks are small, unless the settings say otherwise; those of a class
    are listed by slatelab check NAME --help.
    """

    env: str | None = None
    """Environment in which an agent is checked, where it needs what no other shows."""
    device: str = "cpu"
    """Torch device."""


@dataclass(frozen=True, kw_only=True)
class _Unnamed:
    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """What slatelab list knows, or module:Class of your own, in a file of this folder."""
    flags: Annotated[CheckFlags, tyro.conf.arg(name="")]


def main(arguments: Sequence[str]) -> int:
    """Print a line for each check; fail if one does."""
    name = _scan(arguments)
    if name is None:
        # This says what is missing, or helps, and ends.
        tyro.cli(_Unnamed, prog=PROG, args=list(arguments), description=inspect.getdoc(CheckFlags))
    return _check(str(name), arguments)


def _scan(arguments: Sequence[str]) -> str | None:
    """Return the name, which says what settings there are."""
    parser = argparse.ArgumentParser(prog=PROG, add_help=False, allow_abbrev=False)
    parser.add_argument("name", nargs="?")
    parser.add_argument("--env")
    parser.add_argument("--device")
    name: str | None = parser.parse_known_args(list(arguments))[0].name
    return name


def _check(name: str, arguments: Sequence[str]) -> int:
    from experiments.checking.checker import check_found, quick_settings
    from experiments.checking.finding import find
    from experiments.verbs.terminal import console

    found = find(name)
    parsed = _parse(name, arguments, "agent" if found.kind == "agent" else "env", quick_settings(found, {}))
    flags, out = parsed.flags, console()
    out.print(f"{found.kind} {found.name}", markup=False)
    report = check_found(
        found,
        parsed.settings,
        None if flags.env is None else find(flags.env),
        flags.device,
        lambda verdict: _print(out, verdict),
    )
    out.print(report.summary(), markup=False)
    if not report.passed:
        raise Failure(f"{len(report.findings)} check(s) failed, see above; docs/extending.md has examples that pass")
    return 0


def _parse(name: str, arguments: Sequence[str], part: str, settings: Any) -> Any:
    """Parse the flags with the nested settings of the class that is named."""
    flags = list(arguments)
    flags.remove(name)
    fields: list[Any] = [
        ("flags", Annotated[CheckFlags, tyro.conf.arg(name="")]),
        ("settings", Annotated[type(settings), tyro.conf.arg(name=part)], dataclasses.field(default=settings)),
    ]
    command = dataclasses.make_dataclass("CheckCommand", fields, frozen=True, kw_only=True)
    return tyro.cli(command, prog=f"{PROG} {name}", args=flags, description=inspect.getdoc(CheckFlags))


def _print(out: Console, verdict: Verdict) -> None:
    """Print a verdict; what is wrong stands below it."""
    style = "red" if verdict.fault else "dim" if verdict.open else "green"
    out.print(Text(f"{verdict.mark} ", style), Text(verdict.meaning), sep="")
    if verdict.below:
        out.print(Padding(Text(verdict.below), (0, 0, 0, 4), expand=False))
