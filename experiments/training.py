"""Train an agent from the first step, or from a checkpoint, to the last."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from encoders.errors import UsageError
from envs.simulator import Simulator
from experiments.checkpoint import check_same, load_checkpoint
from experiments.folder import RunFolder
from experiments.progress import TrainingProgress, say
from experiments.settings import RunSettings
from experiments.stopping import stop_signal
from experiments.tracking.logbook import Logbook
from experiments.trainer import OneSeed, Trainer, build_simulator


@dataclass(frozen=True, kw_only=True)
class Trained:
    """An agent at the end of its training."""

    trainer: Trainer
    logbook: Logbook


def start(run: RunSettings, folder: RunFolder, overwrite: bool = False, kernel: Simulator | None = None) -> Trained:
    """Train a new agent in a folder that does not exist yet, or may be overwritten.

    Everything that can be wrong with the settings is found before the folder is touched.

    Args:
        run: the settings.
        folder: of the run.
        overwrite: replace a folder that exists.
        kernel: the environment's simulator, if it is built already.
    """
    started = time.monotonic()
    folder.check_free(overwrite)
    trainer = _build(run, kernel)
    folder.create(run)
    return _train_one(trainer, folder, None, started)


def start_seeds(
    runs: Sequence[RunSettings], folders: Sequence[RunFolder], simulator: Simulator, overwrite: bool = False
) -> None:
    """Train several seeds at once, each in a folder of its own, as if alone; `resume` goes on with any of them.

    Seconds of learning are shared equally among the seeds.

    Args:
        runs: settings that differ in the seed alone, of an agent that can train many seeds at once.
        folders: one for each run; they do not exist yet, or may be overwritten.
        simulator: of all.
        overwrite: replace folders that exist.
    """
    started = time.monotonic()
    for folder in folders:
        folder.check_free(overwrite)
    trainer = Trainer(runs[0], simulator, seeds=[run.train.seed for run in runs])
    for run, folder in zip(runs, folders, strict=True):
        folder.create(run)
    logbooks = [
        Logbook(folder, OneSeed(trainer, index, run), None, started)
        for index, (run, folder) in enumerate(zip(runs, folders, strict=True))
    ]
    _train(trainer, logbooks)
    for logbook in logbooks:
        logbook.board.close()


def resume(run: RunSettings, folder: RunFolder, kernel: Simulator | None = None) -> Trained:
    """Go on with a run where its last checkpoint left it; without one, from the start.

    Args:
        run: the settings.
        folder: of the run.
        kernel: the environment's simulator, if it is built already.

    Raises:
        UsageError: the checkpoint was made with other settings.
        Failure: it is broken.
    """
    started = time.monotonic()
    folder.check_is_run()
    for part in folder.parts():
        part.unlink(missing_ok=True)
    if not folder.checkpoint.is_file():
        folder.check_free(overwrite=True)
        say(f"{folder.path} has no checkpoint yet: beginning anew")
        trainer = _build(run, kernel)
        folder.create(run)
        return _train_one(trainer, folder, None, started)
    trainer, spent = restore(run, folder, kernel)
    say(f"going on after {trainer.user_steps:,} user-steps")
    return _train_one(trainer, folder, spent, started)


def restore(
    run: RunSettings, folder: RunFolder, kernel: Simulator | None = None
) -> tuple[Trainer, tuple[float, float]]:
    """Build a run as its last checkpoint has it; also return its seconds of learning and in all."""
    tensors, header = load_checkpoint(folder.checkpoint)
    check_same(header, run, folder.path)
    trainer = _build(run, kernel)
    try:
        trainer.load_state_dict(tensors, header.step_count)
    except (KeyError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"the checkpoint in {folder.path} does not fit this agent and environment ({error}); "
            "was the code changed since?"
        ) from error
    return trainer, (header.train_seconds, header.wall_seconds)


def _build(run: RunSettings, kernel: Simulator | None) -> Trainer:
    if kernel is None:
        say(f"loading the catalogue of {run.train.env} …")
    return Trainer(run, build_simulator(run, kernel))


def _train_one(trainer: Trainer, folder: RunFolder, spent: tuple[float, float] | None, started: float) -> Trained:
    logbook = Logbook(folder, trainer, spent, started)
    _train(trainer, [logbook])
    return Trained(trainer=trainer, logbook=logbook)


def _train(trainer: Trainer, logbooks: Sequence[Logbook]) -> None:
    """Train to the last step and write down each seed in its own logbook."""
    train, seeds = trainer.run.train, len(logbooks)
    total, saved_at = train.num_steps, time.monotonic()
    if trainer.step_count < total:
        companion = " and its myopic companion" if trainer.companion is not None else ""
        many = f", {seeds} seeds at once" if seeds > 1 else ""
        say(f"training {train.agent}{companion} on {trainer.simulator.device}{many} …")
    with (
        TrainingProgress(seeds * total * train.num_users, seeds * trainer.user_steps) as progress,
        stop_signal("stopping after this step; a checkpoint is written (Ctrl-C again stops at once)") as stopped,
    ):
        while trainer.step_count < total:
            _step(trainer, logbooks, progress)
            due = time.monotonic() - saved_at >= train.checkpoint_seconds
            if due or stopped.is_set() or trainer.step_count == total:
                for logbook in logbooks:
                    logbook.checkpoint()
                saved_at = time.monotonic()
            if stopped.is_set() and trainer.step_count < total:
                for logbook in logbooks:
                    logbook.board.close()
                folders = " ".join(str(logbook.folder.path) for logbook in logbooks)
                raise KeyboardInterrupt(f"go on with slatelab train --resume {folders}")


def _step(trainer: Trainer, logbooks: Sequence[Logbook], progress: TrainingProgress) -> None:
    """Take one step of all users, and write down what is due after it."""
    train, seeds = trainer.run.train, len(logbooks)
    began = time.perf_counter()
    trainer.step()
    due = trainer.step_count % train.log_steps == 0 or trainer.step_count == train.num_steps
    if due and trainer.simulator.device.type == "cuda":
        torch.cuda.synchronize()
    spent = (time.perf_counter() - began) / seeds
    rows = trainer.monitor.rows() if due else [None] * seeds
    for logbook, measured in zip(logbooks, rows, strict=True):
        logbook.train_seconds += spent
        if measured is not None:
            progress.note(logbook.row(measured))
        if logbook.slates_due():
            logbook.slates()
    progress.move(seeds * trainer.user_steps)
