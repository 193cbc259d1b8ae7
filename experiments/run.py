"""A trained run for users in Python: train, evaluate, save, load."""

import atexit
import dataclasses
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.protocol import Agent
from encoders.errors import Failure, UsageError
from experiments import config, evaluation
from experiments.evaluation import Evaluation, Panel
from experiments.folder import RunFolder
from experiments.progress import say
from experiments.settings import RunSettings, TrainSettings
from experiments.tracking.tensorboard import Board
from experiments.trainer import COMPANION, Trainer
from experiments.training import Trained, restore, start


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """A trained agent, its environment and the folder that keeps both.

    ``agent.act(observation, explore=False)`` ranks slates.
    """

    folder: RunFolder
    trainer: Trainer
    train_seconds: float
    wall_seconds: float

    @classmethod
    def of(cls, trained: Trained) -> "Run":
        """Return the run at the end of a training."""
        book = trained.logbook
        return cls(
            folder=book.folder,
            trainer=trained.trainer,
            train_seconds=book.train_seconds,
            wall_seconds=book.wall_seconds,
        )

    @property
    def settings(self) -> RunSettings:
        """Return everything that the run depends on."""
        return self.trainer.run

    @property
    def agent(self) -> Agent:
        """Return the trained agent."""
        return self.trainer.agent

    def agents(self) -> dict[str, Agent]:
        """Return the agent and, if there is one, its myopic companion, under their names in the summary."""
        companion = {} if self.trainer.companion is None else {COMPANION: self.trainer.companion}
        return {self.settings.train.agent: self.agent} | companion

    def evaluate(self, panel: Panel | None = None) -> Evaluation:
        """Compare the agent with every baseline on a panel, by default of test users. Writes nothing."""
        panel = panel or Panel(users=self.settings.train.eval_users)
        say(f"evaluating on {panel.users:,} {panel.split} users …")
        return evaluation.evaluate(
            self.trainer.simulator, self.agents(), panel, report=lambda policy: say(f"evaluating {policy} …")
        )

    def summary(self, result: Evaluation, wall_seconds: float) -> dict[str, Any]:
        """Return the content of summary.json."""
        train = self.settings.train
        return {
            "env": train.env,
            "agent": train.agent,
            "seed": train.seed,
            "user_steps": self.trainer.user_steps,
            "train_seconds": self.train_seconds,
            "wall_seconds": wall_seconds,
            "steps_per_second": self.trainer.user_steps / self.train_seconds if self.train_seconds else None,
            **result.tables(),
        }

    def write_summary(self, result: Evaluation, wall_seconds: float | None = None, board: Board | None = None) -> None:
        """Write an evaluation to summary.json and, given a board, to TensorBoard."""
        if board is not None:
            board.evaluation(self.trainer.user_steps, result)
            board.close()
        self.folder.write_summary(self.summary(result, self.wall_seconds if wall_seconds is None else wall_seconds))

    def save(self, path: str | Path) -> None:
        """Copy the run to a folder that does not exist yet.

        Raises:
            UsageError: the folder exists.
            Failure: a full disk.
        """
        target = Path(path)
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            raise UsageError(f"{target} exists; save the run to a folder that does not")
        # Copied beside it first, so that a full disk leaves no half of a run under that name.
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            shutil.copytree(self.folder.path, part)
            part.replace(target)
        except OSError as error:
            raise Failure(
                f"cannot save the run to {target}: {error}; free some space or choose another folder"
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)


def train(
    env: str | None = None,
    agent: str | None = None,
    *,
    steps: int | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, Mapping[str, Any]] | str | Path | None = None,
) -> Run:
    """Train an agent, as ``slatelab train`` does, without the final evaluation.

    Args:
        env: environment id.
        agent: agent name.
        steps: user-steps in all.
        seed: of the run.
        out: run folder; without one it is temporary, see `Run.save`.
        settings: the tables ``train``, ``env`` and ``agent``, or the path of a TOML file of them.

    Raises:
        UsageError: a name, a setting or a value that cannot be, or the folder exists.
        Failure: something that is needed is missing or broken.
    """
    layer = config.read_tables(Path(settings)) if isinstance(settings, str | Path) else settings or {}
    named = {"env": env, "agent": agent, "steps": steps, "seed": seed}
    arguments = {"train": {name: value for name, value in named.items() if value is not None}}
    resolved = resolve(layer, arguments)
    if out is None:
        temporary = tempfile.mkdtemp(prefix="slatelab-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    folder = RunFolder(Path(temporary if out is None else out))
    trained = start(resolved, folder)
    trained.logbook.board.close()
    return Run.of(trained)


def resolve(*layers: config.Tables) -> RunSettings:
    """Return the settings of a run from layers of tables, weakest first, over the presets of agent and pair."""
    env, agent = config.choose_pair(*layers)
    env_settings, agent_settings = config.settings_classes(env, agent)
    layers = (config.preset_tables(env, agent), *layers)
    chosen = {"train": {"env": env, "agent": agent}}
    return RunSettings(
        train=config.build(TrainSettings, "train", *layers, chosen),
        env=config.build(env_settings, "env", *layers),
        agent=config.build(agent_settings, "agent", *layers),
    )


def load(path: str | Path, device: str | None = None) -> Run:
    """Load a run from its folder.

    Args:
        path: the run folder.
        device: where to put it, if not where it was trained.

    Raises:
        UsageError: there is no run.
        Failure: it has no checkpoint, or a broken one.
    """
    folder = RunFolder(Path(path))
    folder.check_is_run()
    layers = [config.read_tables(folder.config)]
    if device is not None:
        layers.append({"train": {"device": device}})
    trainer, (train_seconds, wall_seconds) = restore(resolve(*layers), folder)
    return Run(folder=folder, trainer=trainer, train_seconds=train_seconds, wall_seconds=wall_seconds)
