"""The DQN family reads the history of a session wherever it has networks of its own."""

from typing import Any

import pytest
import torch
from sketches import build, live, snapshot
from test_many_seeds import joined, joined_transition
from toy import Toy, ToySettings

from agents.learning.learner import LearnerSettings
from agents.networks.known_user import KnownUser
from agents.networks.reader import Reader
from agents.state import of_seed
from agents.streams import Streams
from envs.history import WithHistory
from envs.interface import Transition
from envs.vector import SlateVectorEnv

CASES: dict[str, dict[str, Any]] = {
    "dqn": {"replay": 200, "steps": 3, "priority": 0.5, "dueling": True},
    "dqn_slate": {},
    "pqn": {},
    "wolpertinger": {},
}
TRACKERS = ["totals", "gru", "attention"]


def world() -> WithHistory:
    return WithHistory(Toy(ToySettings(), device="cpu"), 4)


def make(name: str, tracker: str, seed: Any = 0) -> Any:
    settings = CASES[name] | {"history": tracker, "history_length": 4, "reward_scale": 1.0}
    return build(name, world().spec, num_users=16, seed=seed, **settings)


def test_the_known_user_is_the_state_and_what_the_tracker_makes_of_the_history() -> None:
    reader = Reader(world().spec, history=True)
    settings = LearnerSettings(history="totals", hidden=4)
    known = KnownUser(reader, history=settings.history, hidden=settings.hidden, streams=Streams(0, torch.device("cpu")))
    user_BU = torch.randn((5, reader.user_width), generator=torch.Generator().manual_seed(0))
    out = known(user_BU)
    assert out.shape == (5, known.width)
    assert torch.equal(out[:, : reader.state_width], user_BU[:, : reader.state_width])
    assert known.tracker is not None
    history_BLF = user_BU[:, reader.state_width :].unflatten(1, reader.history_shape)  # type: ignore[no-untyped-call]
    assert torch.equal(out[:, reader.state_width :], known.tracker(history_BLF))


def test_without_a_history_the_user_is_passed_on() -> None:
    known = KnownUser(Reader(world().spec), history="none", hidden=8, streams=Streams(0, torch.device("cpu")))
    user_BU = torch.ones(3, known.width)
    assert torch.equal(known(user_BU), user_BU)


@pytest.mark.parametrize("tracker", TRACKERS)
@pytest.mark.parametrize("name", CASES)
def test_every_agent_learns_through_every_tracker(name: str, tracker: str) -> None:
    agent = make(name, tracker)
    before = snapshot(agent)
    live(agent, world(), num_users=16, num_steps=12)
    after = agent.state_dict()
    learnt = [key for key in after if "tracker" in key and key.startswith("network.")]
    assert bool(learnt) == (tracker != "totals")
    if learnt:
        assert any(not torch.equal(after[key], before[key]) for key in learnt)
    assert all(value.isfinite().all() for value in after.values())


@pytest.mark.parametrize("name", CASES)
def test_what_happened_changes_what_slates_are_worth(name: str) -> None:
    agent = make(name, "gru")
    live(agent, world(), num_users=16, num_steps=30)
    env = SlateVectorEnv(world(), 64, as_tensors=True, split="train")
    observation, _ = env.reset(seed=5)
    generator = torch.Generator().manual_seed(0)
    history = torch.rand(observation["history"].shape, generator=generator) * 3
    history[..., 0] = 1.0
    network = agent.learner.network
    ours, theirs = (agent.values.best(network, observation | {"history": h})[1] for h in (history, history.flip(0)))
    assert float((ours - theirs).abs().min()) > 1e-6


@pytest.mark.parametrize("name", ["dqn_slate", "wolpertinger"])
def test_seeds_at_once_are_each_what_they_are_alone(name: str) -> None:
    seeds = [3, 8]
    at_once, alone = make(name, "gru", seeds), [make(name, "gru", seed) for seed in seeds]
    envs = [SlateVectorEnv(world(), 16, as_tensors=True, split="train") for _ in seeds]
    seen = [env.reset(seed=index)[0] for index, env in enumerate(envs)]
    for _ in range(9):
        slates = at_once.act(joined(seen), explore=True).chunk(2)
        steps = []
        for index, (env, slate_BK) in enumerate(zip(envs, slates, strict=True)):
            assert torch.equal(alone[index].act(seen[index], explore=True), slate_BK)
            following, reward_B, left_B, truncated_B, told = env.step(slate_BK)
            steps.append(
                Transition(
                    observation=seen[index],
                    slate=slate_BK,
                    response=told["response"],
                    reward=reward_B,
                    discount=(~left_B).float(),
                    last=left_B | truncated_B,
                    next_observation=told.get("final_obs", following),
                )
            )
            alone[index].update(steps[-1])
            seen[index] = following
        at_once.update(joined_transition(steps))
    for index, agent in enumerate(alone):
        split = of_seed(at_once.state_dict(), index, 2)
        for key, value in agent.state_dict().items():
            torch.testing.assert_close(split[key], value, rtol=1e-5, atol=1e-5)
