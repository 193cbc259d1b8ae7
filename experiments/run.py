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
from encoders.files import cure
from experiments import config, evaluation
from experiments.building import MYOPIC_TWIN
from experiments.divergence import in_log, in_state
from experiments.evaluation import Evaluation, Panel
from experiments.folder import RunFolder
from experiments.progress import say
from experiments.settings import RunSettings
from experiments.starting import restore, start
from experiments.tracking.tensorboard import write_evaluation
from experiments.training import Training
from experiments.trust import check_trusted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """A trained agent, its environment and the folder that keeps both.

    ``agent.act(observation, explore=False)`` ranks slates.
    """

    folder: RunFolder
    training: Training

    @property
    def settings(self) -> RunSettings:
        """Return everything that the run depends on."""
        return self.training.runs[0]

    @property
    def agent(self) -> Agent:
        """Return the trained agent."""
        return self.training.agent

    def agents(self) -> dict[str, Agent]:
        """Return the agent and, if there is one, its myopic twin, under their names in the summary."""
        twin = {} if self.training.twin is None else {MYOPIC_TWIN: self.training.twin}
        return {self.settings.train.agent: self.agent} | twin

    def evaluate(self, panel: Panel | None = None) -> Evaluation:
        """Compare the agent with every baseline on a panel, by default of test users. Writes nothing."""
        panel = panel or Panel(users=self.settings.train.eval_users)
        say(f"evaluating on {panel.users:,} {panel.split} users …")
        result = evaluation.evaluate(
            self.training.simulator, self.agents(), panel, report=lambda policy: say(f"evaluating {policy} …")
        )
        return dataclasses.replace(result, diverged=self.diverged())

    def diverged(self) -> dict[str, str]:
        """Return why the agent's numbers, or its twin's, are no result; nothing if all is well."""
        found = {name: in_state(agent) for name, agent in self.agents().items()}
        train = self.settings.train
        found[train.agent] = in_log(self.folder.metrics) or found[train.agent]
        return {name: reason for name, reason in found.items() if reason is not None}

    def write_summary(self, result: Evaluation) -> None:
        """Write an evaluation to TensorBoard and to summary.json."""
        train, training = self.settings.train, self.training
        write_evaluation(self.folder.tensorboard, training.user_steps, result)
        self.folder.write_summary(
            {
                "env": train.env,
                "agent": train.agent,
                "seed": train.seed,
                "user_steps": training.user_steps,
                "train_seconds": training.train_seconds,
                "wall_seconds": training.wall_seconds,
                "steps_per_second": training.steps_per_second,
                "clusters": result.clusters,
                "diverged": result.diverged,
                **result.tables(),
            }
        )

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
        copy = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            shutil.copytree(self.folder.path, copy)
            copy.replace(target)
        except OSError as error:
            raise Failure(f"cannot save the run to {target}: {error}; {cure(error)}") from error
        finally:
            shutil.rmtree(copy, ignore_errors=True)


def train(
    env: str | None = None,
    agent: str | None = None,
    *,
    steps: int | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, Mapping[str, Any]] | str | Path | None = None,
    trust: bool = False,
) -> Run:
    """Train an agent, as ``slatelab train`` does, without the final evaluation.

    Args:
        env: environment id.
        agent: agent name.
        steps: user-steps in all.
        seed: of the run.
        out: run folder; without one it is temporary, see `Run.save`.
        settings: the tables ``train``, ``env`` and ``agent``, or the path of a TOML file of them.
        trust: use an environment, agent or encoder of one's own that such a file names, which runs its code.

    Raises:
        UsageError: a name, a setting or a value that cannot be, or the folder exists.
        Failure: something that is needed is missing or broken.
    """
    named = {"env": env, "agent": agent, "steps": steps, "seed": seed}
    arguments = {"train": {name: value for name, value in named.items() if value is not None}}
    if isinstance(settings, str | Path):
        layer: config.Tables = config.read_tables(Path(settings))
        if not trust:
            check_trusted(layer, Path(settings), set(arguments["train"]))
    else:
        layer = config.check_tables({} if settings is None else settings, "settings")
    resolved = config.resolve(layer, arguments)
    if out is None:
        temporary = tempfile.mkdtemp(prefix="slatelab-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    folder = RunFolder(Path(temporary if out is None else out))
    with start(resolved, folder) as training:
        return Run(folder=folder, training=training)


def load(
    path: str | Path,
    device: str | None = None,
    data: str | Path | None = None,
    encoder: str | None = None,
    *,
    trust: bool = False,
) -> Run:
    """Load a run from its folder.

    Args:
        path: the run folder.
        device: where to put it, if not where it was trained.
        data: where the environment's data lie, if they were moved.
        encoder: where its text encoder lies, if that was moved.
        trust: use an environment, agent or encoder of one's own that the run names, which runs its code.

    Raises:
        UsageError: there is no run, or data or encoder are others than it was trained with.
        Failure: it has no checkpoint, or a broken one.
    """
    folder = RunFolder(Path(path))
    folder.check_is_run()
    layers: list[config.Tables] = [config.read_tables(folder.config)]
    if not trust:
        check_trusted(layers[0], folder.config, set() if encoder is None else {"encoder"})
    if device is not None:
        layers.append({"train": {"device": device}})
    moved = {"data": data, "encoder": encoder}
    layers.append({"env": {name: str(place) for name, place in moved.items() if place is not None}})
    return Run(folder=folder, training=restore(config.resolve(*layers), folder))
