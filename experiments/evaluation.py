"""Compare an agent with every baseline on one fixed panel of users."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agents.baselines import Cosine, NoSettings, Popularity, Random
from agents.protocol import Agent
from encoders.conversion import convert
from encoders.errors import UsageError
from envs.interface import Metric
from envs.simulator import Simulator, Split, check_split
from experiments import statistics
from experiments.memory import enough_memory
from experiments.report.numbers import DIVERGED, crowd, interval, rounded, signed
from experiments.seeds import Purpose, derive_seed
from experiments.sessions import (
    SAMPLED,
    Act,
    Sessions,
    agent_policies,
    agent_policy,
    play,
    reference_policy,
    streams_kept,
)
from experiments.showing import html_table, text_table
from experiments.statistics import Estimate, Sample

METRICS = (
    Metric("return", "reward", "higher", "sum of rewards over a user's session, undiscounted"),
    Metric("length", "slates", "higher", "slates shown until the user left or time ran out"),
    Metric("ctr", "clicks / slate", "higher", "all clicks over all slates shown"),
    Metric("diversity", "1 - cosine", "neither", "1 - mean cosine of two items of one slate, mean over the session"),
    Metric(
        "recall",
        "share of slates",
        "higher",
        "slates whose candidates held the likeliest click of the whole catalogue, where the simulator can tell",
    ),
    Metric("coverage", "share", "higher", "items shown at least once over the catalogue; no interval"),
    Metric("gini", "0 to 1", "lower", "Gini coefficient of how often each item was shown; no interval"),
)
"""Measured for every policy, beside the simulator's own metrics (mean over the session): ``eval/POLICY/NAME``."""
PANEL_SEED = 1_000_003
"""Seed of the panel; the same for every run, so that the runs of two seeds meet the same test users."""
HEADS = ("policy", "return", "agent − policy", "length", "CTR", "score")
"""Of the table of an evaluation, see `Evaluation.rows`."""
NO_GAP = 0.05
"""Oracles that differ by a smaller share of their return leave no way to go."""
BASELINES: Mapping[str, Any] = {"random": Random, "popularity": Popularity, "cosine": Cosine}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Who is met at evaluation."""

    users: int = 1000
    """How many."""
    split: Split = "test"
    """Of which split."""
    seed: int = PANEL_SEED
    """Draws the users and the noise they meet."""

    def __post_init__(self) -> None:
        """Refuse what cannot be; numpy's integers become plain ones."""
        for name, least in (("users", 1), ("seed", 0)):
            value = convert(int, getattr(self, name), name)
            if value < least:
                raise UsageError(f"{name} is {value}; it has to be at least {least}")
            object.__setattr__(self, name, value)
        check_split(self.split)

    def stream(self, purpose: Purpose, *names: str) -> int:
        """Return the seed of one of its streams.

        The split has a say: many simulators draw all splits from one distribution, and with one stream validation users
        would be the test users.
        """
        return derive_seed(self.seed, purpose, self.split, *names)


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluation:
    """What every policy earned, and how the agent differs from each of the others."""

    agent: str
    policies: dict[str, dict[str, Estimate]]
    """Policy to metric to estimate."""
    paired: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    """Baseline to metric to the estimate of agent − baseline, over the same users."""
    clusters: int | None = None
    """How many raters or personas the users are drawn around, or users if they are drawn around nobody; None where a
    summary of before does not say."""
    diverged: dict[str, str] = field(default_factory=dict)
    """Policy to the reason, for the agent and its twin where learning diverged: their numbers are no result."""

    def __repr__(self) -> str:
        """Return the table that a run ends with."""
        return text_table(f"Evaluation of {self.agent}: {self.title}", HEADS, self.rows().values())

    def _repr_html_(self) -> str:
        """Return that table for a notebook."""
        rows = self.rows()
        title = f"Evaluation of {self.agent}: {self.title}"
        return html_table(title, HEADS, rows.values(), bold=[*rows].index(self.agent))

    @property
    def title(self) -> str:
        """Return who was met, and what the brackets of `rows` mean."""
        users = self.policies[self.agent]["return"].n
        return f"{crowd(users, self.clusters)}, one session each; mean [95 % interval]"

    def rows(self) -> dict[str, list[str]]:
        """Return the cells of each policy under `HEADS`, the best return last."""
        rows = {}
        returns = [estimates["return"].mean for estimates in self.policies.values()]
        number = rounded(max((abs(mean) for mean in returns if math.isfinite(mean)), default=0.0))
        for policy in sorted(
            self.policies, key=lambda name: -statistics.best_first(self.policies[name]["return"].mean)
        ):
            estimates, score = self.policies[policy], self.score(policy)
            paired = self.paired[policy]["return"] if policy in self.paired else None
            rows[policy] = [
                policy + (f" {DIVERGED}" if policy.removesuffix(SAMPLED) in self.diverged else ""),
                interval(estimates["return"], number),
                "" if paired is None else interval(paired, signed(number)),
                f"{estimates['length'].mean:.1f}",
                f"{estimates['ctr'].mean:.3f}",
                "" if score is None else f"{score:.2f}",
            ]
        return rows

    def score(self, policy: str) -> float | None:
        """Return (return − random) / (near-oracle − random), or None without those anchors."""
        if not {"random", "near_oracle", policy} <= self.policies.keys():
            return None
        values = [self.policies[name]["return"].mean for name in (policy, "random", "near_oracle")]
        return statistics.score(*values)

    def closed_gap(self) -> float | None:
        """Return the agent's share of the way from myopic oracle to near-oracle.

        None without these anchors, or where they are so near each other that a share of the way says nothing.
        """
        if not {"myopic_oracle", "near_oracle"} <= self.policies.keys():
            return None
        values = [self.policies[name]["return"].mean for name in (self.agent, "myopic_oracle", "near_oracle")]
        _, myopic, ceiling = values
        return statistics.score(*values) if ceiling - myopic > NO_GAP * abs(ceiling) else None

    def tables(self) -> dict[str, dict[str, dict[str, dict[str, float | int | None]]]]:
        """Return ``policies`` and ``paired`` as in summary.json."""
        both = {"policies": self.policies, "paired": self.paired}
        return {
            kind: {
                policy: {metric: estimate._asdict() for metric, estimate in estimates.items()}
                for policy, estimates in table.items()
            }
            for kind, table in both.items()
        }


def baselines(simulator: Simulator, panel: Panel) -> dict[str, Act]:
    """Return what every agent is compared with: fixed baselines that can play here, then reference policies."""
    spec = simulator.spec
    acts: dict[str, Act] = {}
    for name, cls in BASELINES.items():
        if all(key in spec.shapes for key in cls.NEEDS):
            seed = panel.stream("baseline", name)
            baseline = cls(spec, NoSettings(), device=simulator.device, seed=seed, num_users=1, num_steps=0)
            acts[name] = agent_policy(baseline)
    for name, policy in simulator.POLICIES.items():
        acts.setdefault(name, reference_policy(simulator, policy))
    return acts


def evaluate(
    simulator: Simulator,
    agents: Mapping[str, Agent],
    panel: Panel,
    report: Callable[[str], None] = lambda policy: None,
) -> Evaluation:
    """Play every policy on one panel, every session to its end.

    Args:
        simulator: the kernel.
        agents: name to agent; the first is the one that is compared with all the others. Of those that learn a chance
            of slates, slates drawn by it are a policy of their own, see `experiments.sessions.SAMPLED`.
        panel: who is met; every policy meets the same users and the same noise.
        report: called with the name of each policy before it plays.
    """
    own = agent_policies(agents)
    # Where two have one name, the agent's own comes first.
    others = {name: act for name, act in baselines(simulator, panel).items() if name not in own}
    with streams_kept(agents.values()):
        return compare(next(iter(agents)), play_panel(simulator, own | others, panel, report))


def play_panel(
    simulator: Simulator,
    acts: Mapping[str, Act],
    panel: Panel,
    report: Callable[[str], None] = lambda policy: None,
) -> dict[str, Sessions]:
    """Play policies on one panel; what each earns does not depend on the others."""
    played: dict[str, Sessions] = {}
    for name, act in acts.items():
        report(name)
        played[name] = play_policy(simulator, act, panel)
    return played


def play_policy(simulator: Simulator, act: Act, panel: Panel) -> Sessions:
    """Play one policy on a panel; it is drawn anew, so that nobody can write into another's users."""
    with enough_memory(panel.users):
        return play(simulator, draw_panel(simulator, panel), act, panel.stream("panel noise"))


def draw_panel(simulator: Simulator, panel: Panel) -> Any:
    """Draw the users of a panel."""
    import torch

    generator = torch.Generator(simulator.device).manual_seed(panel.stream("panel users"))
    return simulator.sample_users(panel.users, panel.split, generator)


def compare(agent: str, played: Mapping[str, Sessions]) -> Evaluation:
    """Return means, paired differences and their 95 % percentile bootstrap intervals over clusters of users."""
    samples = {(policy, name): s for policy, ended in played.items() for name, s in _samples(ended).items()}
    keyed = {f"{policy}\n{name}": sample for (policy, name), sample in samples.items()}
    cluster_n = played[agent].cluster.cpu().numpy()
    rng = np.random.default_rng(derive_seed(PANEL_SEED, "resampled users"))
    resampled = statistics.bootstrap_ratios(keyed, cluster_n, rng)
    policies: dict[str, dict[str, Estimate]] = {}
    paired: dict[str, dict[str, Estimate]] = {}
    for (policy, name), sample in samples.items():
        drawn = resampled[f"{policy}\n{name}"]
        policies.setdefault(policy, {})[name] = statistics.estimate(sample, drawn)
        if policy != agent:
            paired.setdefault(policy, {})[name] = statistics.paired_difference(
                samples[agent, name], sample, resampled[f"{agent}\n{name}"], drawn
            )
    for policy, ended in played.items():
        policies[policy] |= _exposure(ended)
    return Evaluation(agent=agent, policies=policies, paired=paired, clusters=len(np.unique(cluster_n)))


def _samples(ended: Sessions) -> dict[str, Sample]:
    totals = {name: value.cpu().numpy() for name, value in ended.totals.items()}
    length = ended.length.cpu().numpy()
    samples = {
        "return": statistics.mean_sample(totals.pop("reward")),
        "length": statistics.mean_sample(length),
        "ctr": Sample(totals.pop("clicks"), length),
    }
    return samples | {name: statistics.mean_sample(total / length) for name, total in totals.items()}


def _exposure(ended: Sessions) -> dict[str, Estimate]:
    counts = ended.exposure.cpu().numpy().astype(np.float64)
    users = len(ended.length)
    values = {"coverage": float((counts > 0).mean()), "gini": statistics.gini(counts)}
    return {name: Estimate(value, None, None, users) for name, value in values.items()}
