"""An agent among parallel users: everything that changes while it learns, and one step of it."""

import dataclasses
from typing import Any

import numpy as np
import torch

from agents.protocol import Agent
from encoders.errors import UsageError
from envs.interface import Spec, Tensors, Transition
from envs.simulator import Simulator
from envs.vector import SlateVectorEnv
from experiments.config import agent_class, simulator_class
from experiments.monitor import Monitor
from experiments.settings import RunSettings, TrainSettings

COMPANION = "myopic"
"""The name under which the twin with discount 0 is evaluated."""
AGENT_STREAM, USERS_STREAM = 0, 1
PARTS = ("agent", "companion", "env", "monitor")


def derive_seed(seed: int, stream: int) -> int:
    """Return an independent seed for one use of a run's seed."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])


def build_simulator(run: RunSettings) -> Simulator:
    """Build the simulator of a run, which may load and encode a catalogue."""
    simulator: Simulator = simulator_class(run.train.env)(run.env, device=run.train.device)
    return simulator


def build_agent(name: str, settings: Any, spec: Spec, device: torch.device, train: TrainSettings) -> Agent:
    """Build an agent for an environment of these sizes.

    Raises:
        UsageError: it needs an observation that the environment does not give, or a setting that cannot be.
    """
    cls = agent_class(name)
    missing = [key for key in cls.NEEDS if key not in spec.shapes]
    if missing:
        raise UsageError(
            f'agent "{name}" needs the observation {", ".join(missing)}, which {train.env} does not give; '
            "choose another agent or environment"
        )
    seed = derive_seed(train.seed, AGENT_STREAM)
    try:
        agent: Agent = cls(
            spec, settings, device=device, seed=seed, num_users=train.num_users, num_steps=train.num_steps
        )
    except ValueError as error:
        raise UsageError(f'agent "{name}": {error}') from error
    return agent


def companion_settings(run: RunSettings) -> Any | None:
    """Return the agent's settings with discount 0, or None where that twin would be no other agent."""
    if not run.train.myopic_companion or run.train.agent == COMPANION:
        return None
    if not getattr(run.agent, "discount", 0) > 0:
        return None
    return dataclasses.replace(run.agent, discount=0.0)


class Trainer:
    """One agent, its myopic companion and B users.

    The companion has the agent's class, network, seed and settings but discount 0. It learns from the same
    steps and never acts.

    Args:
        run: the settings.
        simulator: the kernel, shared with evaluation since it holds no state.
    """

    def __init__(self, run: RunSettings, simulator: Simulator) -> None:
        train, spec, device = run.train, simulator.spec, simulator.device
        self.run = run
        self.simulator = simulator
        self.agent = build_agent(train.agent, run.agent, spec, device, train)
        twin = companion_settings(run)
        self.companion = None if twin is None else build_agent(train.agent, twin, spec, device, train)
        self.env = SlateVectorEnv(simulator, train.num_users, as_tensors=True, split="train")
        self.monitor = Monitor(train.num_users, device)
        self.step_count = 0
        self.observation, _ = self.env.reset(seed=derive_seed(train.seed, USERS_STREAM))

    @property
    def user_steps(self) -> int:
        """Return slates shown so far, over all users."""
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
        self.monitor.record_means({metric.name: step_info[metric.name] for metric in self.simulator.METRICS})
        self.monitor.record_means(learnt)
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
