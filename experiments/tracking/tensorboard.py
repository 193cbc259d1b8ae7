"""TensorBoard: scalars, layout, slates as text, item vectors in the projector, settings."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from envs.interface import Metric
from envs.simulator import Simulator
from experiments.evaluation import Evaluation
from experiments.tracking.metrics import layout

EVALUATION_SUFFIX = ".eval"
PROJECTED_ITEMS = 5_000
"""Rows at most in the projector, which runs in a browser."""


class Board:
    """Writes TensorBoard's files of one run while it trains.

    Args:
        folder: the run's ``tensorboard/``.
        resume_at: user-steps after which what a killed run wrote is to be forgotten; None begins anew.
    """

    def __init__(self, folder: Path, resume_at: int | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        purge_step = None
        if resume_at is not None:
            purge_step = resume_at + 1
            _wait_for_a_later_second(folder)
        self.writer: Any = SummaryWriter(str(folder), purge_step=purge_step)

    def scalars(self, user_steps: int, row: Mapping[str, float]) -> None:
        """Write a row of metrics under their own names."""
        for name, value in row.items():
            self.writer.add_scalar(name, value, user_steps)

    def layout(self, logged: Iterable[Metric], evaluated: Iterable[Metric]) -> None:
        """Lay the metrics of training and evaluation out in groups, with their units."""
        self.writer.add_custom_scalars(layout(logged, evaluated))

    def text(self, name: str, markdown: str, user_steps: int = 0) -> None:
        """Write a text."""
        self.writer.add_text(name, markdown, user_steps)

    def items(self, simulator: Simulator) -> None:
        """Put item vectors and titles into the projector; of a large catalogue, evenly spaced ones."""
        import numpy as np

        vectors_ND = simulator.item_vectors()
        items = len(vectors_ND)
        rows = np.unique(np.linspace(0, items - 1, min(items, PROJECTED_ITEMS)).round().astype(np.int64))
        titles = [str(title).replace("\t", " ").replace("\n", " ") for title in simulator.titles(rows)]
        self.writer.add_embedding(vectors_ND[rows], metadata=titles, tag="items")

    def flush(self) -> None:
        """Bring everything to disk."""
        self.writer.flush()

    def close(self) -> None:
        """Bring everything to disk and close the files."""
        self.writer.close()


def _wait_for_a_later_second(folder: Path) -> None:
    """Wait, a second at most, until a new file sorts behind those there are.

    Their names begin with the second in which they were made, then tell the process: of two in one second the later
    could be read first, and what it says is to be forgotten would be the wrong half.
    """
    seconds = [name.split(".")[3] for name in (path.name for path in folder.glob("events.out.tfevents.*"))]
    latest = max((int(second) for second in seconds if second.isdigit()), default=0)
    time.sleep(min(max(latest + 1 - time.time(), 0.0), 1.0))


def write_evaluation(folder: Path, user_steps: int, evaluation: Evaluation) -> None:
    """Write the mean of every metric of every policy as ``eval/POLICY/METRIC``, in place of a former evaluation.

    It has a file of its own, so that a run which is evaluated twice still shows one point.
    """
    from torch.utils.tensorboard import SummaryWriter

    for former in folder.glob(f"*{EVALUATION_SUFFIX}"):
        former.unlink()
    writer: Any = SummaryWriter(str(folder), filename_suffix=EVALUATION_SUFFIX)
    for policy, estimates in evaluation.policies.items():
        for name, estimate in estimates.items():
            writer.add_scalar(f"eval/{policy}/{name}", estimate.mean, user_steps)
    writer.close()
