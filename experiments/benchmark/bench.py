"""What one process of a benchmark does: play the baselines of an environment, train the seeds of a cell, judge them."""

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Iterator

from encoders.errors import Failure, UsageError
from envs.simulator import Simulator
from experiments import evaluation
from experiments.benchmark.cells import Cell
from experiments.benchmark.jobs import Job, Outcome, Tell
from experiments.benchmark.judging import judge
from experiments.benchmark.kernels import Kernels
from experiments.benchmark.lines import Lines
from experiments.benchmark.record import Record, read_record, save_record
from experiments.building import build_agent, build_simulator, trains_many_seeds
from experiments.config import agent_class
from experiments.memory import enough_memory
from experiments.report.numbers import rounded, words
from experiments.run import Run
from experiments.settings import RunSettings
from experiments.starting import resume, start, start_seeds

BASELINES_SAY = ("env", "encoder", "panel", "users", "version")
"""What the record of baselines says of any cell that it stands beside."""


class Bench:
    """Does jobs, one after the other, and keeps the simulator of the environment it is at.

    Args:
        tell: takes lines for whoever watches.
        kernels: builds the simulators.
    """

    def __init__(self, tell: Tell, kernels: Kernels) -> None:
        self.tell, self.kernels = tell, kernels

    def do(self, job: Job) -> list[Outcome]:
        """Do a job; whatever goes wrong with it is an outcome."""
        ended: list[Outcome] = []
        started = time.monotonic()
        try:
            with contextlib.redirect_stderr(Lines(job.title, self.tell)):
                for outcome in self._baselines(job) if job.baselines else self._seeds(job):
                    now = time.monotonic()
                    ended.append(dataclasses.replace(outcome, seconds=now - started))
                    started = now
        except Exception as error:  # (an agent is anybody's code; the other cells go on)
            if not isinstance(error, UsageError | Failure):
                self.tell("".join(traceback.format_exception(error)).rstrip())
            ended += job.failed(_reason(error))[len(ended) :]
        return ended

    def _baselines(self, job: Job) -> Iterator[Outcome]:
        cell, kernel = job.cells[0], self.kernels.of_content(job.cells[0])
        self.tell(f"{job.title} on {cell.panel.users:,} test users …")
        played = evaluation.play_panel(kernel, evaluation.baselines(kernel, cell.panel), cell.panel)
        about = {name: value for name, value in cell.about().items() if name in BASELINES_SAY}
        save_record(cell.baselines, Record(about=about, sessions=played))
        returns = {words(policy): float(earned.totals["reward"].mean()) for policy, earned in played.items()}
        means = [f"{policy} {rounded(mean)(mean)}" for policy, mean in returns.items()]
        yield Outcome(name=job.title, status="done", text=" · ".join(means))

    def _seeds(self, job: Job) -> Iterator[Outcome]:
        kernel = self.kernels.of_content(job.cells[0])
        known = read_record(job.cells[0].baselines).sessions
        reason = refusal(job.cells[0].run, kernel)
        if reason is not None:
            yield from (Outcome(name=cell.name, status="n/a", text=reason) for cell in job.cells)
            return
        for cell, run in train_seeds(job, kernel):
            yield judge(cell, run, known)


def train_seeds(job: Job, kernel: Simulator) -> Iterator[tuple[Cell, Run]]:
    """Train the seeds of one agent, each in its own run folder; those that have begun go on from their checkpoints.

    Args:
        job: its cells differ in the seed alone.
        kernel: the simulator of the environment.
    """
    cells, agent = job.cells, job.cells[0].run.train.agent
    fresh = [cell for cell in cells if job.replace or not cell.folder.config.is_file()]
    started = []
    if job.at_once and len(fresh) > 1 and trains_many_seeds(agent_class(agent)):
        with start_seeds([cell.run for cell in fresh], [cell.folder for cell in fresh], job.replace, kernel):
            started = fresh
    for cell in cells:
        anew = cell in fresh and cell not in started
        begun = start(cell.run, cell.folder, job.replace, kernel) if anew else resume(cell.run, cell.folder, kernel)
        with begun as training:
            yield cell, Run.of(cell.folder, training)


def refusal(run: RunSettings, kernel: Simulator) -> str | None:
    """Return why an agent cannot play in an environment, or None if it can."""
    try:
        with enough_memory(run):
            build_agent([run], build_simulator(run, kernel))
    except UsageError as error:
        return str(error)
    return None


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, UsageError | Failure) else f"{type(error).__name__}: {text}"
