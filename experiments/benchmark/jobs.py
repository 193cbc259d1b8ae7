"""Jobs of a benchmark, each for one process, and how they end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from experiments.benchmark.cells import Cell

Status = Literal["done", "diverged", "n/a", "failed"]
Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """Work for one process: the baselines of an environment, or seeds of one agent in it."""

    cells: tuple[Cell, ...]
    """Of one arena and agent, which differ in the seed alone; of the baselines, any one of the arena."""
    baselines: bool = False
    """Play the baselines instead of training."""
    replace: bool = False
    """Train anew, over runs of other settings or of another version."""
    at_once: bool = False
    """Train the seeds at once, where the agent can."""

    @property
    def arena(self) -> str:
        """Return the environment, and the encoder that it is seen through."""
        return self.cells[0].arena

    @property
    def title(self) -> str:
        """Return its name for people."""
        if self.baselines:
            return f"{self.arena.replace('--', ' · ')} · baselines"
        more = len(self.cells) - 1
        return self.cells[0].title + (f" and {more} more" if more else "")

    @property
    def kernel_key(self) -> str:
        """Return what names the simulator."""
        return self.cells[0].kernel_key

    def failed(self, reason: str) -> "list[Outcome]":
        """Return the outcomes of a job that could not be done."""
        names = [self.title] if self.baselines else [cell.name for cell in self.cells]
        return [Outcome(name=name, status="failed", text=reason) for name in names]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a cell, or the baselines of an environment, ended."""

    name: str
    """The cell's, or the title of the job."""
    status: Status
    text: str
    """What it earned, or the reason."""
    seconds: float = 0.0
    """How long it took."""
