"""Print how fast agents learn on InterestEvolution-v0, on one core and in one run, beside stable-baselines3.

    python benchmarks/agent_throughput.py

Four questions, each with batch, network and updates per user-step stated:

1. Slates of one (``Discrete(M)`` for both): our DQN beside stable-baselines3's, with the return that each has reached
   on the same test users.
2. What 32 seeds at once cost beside 32 single runs.
3. How fast SlateQ trains with its preset, and what other networks cost.
4. After how many seconds of learning it reaches the best return that is published, 174.6 (Ie et al. 2019).

Contenders that are only timed take turns, so that a busy machine slows all of them; those figures are medians.
"""

import argparse
import dataclasses
import functools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import stable_baselines3
import torch
from torch import Tensor
from workers import use_one_core

from envs.interface import Observation
from envs.simulator import Simulator
from envs.wrappers import SlotBySlot, flat_floats
from experiments.config import resolve
from experiments.evaluation import Panel, play_policy
from experiments.loop import step
from experiments.sessions import Act, agent_policy
from experiments.training import Training

ENV = "slatelab/InterestEvolution-v0"
PUBLISHED = 174.6
SEEDS = 32
ONE = {"slate_size": 1}
DQN = {
    "network": "feature_heads",
    "discount": 0.99,
    "rollout": 2,
    "trace": 0.5,
    "reward_scale": 0.01,
    "average": 0.99,
}
"""Settings of our DQN; its twin with discount 0 is left out, as in all rows."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=600_000, help="user-steps of our DQN and of SlateQ")
    parser.add_argument("--peer-steps", type=int, default=60_000, help="user-steps of stable-baselines3's DQN")
    parser.add_argument("--users", type=int, default=2_000, help="test users on whom returns are measured")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"InterestEvolution-v0, {use_one_core()}")
    beside_the_peer(arguments.steps, arguments.peer_steps, arguments.users)
    seeds_at_once(arguments.turns)
    slateq(arguments.turns)
    time_to_published(arguments.steps, arguments.users)


def beside_the_peer(steps: int, peer_steps: int, users: int) -> None:
    """Train both DQNs on slates of one, and print speed and return."""
    print("\n1. DQN, slates of one of 10 candidates")
    ours = training("dqn", DQN, ONE, steps=steps)
    seconds = learn(ours)
    rate, reached = ours.user_steps / seconds, mean_return(ours.simulator, agent_policy(ours.agent), users)
    work = f"512 users, one gradient step of 1,024 rows each 1,024 user-steps, {parameters(ours)} weights"
    print(f"slatelab           {rate:>9,.0f} user-steps/s  return {reached:6.1f} after {ours.user_steps:,}   ({work})")
    peer, peer_seconds = learn_peer(peer_steps)
    peer_rate, peer_reached = peer_steps / peer_seconds, mean_return(ours.simulator, peer_policy(peer), users)
    weights = f"{sum(weight.numel() for weight in peer.q_net.parameters()):,} weights"
    peer_work = f"1 user, one gradient step of 32 rows each 4 user-steps, {weights}"
    print(
        f"stable-baselines3  {peer_rate:>9,.0f} user-steps/s  return {peer_reached:6.1f} after {peer_steps:,}"
        f"   ({peer_work})"
    )
    print(f"ratio              {rate / peer_rate:>9,.0f}")


def seeds_at_once(turns: int) -> None:
    """Print what 32 seeds at once cost."""
    users = 32
    print(f"\n2. {SEEDS} seeds of DQN, {users} users each, one gradient step of 64 rows each 64 user-steps")
    small = DQN | {"minibatch": 2 * users}
    single = training("dqn", small, ONE, num_users=users)
    many = training("dqn", small, ONE, num_users=users, seeds=range(SEEDS))
    rates = in_turns({"one": single, "many": many}, turns, rounds=40)
    one, at_once = 1 / rates["one"], 1 / rates["many"]
    print(f"one seed           {1e3 * one:>9.2f} ms a step of all users")
    print(f"{SEEDS} seeds at once  {1e3 * at_once:>9.2f} ms, {at_once / (SEEDS * one):.2f} of {SEEDS} single runs")


def slateq(turns: int) -> None:
    """Print the speed of SlateQ with its preset and with other networks."""
    print(
        "\n3. SlateQ with its preset, slates of three, 512 users, one gradient step of 1,024 rows each 1,024 user-steps"
    )
    networks = ("feature_heads", "two_tower", "action_in")
    trainings = {name: training("slateq", {"network": name}, {}) for name in networks}
    alone = training("random", {}, {})
    rates = in_turns(trainings | {"random": alone}, turns, rounds=40)
    for name, made in (trainings | {"random": alone}).items():
        rate = 512 * rates[name]
        weights = f"{parameters(made)} weights" if name in trainings else "the environment alone"
        print(f"{name:<18} {rate:>9,.0f} user-steps/s  ({weights})")


def time_to_published(steps: int, users: int) -> None:
    """Print after how many seconds of learning SlateQ has reached what is published."""
    print(f"\n4. SlateQ with its preset, until its return on {users:,} validation users is {PUBLISHED}")
    made, seconds = training("slateq", {}, {}, steps=steps), 0.0
    while made.step_count < made.settings.num_steps:
        seconds += timed(lambda: advance(made, 20))
        reached = mean_return(made.simulator, agent_policy(made.agent), users, split="validation")
        if reached >= PUBLISHED:
            print(f"{seconds:.1f} s of learning, {made.user_steps:,} user-steps: return {reached:.1f}")
            return
    print(f"not reached after {made.user_steps:,} user-steps")


def training(
    agent: str,
    settings: Mapping[str, Any],
    env: Mapping[str, Any],
    *,
    steps: int = 10_000_000,
    num_users: int = 512,
    seeds: Sequence[int] = (0,),
) -> Training:
    """Return a training at its first step, without a twin."""
    train = {"env": ENV, "agent": agent, "steps": steps, "num_users": num_users, "device": "cpu"}
    run = resolve({"train": train | {"myopic_companion": False}, "agent": dict(settings), "env": dict(env)})
    return Training([dataclasses.replace(run, train=dataclasses.replace(run.train, seed=seed)) for seed in seeds])


def learn(made: Training) -> float:
    """Train to the end; return the seconds."""
    return timed(lambda: advance(made, made.settings.num_steps))


def learn_peer(steps: int) -> tuple[stable_baselines3.DQN, float]:
    """Train stable-baselines3's DQN with its own defaults but for the start; return it and the seconds."""
    env = flat_floats(SlotBySlot(gym.make(f"envs:{ENV}", slate_size=1)))
    peer = stable_baselines3.DQN(
        "MlpPolicy",
        env,
        learning_rate=1e-3,
        learning_starts=1_000,
        target_update_interval=1_000,
        policy_kwargs={"net_arch": [128, 128]},
        seed=0,
        device="cpu",
    )
    return peer, timed(lambda: peer.learn(steps))


def peer_policy(peer: stable_baselines3.DQN) -> Act:
    """Return stable-baselines3's agent as a policy of whole batches."""
    slot = np.ones((1, 1), dtype=np.float32)

    def act(state: Any, observation: Observation) -> Tensor:
        batch = len(observation["user"])
        marked = {name: value.numpy().reshape(batch, -1) for name, value in observation.items()}
        marked |= {"taken": np.zeros((batch, marked["candidates"].shape[1] // 20), np.float32)}
        marked |= {"slot": np.repeat(slot, batch, axis=0)}
        flat = np.concatenate([marked[name] for name in sorted(marked)], axis=1)
        actions, _ = peer.predict(flat, deterministic=True)
        return torch.from_numpy(actions).unsqueeze(1)

    return act


def mean_return(simulator: Simulator, act: Act, users: int, split: Any = "test") -> float:
    """Return the mean return of a policy over users of a split."""
    panel = Panel(users=users, split=split)
    return float(play_policy(simulator, act, panel).totals["reward"].mean())


def in_turns(trainings: Mapping[str, Training], turns: int, rounds: int) -> dict[str, float]:
    """Return steps of all users a second, medians over turns; the first turn warms up."""
    rates: dict[str, list[float]] = {name: [] for name in trainings}
    for turn in range(turns + 1):
        for name, made in trainings.items():
            seconds = timed(functools.partial(advance, made, rounds))
            if turn:
                rates[name].append(rounds / seconds)
    return {name: statistics.median(measured) for name, measured in rates.items()}


def advance(made: Training, rounds: int) -> None:
    """Take some steps of all users."""
    for _ in range(rounds):
        step(made)


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def parameters(made: Training) -> str:
    """Return the number of an agent's weights."""
    agent: Any = made.agent
    return f"{sum(weight.numel() for weight in agent.learner.network.parameters()):,}"


if __name__ == "__main__":
    main()
