"""A trained run for users in Python: train, evaluate, save, load."""

import atexit
import dataclasses
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from agents.protocol import Agent
from encoders.errors import Failure, UsageError
from encoders.files import cure
from envs.simulator import resolve_device
from experiments import config, evaluation
from experiments.building import MYOPIC_TWIN
from experiments.checkpoint import read_header
from experiments.divergence import in_log, in_state
from experiments.evaluation import Evaluation, Panel
from experiments.folder import RunFolder
from experiments.prediction import predict
from experiments.progress import say
from experiments.settings import RunSettings
from experiments.showing import html_table
from experiments.starting import restore, restore_agent, start
from experiments.tracking.tensorboard import write_evaluation
from experiments.training import Training
from experiments.trust import check_trusted


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Run:
    """A trained agent, its environment and the folder that keeps both.

    `predict` ranks slates, `evaluate` compares the agent with every baseline. The environment of a loaded run is built
    when something needs it.
    """

    folder: RunFolder
    settings: RunSettings
    """Everything that the run depends on."""
    agent: Agent
    """The trained agent."""
    user_steps: int
    """Slates that were shown to it while it learnt."""
    restored: Callable[[], Training]
    """Gives the training as it ended; it is asked once."""

    @classmethod
    def of(cls, folder: RunFolder, training: Training) -> "Run":
        """Return the run of a training that has ended, in its folder."""
        return cls(
            folder=folder,
            settings=training.runs[0],
            agent=training.agent,
            user_steps=training.user_steps,
            restored=lambda: training,
        )

    def __repr__(self) -> str:
        """Return what it is and where."""
        return f"Run({', '.join(f'{name} {value}' for name, value in self._facts())})"

    def _repr_html_(self) -> str:
        """Return what it is and where, as a table for a notebook."""
        return html_table("a trained run", (), self._facts())

    def _facts(self) -> list[tuple[str, str]]:
        train = self.settings.train
        return [
            *(("agent", train.agent), ("environment", train.env), ("seed", str(train.seed))),
            *(("user-steps", f"{self.user_steps:,}"), ("folder", str(self.folder.path))),
        ]

    @cached_property
    def training(self) -> Training:
        """Return the training as it ended, with the environment."""
        return self.restored()

    def predict(
        self,
        observation: Mapping[str, Any],
        state: None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[np.int64] | Tensor, None]:
        """Return what the agent shows, and None, as ``predict`` of stable-baselines3 does: its helpers take a run.

        Args:
            observation: the dict that `gym.make`, `gym.make_vec` or a vector environment of stable-baselines3 give, as
                numpy arrays or tensors, of one user or of several.
            state: none; what is remembered of a session is in the observation.
            episode_start: not looked at.
            deterministic: its best slate; else one as it shows while it learns.

        Returns:
            Positions in the candidate set, (K,) or (B, K) int64, an array or a tensor as the observation is; and None.

        Raises:
            UsageError: an entry of the observation is missing or of another shape.
        """
        return predict(self.agent, observation, deterministic, resolve_device(self.settings.train.device)), None

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
                **({"encoder": self.settings.env.encoder} if hasattr(self.settings.env, "encoder") else {}),
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
        return Run.of(folder, training)


def load(
    path: str | Path,
    device: str | None = None,
    data: str | Path | None = None,
    encoder: str | None = None,
    *,
    trust: bool = False,
) -> Run:
    """Load a run from its folder; its environment is built when something asks for it, such as `Run.evaluate`.

    Args:
        path: the run folder.
        device: where to put it, if not where it was trained.
        data: where the environment's data lie, if they were moved.
        encoder: where its text encoder lies, if that was moved.
        trust: use an environment, agent or encoder of one's own that the run names, which runs its code.

    Raises:
        UsageError: there is no run. What needs the environment raises it too, where data or encoder are others than the
            run was trained with.
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
    settings = config.resolve(*layers)
    agent = restore_agent(settings, folder)
    if agent is None:
        return Run.of(folder, restore(settings, folder))
    return Run(
        folder=folder,
        settings=settings,
        agent=agent,
        user_steps=read_header(folder.checkpoint).step_count * settings.train.num_users,
        restored=lambda: restore(settings, folder),
    )
