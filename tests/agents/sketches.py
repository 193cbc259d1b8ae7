"""What the tests of `agents` share: made-up observations, a run loop, and a world where the nearest reward misleads."""

import dataclasses
import importlib
from typing import Any

import torch
from torch import Tensor

from agents import AGENTS
from agents.protocol import Agent, choose
from envs.choice import multinomial_logit, sample_choice
from envs.interface import Observation, Spec, Tensors, Transition, take_candidates
from envs.slates import random_slate
from experiments.checking.sketches import Loop, make_observation, make_spec, make_transition
from experiments.checking.small_settings import small_agent
from experiments.checking.subjects import live, snapshot

__all__ = [
    "Garden",
    "Loop",
    "agent_class",
    "build",
    "live",
    "make_observation",
    "make_spec",
    "make_transition",
    "same",
    "snapshot",
]


def agent_class(name: str) -> Any:
    """Return a class of the table of agents."""
    module, _, attribute = AGENTS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def build(
    name: str, spec: Spec, *, num_users: int = 16, num_steps: int = 40, seed: int | list[int] = 0, **settings: Any
) -> Agent:
    """Build an agent of the table with quick settings."""
    cls = agent_class(name)
    agent: Agent = cls(
        spec,
        cls.Settings(**(small_agent(cls.Settings) | settings)),
        device=torch.device("cpu"),
        seed=seed,
        num_users=num_users,
        num_steps=num_steps,
    )
    return agent


def same(ours: Tensors, theirs: Tensors) -> bool:
    """Return whether two sets of named tensors are equal to the bit."""
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


class Garden:
    """Four weeds and four herbs; weeds pay twice as much a click, and drive users away.

    Six of the eight are on offer, two are shown. All items and no click are equally likely, so that everything can be
    computed by hand: `value` is that of the discounted optimum, `best_return` and `weedy_return` those of a session.
    """

    REWARD = (1.0, 0.5)
    STAYS = (0.5, 0.98, 0.9)
    """After the click of a weed, of a herb, and without a click."""

    def __init__(self, batch: int, seed: int, *, time_limit: int = 40) -> None:
        self.batch, self.time_limit = batch, time_limit
        self.generator = torch.Generator().manual_seed(seed)
        self.steps_B = torch.randint(time_limit, (batch,), generator=self.generator)
        self.spec = Spec(
            num_candidates=6,
            slate_size=2,
            num_items=8,
            shapes={"user": (3,), "candidates": (6, 2), "candidate_ids": (6,), "response": (2, 2)},
            static_items=True,
            response_columns=("click", "reward"),
            neutral_response=(0.0, 0.0),
        )

    @classmethod
    def value(cls, gamma: float) -> float:
        """Return V of always showing two herbs: V = 2/3 (r + g p_herb V) + 1/3 g p_none V."""
        return 2 / 3 * cls.REWARD[1] / (1 - gamma * (2 / 3 * cls.STAYS[1] + 1 / 3 * cls.STAYS[2]))

    @classmethod
    def session(cls, kind: int) -> float:
        """Return the expected reward of a session in which only weeds (0) or herbs (1) are shown."""
        return 2 / 3 * cls.REWARD[kind] / (1 - 2 / 3 * cls.STAYS[kind] - 1 / 3 * cls.STAYS[2])

    def observe(self) -> Observation:
        """Draw what is on offer: at least two of each kind."""
        ids_BM = random_slate(self.batch, 8, 6, self.generator)
        herb_BM = (ids_BM >= 4).float()
        return {
            "user": torch.randn((self.batch, 3), generator=self.generator),
            "candidates": torch.stack([herb_BM, ids_BM / 8], dim=2),
            "candidate_ids": ids_BM,
            "response": torch.zeros(self.batch, 2, 2),
        }

    def step(self, observation: Observation, slate_BK: Tensor) -> tuple[Transition, Observation]:
        """Let every user answer; return the step and what is observed after it."""
        kind_BK = (take_candidates(observation["candidate_ids"], slate_BK) >= 4).long()
        chances_BC = multinomial_logit(torch.zeros(slate_BK.shape), torch.zeros(self.batch))
        choice_B = sample_choice(chances_BC, torch.rand(self.batch, generator=self.generator))
        happened_B = torch.cat([kind_BK, torch.full((self.batch, 1), 2)], dim=1).gather(1, choice_B.unsqueeze(1))[:, 0]
        reward_B = torch.tensor([*self.REWARD, 0.0])[happened_B]
        stays_B = torch.rand(self.batch, generator=self.generator) < torch.tensor(self.STAYS)[happened_B]
        self.steps_B = self.steps_B + 1
        last_B = ~stays_B | (self.steps_B >= self.time_limit)
        self.steps_B = self.steps_B.masked_fill(last_B, 0)
        click_BK = torch.nn.functional.one_hot(choice_B, 3)[:, :2].float()
        following = self.observe()
        transition = Transition(
            observation=observation,
            slate=slate_BK,
            response=torch.stack([click_BK, click_BK * reward_B.unsqueeze(1)], dim=2),
            reward=reward_B,
            discount=stays_B.float(),
            last=last_B,
            next_observation=following,
        )
        return transition, following

    def teach(self, agent: Agent, num_steps: int, twin: Agent | None = None) -> None:
        """Let an agent learn here, and a twin from the same steps."""
        observation = self.observe()
        for _ in range(num_steps):
            slate_BK, notes = choose(agent, observation)
            transition, observation = self.step(observation, slate_BK)
            agent.update(dataclasses.replace(transition, notes=notes))
            if twin is not None:
                twin.update(transition)

    def mean_return(self, agent: Agent) -> float:
        """Return the mean reward of one session of every user, without exploration and without a time limit."""
        total_B, playing_B = torch.zeros(self.batch), torch.ones(self.batch)
        for _ in range(150):
            observation = self.observe()
            transition, _ = self.step(observation, agent.act(observation, explore=False))
            total_B += playing_B * transition.reward
            playing_B = playing_B * transition.discount
        return float(total_B.mean())
