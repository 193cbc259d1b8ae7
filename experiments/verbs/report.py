"""``slatelab report``."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True, kw_only=True)
class ReportFlags:
    """Compare finished runs on one page: results.md with its figures returns.png and learning.png."""

    runs: tyro.conf.Positional[tuple[Path, ...]] = (Path("runs"),)
    """Run folders, or folders of run folders."""
    out: Path = Path("report")
    """Folder of the report; a former report in it is replaced."""


def main(arguments: Sequence[str]) -> int:
    """Write the report."""
    flags = tyro.cli(ReportFlags, prog="slatelab report", args=list(arguments))
    return _report(flags)


def _report(flags: ReportFlags) -> int:
    from encoders.errors import UsageError
    from experiments.folder import find_runs
    from experiments.progress import say
    from experiments.report.runs import read_runs, relative
    from experiments.report.writing import check_out, command_line, write_report

    check_out(flags.out)
    whole = []
    for folder in find_runs(flags.runs):
        if folder.tensorboard.is_dir():
            whole.append(folder)
        else:
            say(f"{relative(folder.path)} is left out: it has no tensorboard folder, so it is no whole run")
    runs, unfinished = read_runs(whole)
    for name in unfinished:
        say(f"{name} has no summary yet, so it is left out; finish it with slatelab train --resume {shlex.quote(name)}")
    if not runs:
        raise UsageError("no run here has a summary yet; finish one with slatelab train --resume RUN")
    written = write_report(runs, unfinished, command_line(flags.runs, flags.out), flags.out)
    print(f"{len(runs)} run(s) compared in {written[-1]}")
    return 0
