"""An agent among parallel users: everything that changes while it learns, and one step of it."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from agents.protocol import Agent
from agents.state import of_seed
from encoders.errors import UsageError
from envs.history import WithHistory
from envs.interface import Observation, Spec, Tensors, Transition
from envs.many_seeds import ManySeedsVectorEnv
from envs.simulator import Simulator
from envs.vector import SlateVectorEnv
from experiments.config import agent_class, simulator_class
from experiments.settings import RunSettings, TrainSettings
from experiments.tracking.monitor import Monitor

COMPANION = "myopic"
"""The name under which the twin with discount 0 is evaluated."""
AGENT_STREAM, USERS_STREAM = 0, 1
PARTS = ("agent", "companion", "env", "monitor")


def derive_seed(seed: int, stream: int) -> int:
    """Return an independent seed for one use of a run's seed."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])


def build_simulator(run: RunSettings, kernel: Simulator | None = None) -> Simulator:
    """Build the simulator of a run, which may load and encode a catalogue; with a history if the agent reads one.

    Args:
        run: the settings.
        kernel: the environment's own simulator, if another run with these settings of it has built it already.
    """
    simulator = build_kernel(run) if kernel is None else kernel
    tracker = getattr(run.agent, "history", "none")
    if tracker == "none":
        return simulator
    return WithHistory(simulator, 0 if tracker == "totals" else run.agent.history_length)


def build_kernel(run: RunSettings) -> Simulator:
    """Build the environment's own simulator."""
    kernel: Simulator = simulator_class(run.train.env)(run.env, device=run.train.device)
    return kernel


def build_agent(
    name: str,
    settings: Any,
    spec: Spec,
    device: torch.device,
    train: TrainSettings,
    seeds: Sequence[int] | None = None,
) -> Agent:
    """Build an agent for an environment of these sizes.

    Args:
        name: of the agent.
        settings: the agent's.
        spec: the environment's sizes.
        device: where it is to be.
        train: how it is trained.
        seeds: of the runs, where several are trained at once.

    Raises:
        UsageError: it needs an observation that the environment does not give, a setting that cannot be, or it cannot
            train several seeds at once.
    """
    cls = agent_class(name)
    missing = [key for key in cls.NEEDS if key not in spec.shapes]
    if missing:
        raise UsageError(
            f'agent "{name}" needs the observation {", ".join(missing)}, which {train.env} does not give; '
            "choose another agent or environment"
        )
    seed: int | list[int] = derive_seed(train.seed, AGENT_STREAM)
    if seeds is not None:
        if not trains_many_seeds(cls):
            raise UsageError(f'agent "{name}" cannot train several seeds at once; train them one by one')
        seed = [derive_seed(one, AGENT_STREAM) for one in seeds]
    try:
        agent: Agent = cls(
            spec, settings, device=device, seed=seed, num_users=train.num_users, num_steps=train.num_steps
        )
    except ValueError as error:
        raise UsageError(f'agent "{name}": {error}') from error
    return agent


def trains_many_seeds(cls: type[Any]) -> bool:
    """Return whether a class of agents can train several seeds at once."""
    return bool(getattr(cls, "MANY_SEEDS", False))


def companion_settings(run: RunSettings) -> Any | None:
    """Return the agent's settings with discount 0, or None where that twin would be no other agent."""
    if not run.train.myopic_companion or run.train.agent == COMPANION:
        return None
    if not getattr(run.agent, "discount", 0) > 0:
        return None
    return dataclasses.replace(run.agent, discount=0.0)


class Trainer:
    """One agent, its myopic companion and B users; or several seeds of them at once.

    The companion has the agent's class, network, seed and settings but discount 0. It learns from the same
    steps and never acts.

    Args:
        run: the settings; its seed counts only where no ``seeds`` are given.
        simulator: the kernel, shared with evaluation since it holds no state.
        seeds: S seeds to be trained at once, each as if alone, with B users of its own.
    """

    def __init__(self, run: RunSettings, simulator: Simulator, seeds: Sequence[int] | None = None) -> None:
        train, spec, device = run.train, simulator.spec, simulator.device
        self.run = run
        self.simulator = simulator
        self.agent = build_agent(train.agent, run.agent, spec, device, train, seeds)
        twin = companion_settings(run)
        self.companion = None if twin is None else build_agent(train.agent, twin, spec, device, train, seeds)
        self.env, self.observation = _begin(train, simulator, seeds)
        self.monitor = Monitor(train.num_users, device, 1 if seeds is None else len(seeds))
        self.step_count = 0

    @property
    def user_steps(self) -> int:
        """Return slates shown so far, over all users of one seed."""
        return self.step_count * self.run.train.num_users

    def step(self) -> None:
        """Show every user a slate and learn from it."""
        slate_BK = self.agent.act(self.observation, explore=True)
        observation, reward_B, left_B, truncated_B, step_info = self.env.step(slate_BK)
        last_B = left_B | truncated_B
        transition = Transition(
            observation=self.observation,
            slate=slate_BK,
            response=step_info["response"],
            reward=reward_B,
            discount=(~left_B).float(),
            last=last_B,
            next_observation=step_info.get("final_obs", observation),
        )
        learnt = self.agent.update(transition)
        if self.companion is not None:
            self.companion.update(transition)
        self.monitor.record(transition.response, reward_B, last_B)
        self.monitor.record_users({metric.name: step_info[metric.name] for metric in self.simulator.METRICS})
        self.monitor.record_learnt(learnt)
        self.observation = observation
        self.step_count += 1

    def state_dict(self) -> Tensors:
        """Return everything the future depends on, as flat named tensors."""
        return {
            f"{part}.{name}": value
            for part in PARTS
            if getattr(self, part) is not None
            for name, value in getattr(self, part).state_dict().items()
        }

    def load_state_dict(self, tensors: Tensors, step_count: int) -> None:
        """Go on from a `state_dict` that was taken after ``step_count`` steps."""
        for part in PARTS:
            prefix = f"{part}."
            if getattr(self, part) is not None:
                own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
                getattr(self, part).load_state_dict(own)
        self.step_count = step_count
        self.observation = self.env.observation()


def _begin(
    train: TrainSettings, simulator: Simulator, seeds: Sequence[int] | None
) -> tuple[SlateVectorEnv, Observation]:
    """Build the users of one seed, or of several, and let their first sessions begin."""
    if seeds is None:
        env = SlateVectorEnv(simulator, train.num_users, as_tensors=True, split="train")
        return env, env.reset(seed=derive_seed(train.seed, USERS_STREAM))[0]
    streams = [derive_seed(seed, USERS_STREAM) for seed in seeds]
    many = ManySeedsVectorEnv(simulator, streams, train.num_users, split="train")
    return many, many.reset()[0]


class OneSeed:
    """One of the seeds that a trainer trains at once, as it would be if it were trained alone.

    Args:
        trainer: of several seeds.
        index: which of them.
        run: settings of that seed.
    """

    def __init__(self, trainer: Trainer, index: int, run: RunSettings) -> None:
        self.trainer, self.index, self.run = trainer, index, run
        self.simulator = trainer.simulator

    @property
    def step_count(self) -> int:
        """Return how many steps all users have taken together."""
        return self.trainer.step_count

    @property
    def user_steps(self) -> int:
        """Return slates shown so far, over all users of this seed."""
        return self.trainer.user_steps

    @cached_property
    def _agent(self) -> Agent:
        run = self.run
        return build_agent(run.train.agent, run.agent, self.simulator.spec, self.simulator.device, run.train)

    @property
    def agent(self) -> Agent:
        """Return a copy of the agent as it is now."""
        self._agent.load_state_dict(self._part("agent"))
        return self._agent

    def state_dict(self) -> Tensors:
        """Return the `Trainer.state_dict` of this seed trained alone."""
        return {
            f"{part}.{name}": value
            for part in PARTS
            if getattr(self.trainer, part) is not None
            for name, value in self._part(part).items()
        }

    def _part(self, part: str) -> Tensors:
        holder: Any = getattr(self.trainer, part)
        if part in ("env", "monitor"):
            state: Tensors = holder.seed_state(self.index)
            return state
        return of_seed(holder.state_dict(), self.index, self.trainer.monitor.seeds)
