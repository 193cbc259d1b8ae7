"""Everything that a run writes down while it trains: metrics.csv, TensorBoard, checkpoints."""

from collections.abc import Mapping

from envs.interface import Metric
from envs.simulator import fingerprint_of
from experiments import evaluation
from experiments.checkpoint import Header, installed_version, save_checkpoint
from experiments.divergence import in_row
from experiments.folder import RunFolder
from experiments.progress import say
from experiments.sessions import agent_policy
from experiments.sizes import plain_spec
from experiments.tracking import monitor
from experiments.tracking.metrics import tag
from experiments.tracking.metrics_file import MetricsFile
from experiments.tracking.slates import sample_slates
from experiments.tracking.tensorboard import Board
from experiments.training import OneSeed

METRICS = (
    Metric("time/fps", "user-steps / s", "higher", "user-steps over seconds of learning, since the start"),
    Metric("time/time_elapsed", "s", "neither", "seconds of learning since the start"),
)
"""The last columns of metrics.csv, the only ones in which two runs of one seed differ."""
SLATE_SAMPLES = 4
"""Slates are written down at the start and at the end of so many equal stretches of the training."""


class Logbook:
    """Writes into the folder of a run.

    Args:
        folder: of the run; it exists.
        seed: whose training is written down, fresh or as its checkpoint has it.
        resumed: go on with what the folder holds, up to the checkpoint.
    """

    def __init__(self, folder: RunFolder, seed: OneSeed, resumed: bool = False) -> None:
        self.folder, self.seed, self.training = folder, seed, seed.training
        self.troubled = False
        own = self.training.simulator.METRICS
        tagged = [metric._replace(name=tag(metric.name)) for metric in own]
        logged = [*monitor.METRICS, *tagged, *seed.agent.METRICS, *METRICS]
        resume_at = self.training.user_steps if resumed else None
        self.metrics = MetricsFile(folder.metrics, [metric.name for metric in logged], resume_at)
        self.board = Board(folder.tensorboard, resume_at)
        if not resumed:
            self.board.layout(logged, [*evaluation.METRICS, *own])
            self.board.text("config", _indented(folder.config.read_text(encoding="utf-8")))
            self.board.items(self.training.simulator)
            self.slates()

    def row(self, means: Mapping[str, float]) -> dict[str, float]:
        """Write down the metrics since the last row, and return them with the timings."""
        user_steps, seconds = self.training.user_steps, self.training.train_seconds
        row = {**means, "time/time_elapsed": seconds, "time/fps": user_steps / max(seconds, 1e-9)}
        trouble = in_row(row, user_steps)
        if trouble is not None and not self.troubled:
            say(f"learning has diverged: {trouble}; see to the rewards, or lower --agent.learning-rate")
        self.troubled = self.troubled or trouble is not None
        self.metrics.write(user_steps, row)
        self.board.scalars(user_steps, row)
        return row

    def slates(self) -> None:
        """Write down what the agent would show to a few users now."""
        shown = sample_slates(self.training.simulator, agent_policy(self.seed.agent))
        self.board.text("slates", shown, self.training.user_steps)

    def slates_if_due(self) -> None:
        """Write down what the agent would show, if a stretch of the training has just ended."""
        done, total = self.training.step_count, self.training.settings.num_steps
        if done * SLATE_SAMPLES // total > (done - 1) * SLATE_SAMPLES // total:
            self.slates()

    def checkpoint(self) -> None:
        """Replace the checkpoint, after all that was written before it is on disk."""
        self.metrics.sync()
        self.board.flush()
        header = Header(
            settings=self.seed.run.tables(),
            step_count=self.training.step_count,
            train_seconds=self.training.train_seconds,
            wall_seconds=self.training.wall_seconds,
            version=installed_version(),
            fingerprint=fingerprint_of(self.training.simulator),
            spec=plain_spec(self.training.simulator.spec),
        )
        save_checkpoint(self.folder.checkpoint, self.seed.state_dict(), header)

    def close(self) -> None:
        """Bring everything to disk."""
        self.board.close()


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
