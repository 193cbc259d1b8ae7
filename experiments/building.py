"""Build what the settings of a run name: its simulator, its agent, the agent's twin."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from agents.protocol import Agent
from encoders.errors import UsageError
from envs.history import WithHistory
from envs.simulator import Simulator
from experiments.config import agent_class, simulator_class
from experiments.seeds import Purpose, derive_seed
from experiments.settings import RunSettings
from experiments.sizes import Sized

MYOPIC_TWIN = "myopic"
"""The name under which the twin with discount 0 is evaluated."""


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


def build_agent(runs: Sequence[RunSettings], sized: Sized, purpose: Purpose = "agent") -> Agent:
    """Build an agent for an environment.

    Args:
        runs: the settings; of several runs, which differ in the seed alone, one agent that trains all seeds at once.
        sized: the environment, or its sizes alone.
        purpose: what its stream is for: to be the agent, or its twin.

    Raises:
        UsageError: it needs an observation that the environment does not give, a setting that cannot be, or it cannot
            train several seeds at once.
    """
    run, train = runs[0], runs[0].train
    cls = agent_class(train.agent)
    missing = [key for key in cls.NEEDS if key not in sized.spec.shapes]
    if missing:
        raise UsageError(
            f'agent "{train.agent}" needs the observation {", ".join(missing)}, which {train.env} does not give; '
            "choose another agent or environment"
        )
    if len(runs) > 1 and not trains_many_seeds(cls):
        raise UsageError(f'agent "{train.agent}" cannot train several seeds at once; train them one by one')
    seeds = [derive_seed(each.train.seed, purpose) for each in runs]
    try:
        agent: Agent = cls(
            sized.spec,
            run.agent,
            device=sized.device,
            seed=seeds if len(runs) > 1 else seeds[0],
            num_users=train.num_users,
            num_steps=train.num_steps,
        )
    except ValueError as error:
        raise UsageError(f'agent "{train.agent}": {error}') from error
    return agent


def trains_many_seeds(cls: type[Any]) -> bool:
    """Return whether a class of agents can train several seeds at once."""
    return bool(getattr(cls, "MANY_SEEDS", False))


def twin_of(run: RunSettings) -> RunSettings | None:
    """Return the settings of the agent's twin with discount 0, or None where that would be no other agent."""
    if not run.train.myopic_companion or run.train.agent == MYOPIC_TWIN:
        return None
    if not getattr(run.agent, "discount", 0) > 0:
        return None
    return dataclasses.replace(run, agent=dataclasses.replace(run.agent, discount=0.0))
