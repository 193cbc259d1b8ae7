"""What one process of a benchmark does: play the baselines of an environment, train the seeds of a cell, judge them."""

import contextlib
import csv
import dataclasses
import io
import math
import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from agents.protocol import Agent
from encoders.errors import Failure, UsageError
from envs.simulator import Simulator
from experiments import evaluation
from experiments.benchmark.plan import Cell
from experiments.benchmark.record import Record, read_record, save_record
from experiments.building import build_agent, build_kernel, build_simulator, trains_many_seeds
from experiments.config import agent_class, short_name
from experiments.evaluation import BASELINES, Evaluation
from experiments.report.numbers import decimals, interval, words
from experiments.run import Run
from experiments.sessions import Sessions, agent_policy
from experiments.settings import RunSettings
from experiments.starting import resume, start, start_seeds
from experiments.tracking.metrics import STEP

Status = Literal["done", "diverged", "n/a", "failed"]
Tell = Callable[[str], None]
NOISE = re.compile(r"training |training: .* 0 s left$")
"""Lines that a training says to whoever waits for it alone."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Work for one process: the baselines of an environment, or seeds of one agent in it."""

    cells: tuple[Cell, ...]
    """Of one environment and agent, which differ in the seed alone; of the baselines, any one of the environment."""
    baselines: bool = False
    """Play the baselines instead of training."""
    replace: bool = False
    """Train anew, over runs of other settings or of another version."""
    at_once: bool = False
    """Train the seeds at once, where the agent can."""

    @property
    def env(self) -> str:
        """Return the environment."""
        return self.cells[0].run.train.env

    @property
    def title(self) -> str:
        """Return its name for people."""
        if self.baselines:
            return f"{short_name(self.env)} · baselines"
        more = len(self.cells) - 1
        return self.cells[0].title + (f" and {more} more" if more else "")

    @property
    def kernel_key(self) -> str:
        """Return what names the simulator."""
        return self.cells[0].panel_key

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


class Bench:
    """Does jobs, one after the other, and keeps the simulator of the environment it is at.

    Args:
        tell: takes lines for whoever watches.
    """

    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self._kernel: tuple[str, Simulator] | None = None

    def do(self, job: Job) -> list[Outcome]:
        """Do a job; whatever goes wrong with it is an outcome."""
        ended: list[Outcome] = []
        started = time.monotonic()
        try:
            with contextlib.redirect_stderr(_Lines(job.title, self.tell)):
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
        cell, kernel = job.cells[0], self._simulator(job)
        self.tell(f"{job.title} on {cell.panel.users:,} test users …")
        played = evaluation.play_panel(kernel, evaluation.baselines(kernel, cell.panel), cell.panel)
        about = {name: value for name, value in cell.about().items() if name in ("env", "panel", "users", "version")}
        save_record(cell.baselines, Record(about=about, sessions=played))
        means = [
            f"{words(policy)} {_number(float(earned.totals['reward'].mean()))}" for policy, earned in played.items()
        ]
        yield Outcome(name=job.title, status="done", text=" · ".join(means))

    def _seeds(self, job: Job) -> Iterator[Outcome]:
        kernel = self._simulator(job)
        known = read_record(job.cells[0].baselines).sessions
        reason = refusal(job.cells[0].run, kernel)
        if reason is not None:
            yield from (Outcome(name=cell.name, status="n/a", text=reason) for cell in job.cells)
            return
        for cell, run in train_seeds(job, kernel):
            yield judge(cell, run, known)

    def _simulator(self, job: Job) -> Simulator:
        """Return the environment's simulator, built once for all jobs that play in it one after the other."""
        if self._kernel is None or self._kernel[0] != job.kernel_key:
            self._kernel = None
            self._kernel = job.kernel_key, build_kernel(job.cells[0].run)
        return self._kernel[1]


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
        start_seeds([cell.run for cell in fresh], [cell.folder for cell in fresh], job.replace, kernel)
        started = fresh
    for cell in cells:
        if cell in fresh and cell not in started:
            training = start(cell.run, cell.folder, job.replace, kernel)
        else:
            training = resume(cell.run, cell.folder, kernel)
        yield cell, Run(folder=cell.folder, training=training)


def refusal(run: RunSettings, kernel: Simulator) -> str | None:
    """Return why an agent cannot play in an environment, or None if it can."""
    try:
        build_agent([run], build_simulator(run, kernel))
    except UsageError as error:
        return str(error)
    return None


def judge(cell: Cell, run: Run, known: Mapping[str, Sessions]) -> Outcome:
    """Let a trained agent meet the panel, and write down what it earned.

    Args:
        cell: whose run it is.
        run: it, trained.
        known: what the baselines earned on that panel.
    """
    own = play_agents(run, cell, known)
    result = evaluation.compare(cell.run.train.agent, own | {n: s for n, s in known.items() if n not in own})
    trouble = divergence(run)
    about = cell.about() | {
        "status": "done" if trouble is None else "diverged",
        "reason": trouble or "",
        "user_steps": run.training.user_steps,
        "train_seconds": run.training.train_seconds,
        "steps_per_second": run.training.steps_per_second,
    }
    save_record(cell.record, Record(about=about, sessions=own))
    # A finished run, judged anew on another panel, keeps its own summary.
    if not cell.folder.summary.is_file():
        run.write_summary(result)
    text = _earned(result) + ("" if trouble is None else f" · diverged: {trouble}")
    return Outcome(name=cell.name, status="done" if trouble is None else "diverged", text=text)


def play_agents(run: Run, cell: Cell, known: Mapping[str, Sessions]) -> dict[str, Sessions]:
    """Return what an agent, and its twin, earn; what a fixed baseline earns is known already."""
    acts = {
        name: agent_policy(agent) for name, agent in run.agents().items() if name not in BASELINES or name not in known
    }
    played = evaluation.play_panel(run.training.simulator, acts, cell.panel)
    return {name: played[name] if name in played else known[name] for name in run.agents()}


def divergence(run: Run) -> str | None:
    """Return what is not finite in an agent, in its log or in what it holds; None if all is well."""
    names = [metric.name for metric in run.agent.METRICS]
    if run.folder.metrics.is_file():
        with run.folder.metrics.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for name in names:
                    if row.get(name) and not math.isfinite(float(row[name])):
                        return f"{name} is {float(row[name])} after {int(row[STEP]):,} user-steps"
    return _holds_nan(run.agent)


def _holds_nan(agent: Agent) -> str | None:
    for name, value in agent.state_dict().items():
        # Infinity may be meant, such as "not seen yet"; what is not a number never is.
        if value.is_floating_point() and bool(torch.isnan(value).any()):
            return f"{name} holds what is not a number"
    return None


def _earned(result: Evaluation) -> str:
    estimate, score = result.policies[result.agent]["return"], result.score(result.agent)
    told = f"return {interval(estimate, _number)}"
    return told if score is None else f"{told} · score {score:.2f}"


def _number(value: float) -> str:
    return f"{value:z.{decimals(value)}f}"


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, UsageError | Failure) else f"{type(error).__name__}: {text}"


class _Lines(io.TextIOBase):
    """Takes what a training prints, and tells the lines that matter to whoever watches, under the job's title."""

    def __init__(self, title: str, tell: Tell) -> None:
        self.title, self.begun, self._tell_line = title, "", tell

    def write(self, text: str) -> int:
        """Tell whole lines."""
        *lines, self.begun = (self.begun + text).split("\n")
        for line in lines:
            if line and not NOISE.match(line):
                self._tell_line(f"{self.title}: {line}")
        return len(text)
