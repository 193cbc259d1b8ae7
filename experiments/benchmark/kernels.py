"""The simulators that a benchmark plays in, and the content by which their environments are known."""

import contextlib
import dataclasses
from collections.abc import Sequence

from encoders.errors import Failure, UsageError
from envs.simulator import Simulator, fingerprint_of
from experiments.benchmark.cells import Cell
from experiments.benchmark.jobs import Tell
from experiments.benchmark.lines import Lines
from experiments.building import build_kernel


class Kernels:
    """Builds simulators, and keeps the last: jobs in one environment follow each other."""

    def __init__(self) -> None:
        self._last: tuple[str, Simulator] | None = None

    def of(self, cell: Cell) -> Simulator:
        """Return the simulator of a cell's environment."""
        if self._last is None or self._last[0] != cell.kernel_key:
            self._last = None
            self._last = cell.kernel_key, build_kernel(cell.run)
        return self._last[1]

    def of_content(self, cell: Cell) -> Simulator:
        """Return it if it is still what the cell is known by.

        Raises:
            Failure: its data, texts or encoder changed.
        """
        kernel = self.of(cell)
        if fingerprint_of(kernel) != cell.content:
            raise Failure("data, texts or encoder changed while the benchmark was at work; repeat the command")
        return kernel


def known_by_content(cells: Sequence[Cell], kernels: Kernels, tell: Tell) -> list[Cell]:
    """Return the cells with the fingerprints of what their settings only name.

    It stays empty where building an environment fails: why, its jobs find out again and say.

    Args:
        cells: of all environments; those of one arena share its settings.
        kernels: left with the simulator of the first environment.
        tell: takes lines for whoever watches.

    Raises:
        UsageError: settings of an environment that cannot be, such as data that are not there.
    """
    contents: dict[str, str] = {}
    for cell in reversed(cells):
        if cell.arena not in contents:
            try:
                with contextlib.redirect_stderr(Lines(cell.arena, tell)):
                    contents[cell.arena] = fingerprint_of(kernels.of(cell))
            except UsageError:
                raise
            except Exception:  # (an environment is anybody's code; the others go on)
                contents[cell.arena] = ""
    return [dataclasses.replace(cell, content=contents[cell.arena]) for cell in cells]
