"""Train an agent from the first step, or from a checkpoint, to the last."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

import torch

from encoders.errors import UsageError
from experiments.checkpoint import check_same, load_checkpoint
from experiments.folder import RunFolder
from experiments.logbook import Logbook
from experiments.progress import TrainingProgress, say
from experiments.settings import RunSettings
from experiments.trainer import Trainer, build_simulator


@dataclass(frozen=True, kw_only=True)
class Trained:
    """An agent at the end of its training."""

    trainer: Trainer
    logbook: Logbook


def start(run: RunSettings, folder: RunFolder, overwrite: bool = False) -> Trained:
    """Train a new agent in a folder that does not exist yet, or may be overwritten.

    Everything that can be wrong with the settings is found before the folder is touched.
    """
    started = time.monotonic()
    folder.check_free(overwrite)
    trainer = _build(run)
    folder.create(run)
    return _train(Logbook(folder, trainer, None, started))


def resume(run: RunSettings, folder: RunFolder) -> Trained:
    """Go on with a run where its last checkpoint left it; without one, from the start.

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
        trainer = _build(run)
        folder.create(run)
        return _train(Logbook(folder, trainer, None, started))
    trainer, spent = restore(run, folder)
    say(f"going on after {trainer.user_steps:,} user-steps")
    return _train(Logbook(folder, trainer, spent, started))


def restore(run: RunSettings, folder: RunFolder) -> tuple[Trainer, tuple[float, float]]:
    """Build a run as its last checkpoint has it; also return its seconds of learning and in all."""
    tensors, header = load_checkpoint(folder.checkpoint)
    check_same(header, run, folder.path)
    trainer = _build(run)
    try:
        trainer.load_state_dict(tensors, header.step_count)
    except (KeyError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"the checkpoint in {folder.path} does not fit this agent and environment ({error}); "
            "was the code changed since?"
        ) from error
    return trainer, (header.train_seconds, header.wall_seconds)


def _build(run: RunSettings) -> Trainer:
    say(f"loading the catalogue of {run.train.env} …")
    return Trainer(run, build_simulator(run))


def _train(logbook: Logbook) -> Trained:
    trainer, train = logbook.trainer, logbook.trainer.run.train
    total, saved_at = train.num_steps, time.monotonic()
    if trainer.step_count < total:
        companion = " and its myopic companion" if trainer.companion is not None else ""
        say(f"training {train.agent}{companion} on {trainer.simulator.device} …")
    with TrainingProgress(total * train.num_users, trainer.user_steps) as progress, _stop_signal() as stopped:
        while trainer.step_count < total:
            _steps(logbook, progress)
            due = time.monotonic() - saved_at >= train.checkpoint_seconds
            if due or stopped.is_set() or trainer.step_count == total:
                logbook.checkpoint()
                saved_at = time.monotonic()
            if stopped.is_set() and trainer.step_count < total:
                logbook.board.close()
                raise KeyboardInterrupt(f"go on with slatelab train --resume {logbook.folder.path}")
    return Trained(trainer=trainer, logbook=logbook)


def _steps(logbook: Logbook, progress: TrainingProgress) -> None:
    """Take one step of all users, and write down what is due after it."""
    trainer, train = logbook.trainer, logbook.trainer.run.train
    began = time.perf_counter()
    trainer.step()
    due = trainer.step_count % train.log_steps == 0 or trainer.step_count == train.num_steps
    if due and trainer.simulator.device.type == "cuda":
        torch.cuda.synchronize()
    logbook.train_seconds += time.perf_counter() - began
    if due:
        progress.note(logbook.row())
    if logbook.slates_due():
        logbook.slates()
    progress.move(trainer.user_steps)


@contextlib.contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event, so that the step in hand is finished; the second interrupts."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        say("stopping after this step; a checkpoint is written (Ctrl-C again stops at once)")
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
