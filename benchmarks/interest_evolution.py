"""Train SlateQ in its forms on InterestEvolution-v0 and print the table of docs/results.md.

    python benchmarks/interest_evolution.py [--only memoryless history] [--seeds 5]

Slates of 3 out of 10, budget hidden unless said, the choice model given as in the paper unless it says learnt (Ie et
al. 2019, arXiv 1905.12767, whose best agent has 174.6). The seeds of a row are trained at once on one thread and each
is played on the same test users; intervals resample seeds and users. Seconds are those of one seed: the time of all,
shared.
"""

import argparse
import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from experiments import statistics
from experiments.building import build_kernel
from experiments.config import resolve
from experiments.evaluation import Panel, play_policy
from experiments.loop import step
from experiments.sessions import agent_policy, reference_policy
from experiments.training import Training

ENV = "slatelab/InterestEvolution-v0"
EARLY = 300_000
"""User-steps after which returns are told too: the paper's budget."""
HISTORY = {"history": "totals", "discount": 1.0, "rollout": 8, "trace": 0.9}
OBSERVED = {"discount": 1.0, "rollout": 8, "trace": 0.9}


class Row(NamedTuple):
    """One form of the agent."""

    label: str
    agent: Mapping[str, Any]
    env: Mapping[str, Any] = {}
    steps: int = 0
    """User-steps of each seed; 0 for those of the preset."""
    name: str = "slateq_given"
    """Of the agent, whose preset is used."""


ROWS = {
    "published_form": Row("SlateQ without the value of no click, as published", {"no_click_value": False}),
    "memoryless": Row("SlateQ, choice model given (the preset of `slateq_given`)", {}),
    "preset": Row("SlateQ, choice model learnt by match (the preset of `slateq`)", {}, name="slateq"),
    "latest_weights": Row("the same, acting with its latest weights", {"average": 0.0}),
    "history": Row("SlateQ with the totals of its session", HISTORY, steps=1_200_000),
    "gru": Row("SlateQ with a GRU over its last 8 events", HISTORY | {"history": "gru", "history_length": 8}),
    "budget": Row("SlateQ, budget observed", OBSERVED, {"observe_budget": True}, steps=1_200_000),
    "two_tower": Row("SlateQ, two-tower network", {"network": "two_tower"}),
    "action_in": Row("SlateQ, action-in network", {"network": "action_in"}),
    "learnt_choice": Row("SlateQ, choice model learnt by a head", {"choice": "learnt"}, name="slateq"),
    "wrong_choice": Row(
        "SlateQ, choice model given and wrong (a logit)", {"choice": "multinomial_logit", "no_click_score": 0.0}
    ),
    "top_k": Row("SlateQ, top-K slates", {"slate": "top_k"}),
    "greedy": Row("SlateQ, greedy slates", {"slate": "greedy"}),
    "sarsa": Row("SlateQ, SARSA targets", {"target": "sarsa"}),
}
"""Name to row; what a row does not set is the preset's."""


def main() -> None:
    """Train, play, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--users", type=int, default=2_000, help="test users that every seed meets")
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    panel = Panel(users=arguments.users, split=arguments.split)
    print(f"{arguments.seeds} seeds, {panel.users:,} {panel.split} users")
    print(f"| | return [95 %] | by seed | after {EARLY:,} user-steps | user-steps | seconds a seed |")
    print("|---|---|---|---:|---:|---:|", flush=True)
    references(panel)
    for name in arguments.only:
        row_of(ROWS[name], arguments.seeds, panel)


def references(panel: Panel) -> None:
    """Print the policies that do not learn."""
    run = resolve({"train": {"env": ENV, "device": "cpu"}})
    simulator = build_kernel(run)
    for name, policy in simulator.POLICIES.items():
        returns_U = play_policy(simulator, reference_policy(simulator, policy), panel)
        told = interval(returns_U.totals["reward"].numpy()[None])
        print(f"| {name.replace('_', ' ')} | {told} | | | | |", flush=True)


def row_of(row: Row, seeds: int, panel: Panel) -> None:
    """Train the seeds of a row and print it."""
    train = {"env": ENV, "agent": row.name, "device": "cpu", "myopic_companion": False}
    if row.steps:
        train["steps"] = row.steps
    run = resolve({"train": train, "agent": dict(row.agent), "env": dict(row.env)})
    runs = [dataclasses.replace(run, train=dataclasses.replace(run.train, seed=seed)) for seed in range(seeds)]
    training = Training(runs)
    early = ""
    while not training.finished:
        step(training)
        if training.step_count == -(-EARLY // run.train.num_users):
            early = f"{returns(training, panel).mean():.1f}"
    returns_SU = returns(training, panel)
    each = ", ".join(f"{mean:.1f}" for mean in returns_SU.mean(axis=1))
    took = f"{training.user_steps:,} | {training.train_seconds:.0f}"
    print(f"| {row.label} | {interval(returns_SU)} | {each} | {early} | {took} |", flush=True)


def returns(training: Training, panel: Panel) -> statistics.Floats:
    """Return what every seed earns with every user of a panel, (S, U)."""
    played = []
    for seed in training.seeds():
        ended = play_policy(training.simulator, agent_policy(seed.agent), panel)
        played.append(ended.totals["reward"].numpy())
    return np.stack(played)


def interval(returns_SU: statistics.Floats) -> str:
    """Return the mean with its 95 % percentile interval, seeds and users resampled."""
    rng, (seeds, users) = np.random.default_rng(0), returns_SU.shape
    means = [
        returns_SU[rng.integers(seeds, size=seeds)].mean(axis=0)[rng.integers(users, size=users)].mean()
        for _ in range(statistics.RESAMPLES)
    ]
    low, high = statistics.percentile_interval(np.array(means))
    return f"{returns_SU.mean():.1f} [{low:.1f}, {high:.1f}]"


if __name__ == "__main__":
    main()
