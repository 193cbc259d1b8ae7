"""A training as far as it has come: an agent among its users, and everything that changes while it learns."""

import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from torch import Tensor

from agents.protocol import Agent
from agents.state import DoesNotFit, check_alike, of_seed
from envs.interface import Observation, Tensors, Transition
from envs.many_seeds import ManySeedsVectorEnv
from envs.simulator import Simulator
from envs.vector import SlateVectorEnv
from experiments.building import build_agent, build_simulator, twin_of
from experiments.checkpoint import Header
from experiments.seeds import derive_seed
from experiments.settings import RunSettings
from experiments.tracking.monitor import Monitor


class Training:
    """An agent, its myopic twin and B users; or several seeds of them at once, each as if alone.

    The twin has the agent's class, network and settings but discount 0, and a stream of its own. It learns from the
    same steps and never acts. `experiments.loop` moves all of it on.

    Args:
        runs: the settings of each seed, which differ in the seed alone.
        kernel: the environment's simulator, if it is built already; it holds no state, so that evaluation shares it.
    """

    def __init__(self, runs: Sequence[RunSettings], kernel: Simulator | None = None) -> None:
        self.started = time.monotonic()
        self.runs, self.settings = tuple(runs), runs[0].train
        self.simulator = build_simulator(runs[0], kernel)
        self.agent = build_agent(runs, self.simulator)
        twins = [twin for run in runs if (twin := twin_of(run)) is not None]
        self.twin = build_agent(twins, self.simulator, "twin") if twins else None
        self.env, self.observation = _begin(runs, self.simulator)
        self.monitor = Monitor(self.settings.num_users, self.simulator.device, len(runs))
        self.step_count = 0
        self.train_seconds = 0.0
        """Seconds of learning, of each seed, over all starts of the run."""
        self.seconds_before = 0.0
        """Seconds in all of the starts before this one."""

    @property
    def user_steps(self) -> int:
        """Return slates shown so far, over all users of one seed."""
        return self.step_count * self.settings.num_users

    @property
    def finished(self) -> bool:
        """Return whether the last step was taken."""
        return self.step_count >= self.settings.num_steps

    @property
    def row_due(self) -> bool:
        """Return whether metrics are written down after the step that was just taken."""
        return self.finished or self.step_count % self.settings.log_steps == 0

    @property
    def wall_seconds(self) -> float:
        """Return the seconds since the run was first started, without those in which it lay dead."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def steps_per_second(self) -> float | None:
        """Return user-steps per second of learning; None where nothing was learnt."""
        return self.user_steps / self.train_seconds if self.train_seconds else None

    def show(self, slate_BK: Tensor, notes: Tensors) -> tuple[Transition, Tensors]:
        """Show every user a slate; return what came of it, and the environment's own metrics of each user.

        Args:
            slate_BK: (B, K) int64 positions.
            notes: what the agent noted when it chose them.
        """
        observation, reward_B, left_B, truncated_B, answer = self.env.step(slate_BK)
        transition = Transition(
            observation=self.observation,
            slate=slate_BK,
            response=answer["response"],
            reward=reward_B,
            discount=(~left_B).float(),
            last=left_B | truncated_B,
            next_observation=answer.get("final_obs", observation),
            notes=notes,
        )
        self.observation = observation
        return transition, {metric.name: answer[metric.name] for metric in self.simulator.METRICS}

    def seeds(self) -> "list[OneSeed]":
        """Return each seed as it would be if it were trained alone."""
        return [OneSeed(self, index) for index in range(len(self.runs))]

    def members(self) -> dict[str, Any]:
        """Return what has a state, under its name in a checkpoint."""
        found = {"agent": self.agent, "companion": self.twin, "env": self.env, "monitor": self.monitor}
        return {name: member for name, member in found.items() if member is not None}

    def state_dict(self) -> Tensors:
        """Return everything the future depends on, as flat named tensors."""
        return _flat({name: member.state_dict() for name, member in self.members().items()})

    def load_state_dict(self, tensors: Tensors, header: Header) -> None:
        """Go on from a checkpoint of one seed.

        Raises:
            DoesNotFit: it has other entries than all that is here holds, or of other shapes or types.
        """
        members = self.members()
        for name in tensors:
            if name.partition(".")[0] not in members:
                raise DoesNotFit(f'the saved "{name}" is no part of such a run')
        for name, member in members.items():
            saved, before = member_state(tensors, name), member.state_dict()
            member.load_state_dict(saved)
            after = member.state_dict()
            if name == "env":
                check_alike(name, before, saved | after)
            elif name != "monitor":  # (which looks for itself)
                # What an agent holds may grow, so that only it knows the shapes: what it takes, it gives back.
                check_alike(name, after, saved)
        self.step_count = header.step_count
        self.train_seconds, self.seconds_before = header.train_seconds, header.wall_seconds
        self.observation = self.env.observation()


class OneSeed:
    """One of the seeds of a training, as it would be if it were trained alone.

    Args:
        training: of one seed or several.
        index: which of them.
    """

    def __init__(self, training: Training, index: int) -> None:
        self.training, self.index, self.run = training, index, training.runs[index]

    @property
    def agent(self) -> Agent:
        """Return the agent as it is now; of several seeds, a copy."""
        if len(self.training.runs) == 1:
            return self.training.agent
        self._copy.load_state_dict(self._member("agent", self.training.agent))
        return self._copy

    @cached_property
    def _copy(self) -> Agent:
        return build_agent([self.run], self.training.simulator)

    def state_dict(self) -> Tensors:
        """Return the `Training.state_dict` of this seed trained alone."""
        if len(self.training.runs) == 1:
            return self.training.state_dict()
        return _flat({name: self._member(name, member) for name, member in self.training.members().items()})

    def _member(self, name: str, member: Any) -> Tensors:
        if name in ("env", "monitor"):
            state: Tensors = member.seed_state(self.index)
            return state
        return of_seed(member.state_dict(), self.index, len(self.training.runs))


def _begin(runs: Sequence[RunSettings], simulator: Simulator) -> tuple[SlateVectorEnv, Observation]:
    """Build the users of one seed, or of several, and let their first sessions begin."""
    seeds, num_users = [derive_seed(run.train.seed, "training users") for run in runs], runs[0].train.num_users
    if len(runs) == 1:
        env = SlateVectorEnv(simulator, num_users, as_tensors=True, split="train")
        return env, env.reset(seed=seeds[0])[0]
    many = ManySeedsVectorEnv(simulator, seeds, num_users, split="train")
    return many, many.reset()[0]


def member_state(tensors: Tensors, name: str) -> Tensors:
    """Return the state of one of `Training.members` out of a checkpoint's tensors."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _flat(states: dict[str, Tensors]) -> Tensors:
    return {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}
