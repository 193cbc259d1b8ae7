"""An agent as the checks meet it: built anew as often as they want, among made-up users."""

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any

import torch

from agents.protocol import Agent, choose
from agents.state import to_device
from envs.history import WithHistory
from envs.interface import Observation, Spec, Tensors, Transition
from envs.simulator import Simulator
from envs.vector import SlateVectorEnv
from experiments.checking.sketches import OPTIONAL, USERS, Loop, make_observation, make_spec
from experiments.checking.small_settings import rated_shop

ALWAYS = ("user", "candidates", "response", "slate_items")
"""What every environment shows."""
CPU = torch.device("cpu")
HISTORY = 4
"""Events of a session that are shown where a history is."""


@dataclass(frozen=True, kw_only=True)
class AgentSubject:
    """A class of agents, with settings and sizes."""

    cls: type[Any]
    settings: Any
    """An instance of its Settings."""
    device: torch.device = CPU
    simulator: Simulator | None = None
    """Of the environment that it is for; without one it has to do with any that shows what it needs."""

    @property
    def by_chance(self) -> bool:
        """Return whether its slates are drawn even when it does not explore, and it says so."""
        return bool(getattr(self.cls, "BY_CHANCE", False))

    @property
    def needs(self) -> set[str]:
        """Return the observations that it cannot do without."""
        return set(self.cls.NEEDS)

    @functools.cached_property
    def spec(self) -> Spec:
        """Return the sizes that it usually meets: ids, popularity and a response with an answer, or its own."""
        if self.simulator is not None:
            return self.simulator.spec
        return make_spec(optional=self.told("candidate_ids", "popularity"), answers=1)

    def told(self, *names: str) -> tuple[str, ...]:
        """Return these optional observations, with those that it needs or its settings ask for."""
        wanted = {*names, *self.needs}
        if getattr(self.settings, "history", "none") != "none":
            wanted.add("history")
        return tuple(name for name in OPTIONAL if name in wanted)

    def build(
        self, spec: Spec | None = None, *, seed: int = 0, num_users: int = USERS, num_steps: int = 40, **changed: Any
    ) -> Agent:
        """Build it for some sizes, with some settings changed."""
        agent: Agent = self.cls(
            self.spec if spec is None else spec,
            dataclasses.replace(self.settings, **changed),
            device=self.device,
            seed=seed,
            num_users=num_users,
            num_steps=num_steps,
        )
        return agent

    def loop(self, spec: Spec | None = None, seed: int = 7) -> Loop:
        """Return made-up users on its device."""
        return Loop(self.spec if spec is None else spec, seed=seed, device=self.device)

    def trained(self, steps: int = 14, *, seed: int = 0) -> Agent:
        """Return one that has learnt for some steps."""
        return self.loop().steps(self.build(seed=seed), steps)

    def observe(self, batch: int = 8, seed: int = 11, spec: Spec | None = None) -> Observation:
        """Draw what it might see."""
        chosen = self.spec if spec is None else spec
        return to_device(make_observation(chosen, batch, torch.Generator().manual_seed(seed)), self.device)

    def world(self) -> Simulator | None:
        """Return a small environment that shows what it needs; None if there is none."""
        if self.simulator is not None:
            return self.simulator
        worlds = (small_world(name, str(self.device)) for name in ("budget", "ratings"))
        return next((world for world in worlds if self.needs <= world.spec.shapes.keys()), None)


@functools.cache
def small_world(name: str, device: str) -> Simulator:
    """Return InterestEvolution-v0 with few candidates and an observed budget, or Ratings-v0 of a small shop."""
    kernel: Simulator
    if name == "budget":
        from envs.recsim.interest_evolution import InterestEvolution

        # Short sessions: some users leave, some run out of time.
        settings = InterestEvolution.Settings(
            num_candidates=6, slate_size=2, observe_budget=True, time_budget=12.0, time_limit=8
        )
        kernel = InterestEvolution(settings, device=device)
    else:
        from envs.ratings import Ratings, RatingsSettings

        ratings = RatingsSettings(
            encoder="tiny", data=rated_shop(), num_candidates=6, slate_size=2, num_exploration=2, time_limit=8
        )
        kernel = Ratings(ratings, device=device)
    return WithHistory(kernel, HISTORY)


def snapshot(agent: Agent) -> Tensors:
    """Return a copy of an agent's state."""
    return {name: value.clone() for name, value in agent.state_dict().items()}


def live(agent: Agent, simulator: Simulator, *, num_users: int, num_steps: int, twin: Agent | None = None) -> None:
    """Let an agent learn from a simulator, and a twin from the same steps, as the trainer does."""
    env = SlateVectorEnv(simulator, num_users, as_tensors=True, split="train")
    observation, _ = env.reset(seed=3)
    for _ in range(num_steps):
        slate_BK, notes = choose(agent, observation)
        following, reward_B, left_B, truncated_B, step_info = env.step(slate_BK)
        transition = Transition(
            observation=observation,
            slate=slate_BK,
            response=step_info["response"],
            reward=reward_B,
            discount=(~left_B).float(),
            last=left_B | truncated_B,
            next_observation=step_info.get("final_obs", following),
        )
        agent.update(dataclasses.replace(transition, notes=notes))
        if twin is not None:
            twin.update(transition)
        observation = following
