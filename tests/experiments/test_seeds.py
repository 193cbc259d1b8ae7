"""One integer never seeds two streams."""

import sys
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import torch
import toy

from envs.streams import Stream
from experiments import seeds
from experiments.config import resolve
from experiments.evaluation import Panel, baselines
from experiments.folder import RunFolder
from experiments.run import Run
from experiments.seeds import derive_seed
from experiments.starting import start

REPEATED = {"draw_panel", "play", "play: candidates", "sample_slates", "sample_slates: candidates"}
"""What is drawn anew for each policy, from one seed."""


@pytest.fixture
def seeded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Return a list that takes every seed given to a generator, with the name of the function that gave it."""
    seen: list[tuple[int, str]] = []

    class Recorder(torch.Generator):
        def manual_seed(self, seed: int) -> torch.Generator:
            giver = sys._getframe(1)
            if giver.f_code is not begin_anew.__code__:
                seen.append((seed, giver.f_code.co_qualname))
            elif giver.f_back is not None and giver.f_back.f_back is not None:
                seen.append((seed, f"{giver.f_back.f_back.f_code.co_qualname}: candidates"))
            return super().manual_seed(seed)

    def recorded(stream: Stream, seed: int) -> Stream:
        seen.append((seed, sys._getframe(1).f_code.co_qualname))
        return begin_anew(stream, seed)

    def recorder(seed: int) -> np.random.Generator:
        seen.append((seed, sys._getframe(1).f_code.co_qualname))
        return real(seed)

    real = np.random.default_rng
    begin_anew = Stream.manual_seed
    monkeypatch.setattr(torch, "Generator", Recorder)
    monkeypatch.setattr(Stream, "manual_seed", recorded)
    monkeypatch.setattr(np.random, "default_rng", recorder)
    return seen


@pytest.mark.parametrize(
    ("env", "agent"),
    [("toy:Toy-v0", "toy:ToyAgent"), ("toy:Toy-v0", "random"), ("slatelab/InterestEvolution-v0", "slateq")],
)
def test_no_two_generators_of_a_run_and_its_evaluation_start_equal(
    env: str, agent: str, seeded: list[tuple[int, str]], tmp_path: Any
) -> None:
    train = {"env": env, "agent": agent, "device": "cpu", "steps": 32, "num_users": 8, "eval_users": 4}
    folder = RunFolder(tmp_path / "run")
    with start(resolve({"train": train}), folder) as training:
        Run.of(folder, training).evaluate()
    givers = defaultdict(list)
    for seed, giver in seeded:
        givers[seed].append(giver)
    beside = {f"{name}: candidates" for name in ("play", "sample_slates", "SlateVectorEnv.reset")}
    met = {"draw_panel", "play", "sample_slates", "compare", "SlateVectorEnv.reset"} | beside
    assert met <= {name for _, name in seeded}
    for seed, names in givers.items():
        assert len(set(names)) == 1, (seed, names)
        assert len(names) == 1 or names[0] in REPEATED, (seed, names)


def test_random_baseline_draws_for_itself_whatever_the_panel() -> None:
    simulator = toy.Toy(toy.ToySettings(), device="cpu")
    state = simulator.start(
        simulator.sample_users(50, "test", torch.Generator()), simulator.start_noise(50, torch.Generator())
    )
    seen = simulator.observe(state)
    one, same, other = (baselines(simulator, Panel(seed=seed))["random"](state, seen) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_seeds_differ_by_seed_purpose_and_name() -> None:
    purposes = seeds.PURPOSES
    derived = [
        derive_seed(seed, purpose, *names)
        for seed in (0, 1, 1_000_003)
        for purpose in purposes
        for names in ((), ("test",), ("validation",), ("test", "random"))
    ]
    assert len(set(derived)) == len(derived) == 3 * len(purposes) * 4


def test_seeds_of_agent_and_training_users_are_those_of_earlier_versions() -> None:
    assert [derive_seed(0, "agent"), derive_seed(0, "training users")] == [2968811710, 3964924996]
