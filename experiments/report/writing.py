"""The report of finished runs: a page and its figures, written into a folder."""

import shlex
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from encoders.cache import write_atomically
from encoders.errors import UsageError
from experiments.report.comparison import Comparison, compare
from experiments.report.runs import FinishedRun, relative


def write_report(runs: Sequence[FinishedRun], unfinished: Sequence[str], command: str, out: Path) -> list[Path]:
    """Write results.md, returns.png and learning.png.

    Returns:
        Their paths.

    Raises:
        UsageError: two runs are of one agent, settings and seed.
        Failure: a full disk.
    """
    from experiments.report import figures
    from experiments.report.page import results_page

    comparisons = compare(runs)
    for comparison in comparisons:
        _refuse_copies(comparison)
    contents = {
        "returns.png": figures.returns(comparisons),
        "learning.png": figures.learning(comparisons),
        "results.md": results_page(comparisons, unfinished, command).encode(),
    }
    for name, content in contents.items():
        write_atomically(out / name, content)
    return [out / name for name in contents]


def check_out(out: Path) -> None:
    """Refuse a folder for the report that is a file or a run.

    Raises:
        UsageError: with what to do about it.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; choose another --out")
    if (out / "config.toml").exists():
        raise UsageError(f"{out} is a run folder, which holds nothing but the run; choose another --out")


def command_line(runs: Iterable[Path], out: Path) -> str:
    """Return the command that makes the report, with relative paths."""
    words = ["slatelab", "report", *map(relative, runs), "--out", relative(out)]
    return shlex.join(words)


def _refuse_copies(comparison: Comparison) -> None:
    for label, runs in comparison.variants().items():
        for first, second in pairwise(runs):
            if first.seed == second.seed:
                raise UsageError(
                    f"{first.name} and {second.name} are both {label} with seed {first.seed}, which would count it "
                    "twice; name the runs to compare, with one of the two"
                )
