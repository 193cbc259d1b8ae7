"""Agents x environments x seeds: run what is not there yet, keep it in one folder, make the scoreboard of it."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from encoders.errors import Failure, UsageError
from experiments.benchmark.cells import Cell, first_difference
from experiments.benchmark.jobs import Job, Outcome, Tell
from experiments.benchmark.kernels import Kernels, known_by_content
from experiments.benchmark.notes import Notes
from experiments.benchmark.page import write_scoreboard
from experiments.benchmark.plan import plan
from experiments.benchmark.record import read_record
from experiments.benchmark.scoreboard import Scoreboard
from experiments.benchmark.settings import BenchmarkSettings
from experiments.benchmark.workers import one_by_one, side_by_side
from experiments.checkpoint import installed_version, read_header
from experiments.config import read_tables
from experiments.locking import locked
from experiments.report.writing import check_out

STEPS_OF_A_SESSION = 20
"""What meeting one test user costs, in user-steps of training; a guess, for the time left alone."""
RATES = {"sb3_": 1_000, "": 10_000}
"""User-steps a second of one process, by how an agent's name begins: docs/results.md, "Throughput"."""


def benchmark(settings: BenchmarkSettings, command: str, tell: Tell) -> tuple[Scoreboard, list[str]]:
    """Run what is not there yet, and write the scoreboard.

    Args:
        settings: what to run.
        command: the command line, for the scoreboard.
        tell: takes lines for whoever watches.

    Returns:
        The scoreboard, and what failed, in sentences.

    Raises:
        UsageError: a name, a setting or a folder that cannot be.
        KeyboardInterrupt: after the checkpoints and the scoreboard of what is finished are written.
    """
    check_out(settings.out)
    kernels = Kernels()
    cells = known_by_content(plan(settings), kernels, tell)
    todo = [(cell, replace) for cell in cells if (replace := is_due(cell, settings.overwrite)) is not None]
    jobs = make_jobs(cells, todo, settings.seeds_at_once)
    settings.out.mkdir(parents=True, exist_ok=True)
    busy = f"another slatelab benchmark is at work in {settings.out}; wait for it, or name another --out"
    with locked(settings.out, busy):
        notes = Notes.read(settings.out)
        notes.add_command(command)
        workers = min(settings.workers, len(jobs))
        watch = Watch(jobs, notes, tell, workers)
        tell(f"{len(cells)} runs, of which {len(cells) - len(todo)} are finished, in {settings.out}{watch.forecast()}")
        try:
            if workers > 1:
                del kernels  # (each process builds its own)
                side_by_side(jobs, workers, tell, watch.ended)
            else:
                one_by_one(jobs, kernels, tell, watch.ended)
        except KeyboardInterrupt as stop:
            with contextlib.suppress(UsageError):
                write_scoreboard(settings.out)
            raise KeyboardInterrupt("repeat the command to go on") from stop
        return write_scoreboard(settings.out), watch.failures


def is_due(cell: Cell, overwrite: bool) -> bool | None:
    """Return None if a cell is finished, else whether what is there has to be replaced.

    Raises:
        UsageError: it was made with other settings, other data or by another version, or the folder is no run.
    """
    folder = cell.folder
    if not folder.config.is_file():
        folder.check_free(overwrite=False)
        return False
    differs = first_difference(read_tables(folder.config), cell.run.tables(), places=cell.places)
    version, content = _made_of(cell)
    if differs is None and version not in (None, installed_version()):
        differs = f"slatelab {version}, not {installed_version()}"
    if differs is None and content and cell.content not in ("", content):
        differs = f"other data, texts or another encoder than are there now (fingerprint {content}, not {cell.content})"
    if differs is not None and not overwrite:
        raise UsageError(
            f"the run {folder.path} was made with {differs}; replace such runs with --overwrite, or name another --out"
        )
    if differs is None and folder.summary.is_file() and _about(cell.record) == cell.about():
        return None
    return differs is not None


def _about(path: Path) -> dict[str, object]:
    """Return what a record says that a cell says too; nothing if there is none that can be read."""
    try:
        about = read_record(path).about
    except Failure:
        return {}
    names = ("env", "agent", "seed", "settings", "panel", "content", "users", "version", "encoder")
    return {name: about[name] for name in names if name in about}


def _made_of(cell: Cell) -> tuple[str | None, str]:
    """Return the version that made a run and the content of its environment; None and "" if nothing yet tells."""
    try:
        header = read_header(cell.folder.checkpoint)
    except Failure:
        about = _about(cell.record)
        version, content = about.get("version"), about.get("content")
        return None if version is None else str(version), str(content or "")
    return header.version, header.fingerprint


def make_jobs(cells: Sequence[Cell], todo: Sequence[tuple[Cell, bool]], at_once: bool) -> list[Job]:
    """Return the jobs, arena by arena, the baselines that are missing first.

    Args:
        cells: of the whole benchmark.
        todo: the cells that are due, and whether what is there has to be replaced.
        at_once: put the seeds of an agent into one job.
    """
    jobs: list[Job] = []
    for arena in dict.fromkeys(cell.arena for cell in cells):
        first = next(cell for cell in cells if cell.arena == arena)
        if _about(first.baselines).get("panel") != first.panel_key:
            jobs.append(Job(cells=(first,), baselines=True))
        grouped: dict[tuple[object, ...], list[Cell]] = {}
        for cell, replace in todo:
            train = cell.run.train
            if cell.arena == arena:
                grouped.setdefault((train.agent, replace, None if at_once else train.seed), []).append(cell)
        jobs += [Job(cells=tuple(group), replace=bool(key[1]), at_once=at_once) for key, group in grouped.items()]
    return jobs


class Watch:
    """Takes how jobs end: says it, with the time left, and notes what leaves no record.

    Args:
        jobs: all of them.
        notes: for cells without a record.
        tell: takes lines for whoever watches.
        workers: processes that share the jobs.
    """

    def __init__(self, jobs: Sequence[Job], notes: Notes, tell: Tell, workers: int) -> None:
        self.notes, self.tell, self.workers = notes, tell, max(workers, 1)
        self.total = sum(len(job.cells) for job in jobs if not job.baselines)
        self.left = sum(map(_expected, jobs))
        self.expected, self.seconds = 0.0, 0.0
        self.count = 0
        self.failures: list[str] = []

    def forecast(self) -> str:
        """Return how long all jobs take, in words; nothing where there are none."""
        if not self.total:
            return ""
        workers = f"{self.workers} worker" + ("s" if self.workers > 1 else "")
        return (
            f": about {duration(self.left / self.workers)} with {workers}, at {RATES['']:,} user-steps a second of our "
            f"agents and {RATES['sb3_']:,} of stable-baselines3's; the first run that learns will tell better"
        )

    def ended(self, job: Job, outcomes: Sequence[Outcome]) -> None:
        """Take the outcomes of a job."""
        self.left -= _expected(job)
        if not job.baselines and job.cells[0].run.train.num_steps:
            # Only runs that learn tell how long the others take.
            self.expected += _expected(job)
            self.seconds += sum(outcome.seconds for outcome in outcomes)
        if job.baselines:
            self._say(job.title, outcomes[0])
            return
        for cell, outcome in zip(job.cells, outcomes, strict=True):
            self.count += 1
            if outcome.status in ("failed", "n/a"):
                self.notes.put(cell, outcome.status, outcome.text)
            else:
                self.notes.drop(cell)
            if outcome.status == "failed":
                self.failures.append(f"{cell.title}: {outcome.text}")
            self._say(f"[{self.count:>{len(str(self.total))}} of {self.total}] {cell.title}", outcome)

    def _say(self, title: str, outcome: Outcome) -> None:
        text = outcome.text if outcome.status in ("done", "diverged") else f"{outcome.status}: {outcome.text}"
        left = self.left / self.workers * (self.seconds / self.expected if self.expected else 1.0)
        after = f" · about {duration(left)} left" if left >= 1 else ""
        self.tell(f"{title}: {text} · {duration(outcome.seconds)}{after}")


def _expected(job: Job) -> float:
    """Return how many seconds a job may take in one process; a guess."""
    train = job.cells[0].run.train
    judging = train.eval_users * STEPS_OF_A_SESSION / RATES[""]
    if job.baselines:
        return 6.0 * judging
    rate = next(rate for name, rate in RATES.items() if train.agent.startswith(name))
    return sum(cell.run.train.num_steps * cell.run.train.num_users / rate + judging for cell in job.cells)


def duration(seconds: float) -> str:
    """Return seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
