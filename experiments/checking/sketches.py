"""A made-up world for agents: observations of any sizes, and users who answer by a seed alone."""

import torch
from torch import Tensor

from agents.protocol import Agent, choose
from agents.state import to_device
from envs.interface import Observation, Spec, Tensors, Transition
from envs.slates import random_slate

USERS = 16
"""Who are met at once."""
OPTIONAL = ("candidate_ids", "popularity", "budget", "history")
"""Observations that only some environments give."""


def make_spec(
    *,
    candidates: int = 6,
    slate: int = 2,
    optional: bool | tuple[str, ...] = True,
    answers: int = 0,
    static: bool = False,
) -> Spec:
    """Return a specification.

    Args:
        candidates: M.
        slate: K.
        optional: whether ids and popularity are observed, or which optional observations are.
        answers: columns of the response beside click and reward.
        static: whether features belong to the id.
    """
    told = optional if isinstance(optional, tuple) else ("candidate_ids", "popularity") if optional else ()
    columns = 2 + answers
    shapes: dict[str, tuple[int, ...]] = {
        "user": (5,),
        "candidates": (candidates, 3),
        "response": (slate, columns),
        "slate_items": (slate, 3),
    }
    further = {
        "candidate_ids": (candidates,),
        "popularity": (candidates,),
        "budget": (1,),
        "history": (5, 2 + columns + 3),
    }
    return Spec(
        num_candidates=candidates,
        slate_size=slate,
        num_items=20,
        shapes=shapes | {name: shape for name, shape in further.items() if name in told},
        static_items=static,
        response_columns=("click", "reward", *(f"answer{index}" for index in range(answers))),
        neutral_response=(0.0, 0.0, *(3.0,) * answers),
    )


def make_observation(spec: Spec, batch: int, generator: torch.Generator) -> Observation:
    """Draw an observation on the CPU; features and popularity belong to the id."""
    catalogue = torch.Generator().manual_seed(99)
    items = max(spec.num_items, spec.num_candidates)  # what is no catalogue counts kinds of items
    features_ND = torch.randn((items, spec.shapes["candidates"][-1]), generator=catalogue)
    popularity_N = torch.randn(items, generator=catalogue)
    ids_BM = random_slate(batch, items, spec.num_candidates, generator)
    observation = {
        "user": torch.randn((batch, *spec.shapes["user"]), generator=generator),
        "candidates": features_ND[ids_BM],
        "response": torch.zeros((batch, *spec.shapes["response"])),
        "slate_items": torch.zeros((batch, *spec.shapes["slate_items"])),
        "candidate_ids": ids_BM,
        "popularity": popularity_N[ids_BM],
    }
    for name, shape in spec.shapes.items():
        if name not in observation:
            observation[name] = torch.rand((batch, *shape), generator=generator)
    return {key: value for key, value in observation.items() if key in spec.shapes}


def make_transition(
    spec: Spec, observation: Observation, slate_BK: Tensor, generator: torch.Generator, notes: Tensors | None = None
) -> tuple[Transition, Observation]:
    """Draw an answer; return the step and what is observed after it (another session where one ended).

    Args:
        spec: sizes.
        observation: of the agent.
        slate_BK: (B, K), which it showed; what is returned is on its device.
        generator: of the CPU.
        notes: what the agent noted when it chose the slates.
    """
    batch, slate_size = slate_BK.shape
    device = slate_BK.device
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
        response=torch.cat([click_BK.unsqueeze(2), click_BK.unsqueeze(2), stars_BKA], dim=2).to(device),
        reward=click_BK.sum(dim=1).to(device),
        discount=(fate_B >= 0.2).float().to(device),
        last=last_B.to(device),
        next_observation=to_device(next_observation, device),
        notes=notes or {},
    )
    return transition, to_device(following, device)


class Loop:
    """Let an agent learn from made-up users, whose answers depend on a seed alone."""

    def __init__(self, spec: Spec, batch: int = USERS, seed: int = 7, device: str | torch.device = "cpu") -> None:
        self.spec = spec
        self.generator = torch.Generator().manual_seed(seed)
        self.observation = to_device(make_observation(spec, batch, self.generator), torch.device(device))

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
