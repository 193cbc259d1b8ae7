"""Everything that a run writes down while it trains: metrics.csv, TensorBoard, checkpoints."""

import time
from collections.abc import Mapping
from typing import Protocol

from agents.protocol import Agent
from envs.interface import Tensors
from envs.simulator import Simulator
from experiments.checkpoint import Header, installed_version, save_checkpoint
from experiments.folder import RunFolder
from experiments.sessions import agent_policy
from experiments.settings import RunSettings
from experiments.tracking.metrics import ROLLOUT, TIMINGS, tag
from experiments.tracking.metrics_file import MetricsFile
from experiments.tracking.slates import sample_slates
from experiments.tracking.tensorboard import Board

SLATE_SAMPLES = 4
"""Slates are written down at the start and at the end of so many equal parts of the training."""


class Training(Protocol):
    """One seed's training, as far as it is written down."""

    run: RunSettings
    simulator: Simulator

    @property
    def agent(self) -> Agent:
        """Return the agent as it is now."""

    @property
    def step_count(self) -> int:
        """Return how many steps all users have taken together."""

    @property
    def user_steps(self) -> int:
        """Return slates shown so far, over all users."""

    def state_dict(self) -> Tensors:
        """Return everything the future depends on."""


class Logbook:
    """Writes into the folder of a run.

    Args:
        folder: of the run; it exists.
        trainer: fresh, or as its checkpoint has it.
        spent: (seconds of learning, seconds in all) before this start of the run; None if it is new.
        started: `time.monotonic` at this start of the run.
    """

    def __init__(self, folder: RunFolder, trainer: Training, spent: tuple[float, float] | None, started: float) -> None:
        self.folder, self.trainer = folder, trainer
        self.train_seconds, self.wall_before = spent or (0.0, 0.0)
        self.started = started
        simulator = trainer.simulator
        declared = [metric._replace(name=tag(metric.name)) for metric in simulator.METRICS]
        metrics = [*ROLLOUT, *declared, *trainer.agent.METRICS, *TIMINGS]
        resume_at = None if spent is None else trainer.user_steps
        self.metrics = MetricsFile(folder.metrics, [metric.name for metric in metrics], resume_at)
        self.board = Board(folder.tensorboard, resume_at)
        if spent is None:
            self.board.layout(metrics)
            self.board.text("config", _indented(folder.config.read_text(encoding="utf-8")))
            self.board.items(simulator)
            self.slates()

    @property
    def wall_seconds(self) -> float:
        """Return the seconds since the run was first started, without those in which it lay dead."""
        return self.wall_before + time.monotonic() - self.started

    def row(self, measured: Mapping[str, float]) -> dict[str, float]:
        """Write down the metrics since the last row, and return them with the timings."""
        user_steps = self.trainer.user_steps
        row = dict(measured)
        row["time/time_elapsed"] = self.train_seconds
        row["time/fps"] = user_steps / max(self.train_seconds, 1e-9)
        self.metrics.write(user_steps, row)
        self.board.scalars(user_steps, row)
        return row

    def slates(self) -> None:
        """Write down what the agent would show to a few users now."""
        shown = sample_slates(self.trainer.simulator, agent_policy(self.trainer.agent))
        self.board.text("slates", shown, self.trainer.user_steps)

    def slates_due(self) -> bool:
        """Return whether a part of the training has just ended."""
        done, total = self.trainer.step_count, self.trainer.run.train.num_steps
        return done * SLATE_SAMPLES // total > (done - 1) * SLATE_SAMPLES // total

    def checkpoint(self) -> None:
        """Replace the checkpoint, after all that was written before it is on disk."""
        self.board.flush()
        header = Header(
            settings=self.trainer.run.tables(),
            step_count=self.trainer.step_count,
            train_seconds=self.train_seconds,
            wall_seconds=self.wall_seconds,
            version=installed_version(),
        )
        save_checkpoint(self.folder.checkpoint, self.trainer.state_dict(), header)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
