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
from envs.simulator import Simulator
from envs.slates import random_slate
from envs.vector import SlateVectorEnv

QUICK = {
    "rollout": 4,
    "minibatch": 32,
    "hidden": 16,
    "embedding": 4,
    "warmup": 3,
    "state_clusters": 1,
    "item_clusters": 24,
    "features": 4,
    "topics": 3,
    "neighbours": 3,
    "n_steps": 4,
    "batch_size": 32,
    "n_epochs": 2,
    "epochs": 2,
    "net_arch": (16,),
    "buffer_size": 400,
    "gradient_steps": 2,
    "target_update_interval": 64,
}
"""Small values for settings of these names, where an agent has them."""


def make_spec(
    *, candidates: int = 6, slate: int = 2, optional: bool = True, answers: int = 0, static: bool = False
) -> Spec:
    """Return a specification with or without the optional observations."""
    shapes: dict[str, tuple[int, ...]] = {
        "user": (5,),
        "candidates": (candidates, 3),
        "response": (slate, 2 + answers),
        "slate_items": (slate, 3),
    }
    if optional:
        shapes |= {"candidate_ids": (candidates,), "popularity": (candidates,)}
    return Spec(
        num_candidates=candidates,
        slate_size=slate,
        num_items=20,
        shapes=shapes,
        static_items=static,
        response_columns=("click", "reward", *(f"answer{index}" for index in range(answers))),
        neutral_response=(0.0, 0.0, *(3.0,) * answers),
    )


def make_observation(spec: Spec, batch: int, generator: torch.Generator) -> Observation:
    """Draw an observation; features and popularity belong to the id."""
    catalogue = torch.Generator().manual_seed(99)
    features_ND = torch.randn((spec.num_items, spec.shapes["candidates"][-1]), generator=catalogue)
    popularity_N = torch.randn(spec.num_items, generator=catalogue)
    ids_BM = random_slate(batch, spec.num_items, spec.num_candidates, generator)
    observation = {
        "user": torch.randn((batch, *spec.shapes["user"]), generator=generator),
        "candidates": features_ND[ids_BM],
        "response": torch.zeros((batch, *spec.shapes["response"])),
        "slate_items": torch.zeros((batch, *spec.shapes["slate_items"])),
        "candidate_ids": ids_BM,
        "popularity": popularity_N[ids_BM],
    }
    return {key: value for key, value in observation.items() if key in spec.shapes}


def make_transition(
    spec: Spec, observation: Observation, slate_BK: Tensor, generator: torch.Generator, notes: Tensors | None = None
) -> tuple[Transition, Observation]:
    """Draw an answer; return the step and what is observed after it (another session where one ended)."""
    batch, slate_size = slate_BK.shape
    chosen_B = torch.randint(slate_size + 1, (batch,), generator=generator)
    click_BK = torch.nn.functional.one_hot(chosen_B, slate_size + 1)[:, :slate_size].float()
    answers = spec.shapes["response"][-1] - 2
    stars_BKA = click_BK.unsqueeze(2) * torch.randint(1, 6, (batch, slate_size, answers), generator=generator)
    fate_B = torch.rand(batch, generator=generator)
    following, final = make_observation(spec, batch, generator), make_observation(spec, batch, generator)
    last_B = fate_B < 0.4
    next_observation = {
        key: torch.where(last_B.view(-1, *[1] * (value.dim() - 1)), final[key], value)
        for key, value in following.items()
    }
    transition = Transition(
        observation=observation,
        slate=slate_BK,
        response=torch.cat([click_BK.unsqueeze(2), click_BK.unsqueeze(2), stars_BKA], dim=2),
        reward=click_BK.sum(dim=1),
        discount=(fate_B >= 0.2).float(),
        last=last_B,
        next_observation=next_observation,
        notes=notes or {},
    )
    return transition, following


def agent_class(name: str) -> Any:
    """Return a class of the table of agents."""
    module, _, attribute = AGENTS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def build(
    name: str, spec: Spec, *, num_users: int = 16, num_steps: int = 40, seed: int | list[int] = 0, **settings: Any
) -> Agent:
    """Build an agent of the table with quick settings."""
    cls = agent_class(name)
    known = {field.name for field in dataclasses.fields(cls.Settings)}
    quick = {key: value for key, value in QUICK.items() if key in known}
    agent: Agent = cls(
        spec,
        cls.Settings(**(quick | settings)),
        device=torch.device("cpu"),
        seed=seed,
        num_users=num_users,
        num_steps=num_steps,
    )
    return agent


def snapshot(agent: Agent) -> Tensors:
    """Return a copy of an agent's state."""
    return {name: value.clone() for name, value in agent.state_dict().items()}


def same(ours: Tensors, theirs: Tensors) -> bool:
    """Return whether two sets of named tensors are equal to the bit."""
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


class Loop:
    """Let an agent learn from made-up users, whose answers depend on a seed alone."""

    def __init__(self, spec: Spec, batch: int = 16, seed: int = 7) -> None:
        self.spec = spec
        self.generator = torch.Generator().manual_seed(seed)
        self.observation = make_observation(spec, batch, self.generator)

    def step(self, agent: Agent) -> Tensors:
        """Take one step."""
        slate_BK, notes = choose(agent, self.observation)
        transition, self.observation = make_transition(self.spec, self.observation, slate_BK, self.generator, notes)
        return agent.update(transition)

    def steps(self, agent: Agent, number: int) -> Agent:
        """Take several steps."""
        for _ in range(number):
            self.step(agent)
        return agent


def train(agent: Agent, simulator: Simulator, *, num_users: int, num_steps: int, twin: Agent | None = None) -> None:
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
