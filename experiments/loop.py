"""The loop of a training: act, step, learn, add up, write down, checkpoint."""

import dataclasses
import time
from collections.abc import Sequence

import torch

from agents.protocol import choose
from experiments.progress import TrainingProgress, say
from experiments.stopping import stop_signal
from experiments.tracking.logbook import Logbook
from experiments.training import Training
from experiments.trust import resuming


def learn(training: Training, logbooks: Sequence[Logbook]) -> None:
    """Train to the last step; every seed is written down in a logbook of its own.

    Raises:
        KeyboardInterrupt: after the first Ctrl-C, when the checkpoints are written; it says how to go on.
    """
    settings, seeds, saved = training.settings, len(logbooks), time.monotonic()
    _announce(training)
    with (
        TrainingProgress(seeds * settings.num_steps * settings.num_users, seeds * training.user_steps) as progress,
        stop_signal("stopping after this step; a checkpoint is written (Ctrl-C again stops at once)") as stopped,
    ):
        while not training.finished:
            step(training)
            if training.row_due:
                for logbook, means in zip(logbooks, training.monitor.rows(), strict=True):
                    progress.note(logbook.row(means))
            for logbook in logbooks:
                logbook.slates_if_due()
            progress.move(seeds * training.user_steps)
            if stopped.is_set() or time.monotonic() - saved >= settings.checkpoint_seconds:
                saved = _checkpoint(logbooks)
            if stopped.is_set() and not training.finished:
                cures = (resuming(logbook.folder.path, logbook.seed.run.tables()) for logbook in logbooks)
                raise KeyboardInterrupt(f"go on with {' and '.join(cures)}")
        _checkpoint(logbooks)


def step(training: Training) -> None:
    """Show every user a slate and learn from what they answer."""
    began = time.perf_counter()
    slate_BK, notes = choose(training.agent, training.observation)
    transition, measured = training.show(slate_BK, notes)
    learnt = training.agent.update(transition)
    if training.twin is not None:
        training.twin.update(dataclasses.replace(transition, notes={}))
    training.monitor.add(transition, measured, learnt)
    training.step_count += 1
    if training.row_due and training.simulator.device.type == "cuda":
        torch.cuda.synchronize()
    training.train_seconds += (time.perf_counter() - began) / len(training.runs)


def _checkpoint(logbooks: Sequence[Logbook]) -> float:
    for logbook in logbooks:
        logbook.checkpoint()
    return time.monotonic()


def _announce(training: Training) -> None:
    if training.finished:
        return
    twin = " and its myopic twin" if training.twin is not None else ""
    seeds = f", {len(training.runs)} seeds at once" if len(training.runs) > 1 else ""
    say(f"training {training.settings.agent}{twin} on {training.simulator.device}{seeds} …")
