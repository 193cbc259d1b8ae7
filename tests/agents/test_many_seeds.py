"""Several seeds trained at once are each what they are alone; every agent of the table that says so is tested."""

import dataclasses
from typing import Any

import pytest
import torch
from sketches import agent_class, make_observation, make_spec, make_transition
from test_agents_contract import CASES, make
from torch import Tensor

from agents.networks.scoring import NETWORKS
from agents.protocol import Agent, choose
from agents.state import of_seed
from agents.streams import Streams
from envs.interface import Tensors, Transition

SEEDS = (5, 0, 11)
USERS = 8
SPECS = {"answers": make_spec(answers=1), "static": make_spec(static=True), "one slot": make_spec(slate=1)}
MANY = [case for case, (name, _) in CASES.items() if getattr(agent_class(name), "MANY_SEEDS", False)]


def joined(parts: list[Tensors]) -> Tensors:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def joined_transition(steps: list[Transition]) -> Transition:
    tensors = ("slate", "response", "reward", "discount", "last")
    return Transition(
        observation=joined([step.observation for step in steps]),
        next_observation=joined([step.next_observation for step in steps]),
        **{name: torch.cat([getattr(step, name) for step in steps]) for name in tensors},
    )


class Side:
    """Users of each seed, whose answers depend on that seed's stream and slates alone."""

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.generators = [torch.Generator().manual_seed(40 + index) for index in range(len(SEEDS))]
        self.observations = [make_observation(spec, USERS, generator) for generator in self.generators]

    def answer(self, slates: list[Tensor]) -> list[Transition]:
        steps = []
        for index, slate_BK in enumerate(slates):
            step, following = make_transition(self.spec, self.observations[index], slate_BK, self.generators[index])
            self.observations[index] = following
            steps.append(step)
        return steps


def both(
    case: str, spec: Any, steps: int, **settings: Any
) -> tuple[Agent, list[Agent], list[Tensors], list[list[Tensors]]]:
    """Train the seeds at once and one by one; return agents and metrics."""
    at_once = make(case, spec, num_users=USERS, seed=list(SEEDS), **settings)
    alone = [make(case, spec, num_users=USERS, seed=seed, **settings) for seed in SEEDS]
    ours, theirs = Side(spec), Side(spec)
    learnt, learnt_alone = [], []
    for _ in range(steps):
        slate_BK, notes = choose(at_once, joined(ours.observations))
        chosen = [choose(agent, seen) for agent, seen in zip(alone, theirs.observations, strict=True)]
        slates, own = list(slate_BK.chunk(len(SEEDS))), [slate for slate, _ in chosen]
        for one, other in zip(slates, own, strict=True):
            assert torch.equal(one, other)
        learnt.append(at_once.update(dataclasses.replace(joined_transition(ours.answer(slates)), notes=notes)))
        answered = zip(theirs.answer(own), chosen, strict=True)
        noted = [dataclasses.replace(step, notes=notes) for step, (_, notes) in answered]
        learnt_alone.append([agent.update(step) for agent, step in zip(alone, noted, strict=True)])
    return at_once, alone, learnt, learnt_alone


@pytest.mark.parametrize("case", MANY)
@pytest.mark.parametrize("sizes", SPECS)
def test_each_seed_is_what_it_is_alone(case: str, sizes: str) -> None:
    at_once, alone, learnt, learnt_alone = both(case, SPECS[sizes], 14)
    for index, agent in enumerate(alone):
        split = of_seed(at_once.state_dict(), index, len(SEEDS))
        own = agent.state_dict()
        assert split.keys() == own.keys()
        for name, value in own.items():
            assert split[name].shape == value.shape, name
            torch.testing.assert_close(
                split[name], value, rtol=1e-5, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
            )
        for step, steps_alone in zip(learnt, learnt_alone, strict=True):
            assert step.keys() == steps_alone[index].keys()
            for name, value in step.items():
                one = value if value.dim() == 0 else value[index]
                torch.testing.assert_close(one, steps_alone[index][name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", MANY)
def test_a_seed_that_is_split_off_goes_on_as_if_it_had_been_alone(case: str) -> None:
    spec = SPECS["answers"]
    at_once, alone, _, _ = both(case, spec, 9)
    for index, agent in enumerate(alone):
        again = make(case, spec, num_users=USERS, seed=77)
        again.load_state_dict({name: value.clone() for name, value in of_seed(at_once.state_dict(), index, 3).items()})
        seen = make_observation(spec, USERS, torch.Generator().manual_seed(3))
        assert torch.equal(again.act(seen, explore=False), agent.act(seen, explore=False))
        assert torch.equal(again.act(seen, explore=True), agent.act(seen, explore=True))


@pytest.mark.parametrize("case", MANY)
def test_the_company_a_seed_is_in_does_not_matter(case: str) -> None:
    """Were losses, clipping or draws shared, another neighbour would change what a seed learns."""
    spec = SPECS["answers"]
    results = []
    for company in ([5, 1], [5, 2]):
        agent = make(case, spec, num_users=USERS, seed=company)
        generators = [torch.Generator().manual_seed(40), torch.Generator().manual_seed(company[1])]
        seen = [make_observation(spec, USERS, generator) for generator in generators]
        for _ in range(9):
            slates = agent.act(joined(seen), explore=True).chunk(2)
            steps = [
                make_transition(spec, one, slate, generator)
                for one, slate, generator in zip(seen, slates, generators, strict=True)
            ]
            agent.update(joined_transition([step for step, _ in steps]))
            seen = [following for _, following in steps]
        results.append(of_seed(agent.state_dict(), 0, 2))
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_keeps_seeds_apart(network: str) -> None:
    at_once, alone, _, _ = both("slateq", SPECS["static"], 9, network=network)
    for index, agent in enumerate(alone):
        split = of_seed(at_once.state_dict(), index, len(SEEDS))
        for name, value in agent.state_dict().items():
            torch.testing.assert_close(split[name], value, rtol=1e-5, atol=1e-5)


def test_streams_of_a_seed_draw_the_same_in_any_company() -> None:
    device = torch.device("cpu")
    many, one = Streams([3, 4], device), Streams(4, device)
    assert torch.equal(many.uniform(6, 2)[3:], one.uniform(3, 2))
    assert torch.equal(many.normal(6)[3:], one.normal(3))
    assert torch.equal(many.integers(9, 6)[3:], one.integers(9, 3))
    assert torch.equal(many.permutation(5)[1], one.permutation(5)[0])
    assert torch.equal(many.slates(6, 7, 2)[3:], one.slates(3, 7, 2))
    saved = many.state()
    expected = many.uniform(2)
    many.restore(saved)
    assert torch.equal(many.uniform(2), expected)
    with pytest.raises(ValueError, match="5 rows cannot be shared by 2 seeds"):
        many.uniform(5)
