"""TensorBoard of a pipeline: the curves of what learns for long, and every rung's metrics."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LADDER = "ladder"
"""Folder of the rungs' metrics, one below it for each rung."""


class Curves:
    """Writes the curves of one stage, in place of those of a killed one; nothing where it has none.

    Args:
        folder: of this stage.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: Any = None

    def add(self, name: str, step: int, values: Mapping[str, float]) -> None:
        """Write a point of a curve under ``NAME/VALUE``."""
        if self.writer is None:
            from torch.utils.tensorboard import SummaryWriter

            shutil.rmtree(self.folder, ignore_errors=True)
            self.writer = SummaryWriter(str(self.folder))
        for of, value in values.items():
            self.writer.add_scalar(f"{name}/{of}", value, step)

    def close(self) -> None:
        """Bring everything to disk."""
        if self.writer is not None:
            self.writer.close()


def write_rungs(folder: Path, means: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Write the mean of every metric of every rung as ``SCENARIO/METRIC``, a run for each rung, in place of others.

    Args:
        folder: the pipeline's ``tensorboard/``.
        means: rung, scenario and metric to mean.
    """
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(folder / LADDER, ignore_errors=True)
    for rung, scenarios in means.items():
        writer: Any = SummaryWriter(str(folder / LADDER / rung))
        for scenario, metrics in scenarios.items():
            for name, mean in metrics.items():
                writer.add_scalar(f"{scenario}/{name}", mean, 0)
        writer.close()
