"""Print returns of simple policies in RecSim and SARDINE beside ours, as a Markdown table.

    python benchmarks/reference_comparison.py [--episodes 1000] [--peers-dir FOLDER]

Theirs are played as they come from the package index, in an environment of their own, which the first run installs.
Means have 95 % intervals (normal); the last columns are the difference ours − theirs, its interval, and whether that
covers 0, which by chance it does not in one row of twenty. Policies of one setting share their random numbers, so
the rows of a setting err together; theirs and ours are independent.

Known deviations of the references from the papers, and what is done about them:

* SARDINE's package shows a random slate before the session, whose clicks are not counted but can bore; ours starts
  without one.
* SARDINE's item vectors are part of its package; one pair of rows gives them to ours, the other has our catalogue.
* SARDINE's package moves a taste to a constant vector where the paper moves it to the mean of the clicked ones; that
  is off in SlateTopK-Bored.
* RecSim never ends a session of interest exploration; both sides are cut after 100 slates.
* RecSim's code calls 0.1 the variance of a video's quality and uses it as the standard deviation; so do we.
"""

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from json_lines import Worker
from scipy.stats import norm
from torch import Tensor
from workers import default_peers_dir, start_peers

from envs.boredom.settings import BoredomSettings
from envs.boredom.simulator import Boredom
from envs.interface import Observation
from envs.recsim.interest_evolution import InterestEvolution
from envs.recsim.interest_exploration import InterestExploration
from envs.recsim.long_term_satisfaction import LongTermSatisfaction
from envs.simulator import Simulator, State
from envs.slates import random_slate
from experiments.sessions import Act, play, reference_policy

Z = float(norm.ppf(0.975))


class Returns(NamedTuple):
    """Mean return and its standard error."""

    mean: float
    error: float

    @staticmethod
    def of(values: Any) -> "Returns":
        """Summarise the returns of independent sessions."""
        array = np.asarray(values, dtype=np.float64)
        return Returns(float(array.mean()), float(array.std(ddof=1) / len(array) ** 0.5))

    def __str__(self) -> str:
        """Show the mean and half of its 95 % interval."""
        return f"{self.mean:.2f} ± {Z * self.error:.2f}"


class Row(NamedTuple):
    """One policy in one environment, there and here."""

    setting: str
    policy: str
    call: dict[str, Any]
    """What the peers are asked."""
    simulator: Simulator
    ours: str
    """``random`` or the name of a reference policy."""


def recsim_rows() -> list[Row]:
    """Return what is compared with RecSim."""
    rows = []
    for slate in (1, 2, 3):
        evolution = InterestEvolution(InterestEvolution.Settings(slate_size=slate), "cpu")
        call = {"env": "interest_evolution", "slate_size": slate}
        setting = f"InterestEvolution, M 10, K {slate}, minutes"
        rows += [
            Row(setting, "random", call | {"policy": "random"}, evolution, "random"),
            Row(setting, "greedy, by true affinity", call | {"policy": "affinity"}, evolution, "myopic_oracle"),
        ]
    exploration = InterestExploration(InterestExploration.Settings(), "cpu")
    call = {"env": "interest_exploration", "slate_size": 2, "limit": 100}
    setting = "InterestExploration, M 10, K 2, clicks of 100 slates"
    rows += [
        Row(setting, "random", call | {"policy": "random"}, exploration, "random"),
        Row(setting, "by quality", call | {"policy": "quality"}, exploration, "hand_rule"),
        Row(setting, "greedy, by true affinity", call | {"policy": "affinity"}, exploration, "myopic_oracle"),
    ]
    satisfaction = LongTermSatisfaction(LongTermSatisfaction.Settings(), "cpu")
    call = {"env": "long_term_satisfaction", "slate_size": 1}
    setting = "LongTermSatisfaction, M 10, K 1, engagement of 60 slates"
    rows += [
        Row(setting, "random", call | {"policy": "random"}, satisfaction, "random"),
        Row(setting, "greedy, most clickbait", call | {"policy": "most clickbait"}, satisfaction, "myopic_oracle"),
        Row(setting, "least clickbait", call | {"policy": "least clickbait"}, satisfaction, "hand_rule"),
    ]
    return rows


def sardine_rows(items: list[list[float]]) -> list[Row]:
    """Return what is compared with SARDINE, by the package's own items and by ours."""

    class WithTheirItems(Boredom):
        """Boredom with the item vectors of the package."""

        def load_items(self) -> Tensor:
            """Return them."""
            return torch.tensor(items)

    kinds = {"their items": WithTheirItems(BoredomSettings(), "cpu"), "our items": Boredom(BoredomSettings(), "cpu")}
    rows = []
    for kind, simulator in kinds.items():
        setting = f"SlateTopK-Bored, {kind}, clicks of 100 slates"
        for policy, ours in (("random", "random"), ("greedy, by true relevance", "myopic_oracle")):
            rows.append(Row(setting, policy, {"env": "sardine", "policy": policy}, simulator, ours))
    return rows


def our_returns(simulator: Simulator, policy: str, sessions: int) -> Returns:
    """Play a policy with users of the test split."""
    act: Act
    if policy == "random":
        spec, generator = simulator.spec, torch.Generator().manual_seed(2)

        def shuffle(state: State, observation: Observation) -> Tensor:
            return random_slate(len(state["response"]), spec.num_candidates, spec.slate_size, generator)

        act = shuffle
    else:
        act = reference_policy(simulator, simulator.POLICIES[policy])
    return Returns.of(in_parts(simulator, act, sessions))


def in_parts(simulator: Simulator, act: Act, sessions: int, part: int = 1_000) -> np.ndarray:
    """Return what each session earned; many users at once with a thousand candidates would not fit."""
    earned = []
    for seed in range(0, sessions, part):
        users = simulator.sample_users(min(part, sessions - seed), "test", torch.Generator().manual_seed(seed))
        earned.append(play(simulator, users, act, seed + 1).totals["reward"].numpy())
    return np.concatenate(earned)


def their_returns(peers: Worker, call: dict[str, Any], episodes: int, known: dict[str, Returns]) -> Returns:
    """Ask the peers, once for each question."""
    question = str(sorted(call.items()))
    if question not in known:
        known[question] = Returns.of(peers.ask("returns", episodes=episodes, **call))
    return known[question]


def line(row: Row, theirs: Returns, ours: Returns) -> str:
    """Return a row of the table."""
    difference = ours.mean - theirs.mean
    half = Z * (theirs.error**2 + ours.error**2) ** 0.5
    covers = "yes" if abs(difference) <= half else "**no**"
    interval = f"[{difference - half:+.2f}, {difference + half:+.2f}]"
    return f"| {row.setting} | {row.policy} | {theirs} | {ours} | {difference:+.2f} | {interval} | {covers} |"


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=1_000, help="sessions of each policy there (default 1000)")
    parser.add_argument("--our-episodes", type=int, default=10_000, help="sessions of each policy here (default 10000)")
    parser.add_argument("--peers-dir", type=Path, default=default_peers_dir(), help="where the peers are installed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    began = time.perf_counter()
    known: dict[str, Returns] = {}
    with start_peers(options.peers_dir) as peers:
        print(f"{options.episodes:,} sessions of each policy there, {options.our_episodes:,} here\n")
        print("| setting | policy | theirs | ours | difference | 95 % interval | covers 0 |")
        print("|---|---|---:|---:|---:|---:|---|", flush=True)
        for row in [*recsim_rows(), *sardine_rows(peers.ask("sardine_items"))]:
            theirs = their_returns(peers, row.call, options.episodes, known)
            print(line(row, theirs, our_returns(row.simulator, row.ours, options.our_episodes)), flush=True)
    print(f"\n{time.perf_counter() - began:,.0f} seconds")


if __name__ == "__main__":
    main()
