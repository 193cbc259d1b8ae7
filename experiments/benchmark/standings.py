"""Who stands where in one environment: returns, scores and differences, with intervals over users and seeds.

All policies of an environment met one panel. Clusters of users are drawn once for all of them, so that differences are
paired, and the seeds of an agent are drawn on top of that (`experiments.statistics.resample_runs`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from experiments import statistics
from experiments.evaluation import PANEL_SEED
from experiments.seeds import derive_seed
from experiments.statistics import Estimate, Floats, Ints, best_first, mean_sample

MYOPIC, TWIN, HAND_RULE = "myopic", "twin", "hand_rule"
"""Whom each agent is compared with: the agent `myopic`, its own twin with discount 0, the reference policy."""
FLOOR, CEILING = "random", "near_oracle"


@dataclass(frozen=True, kw_only=True)
class Earned:
    """What one policy earned on the panel."""

    returns: Floats
    """(n,), of each user."""
    cluster: Ints
    """(n,), whom each user was drawn around; the same for all policies."""
    length: float
    """Slates a session."""
    ctr: float
    """Clicks a slate."""


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """An agent in one environment."""

    runs: Sequence[Earned]
    """Of each seed."""
    twins: Sequence[Earned] = ()
    """What the twin of each seed earned, or nothing."""


class Draws(NamedTuple):
    """A quantity of S runs as it was measured, and as it was resampled."""

    measured: Floats
    """(S,)"""
    drawn: Floats
    """(resamples, S)"""

    def mean(self) -> "Draws":
        """Return the mean over runs, as if it were one run."""
        return Draws(self.measured.mean(keepdims=True), self.drawn.mean(axis=1, keepdims=True))

    def minus(self, other: "Draws") -> "Draws":
        """Return the difference of each run to a quantity of one run, or of as many."""
        return Draws(self.measured - other.measured, self.drawn - other.drawn)

    def over(self, other: "Draws") -> "Draws":
        """Return the ratio of each run to a quantity of one run."""
        return Draws(self.measured / other.measured, self.drawn / other.drawn)

    def estimate(self, n: int) -> Estimate:
        """Return the mean over runs with its 95 % interval."""
        measured, drawn = self.mean()
        return Estimate(float(measured[0]), *statistics.percentile_interval(drawn[:, 0]), n)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a policy stands in one environment."""

    name: str
    seeds: int
    """Runs; 0 of a policy that is no agent."""
    returned: Estimate
    length: float
    ctr: float
    score: Estimate | None
    """None where there is no random or near-oracle, or the one is not clearly above the other."""
    scores: Draws | None
    """Of each run."""
    differences: Mapping[str, Estimate] = field(default_factory=dict)
    """Rival to the paired difference of returns."""
    runs: Sequence[Estimate] = ()
    """The return of each seed, with an interval over users alone."""


def standings(env: str, agents: Mapping[str, Entrant], baselines: Mapping[str, Earned]) -> list[Standing]:
    """Compare everybody who met the panel of one environment.

    Args:
        env: its id, which decides how users and seeds are drawn.
        agents: name to runs.
        baselines: policy to what it earned; one that plays as an agent too counts as the agent.

    Returns:
        The best first.
    """
    drawn = _Drawn(env, agents, baselines)
    found = [drawn.agent(name, entrant, agents) for name, entrant in agents.items()]
    found += [drawn.baseline(name, earned) for name, earned in baselines.items() if name not in agents]
    return sorted(found, key=lambda standing: best_first(standing.returned.mean))


def everybody(agents: Mapping[str, Entrant], baselines: Mapping[str, Earned]) -> list[Earned]:
    """Return what all runs and policies earned."""
    return [*baselines.values(), *(run for entrant in agents.values() for run in entrant.runs)]


def interquartile(scores: Sequence[Draws]) -> Estimate:
    """Return the interquartile mean of scores over all runs in all environments, with its 95 % interval."""
    point = statistics.interquartile_mean(np.concatenate([each.measured for each in scores]))
    drawn_b = statistics.interquartile_mean(np.concatenate([each.drawn for each in scores], axis=1))
    return Estimate(float(point), *statistics.percentile_interval(drawn_b), sum(len(each.measured) for each in scores))


class _Drawn:
    """The returns in one environment with their resamples."""

    def __init__(self, env: str, agents: Mapping[str, Entrant], baselines: Mapping[str, Earned]) -> None:
        self.env = env
        self.returns = {f"policy {name}": earned.returns for name, earned in baselines.items()}
        for name, entrant in agents.items():
            self.returns |= {f"run {index} of {name}": run.returns for index, run in enumerate(entrant.runs)}
            self.returns |= {f"twin {index} of {name}": twin.returns for index, twin in enumerate(entrant.twins)}
        samples = {key: mean_sample(values) for key, values in self.returns.items()}
        rng = np.random.default_rng(derive_seed(PANEL_SEED, "resampled users", env))
        met = everybody(agents, baselines)
        self.resampled = statistics.bootstrap_ratios(samples, met[0].cluster, rng) if met else {}
        self.gap = self._gap()

    def agent(self, name: str, entrant: Entrant, agents: Mapping[str, Entrant]) -> Standing:
        """Return how an agent stands."""
        runs, users = self._runs(name, entrant.runs), len(entrant.runs[0].returns)
        rivals: dict[str, Draws] = {}
        if name != MYOPIC and MYOPIC in agents:
            rivals[MYOPIC] = self._runs(MYOPIC, agents[MYOPIC].runs)
        if entrant.twins:
            rivals[TWIN] = self._runs(name, entrant.twins, "twin")
        if f"policy {HAND_RULE}" in self.returns:
            rivals[HAND_RULE] = self._policy(HAND_RULE)
        keys = [f"run {index} of {name}" for index in range(len(entrant.runs))]
        scores = self._scores(runs)
        return Standing(
            name=name,
            seeds=len(entrant.runs),
            returned=runs.estimate(users),
            length=float(np.mean([run.length for run in entrant.runs])),
            ctr=float(np.mean([run.ctr for run in entrant.runs])),
            score=None if scores is None else scores.estimate(users),
            scores=scores,
            differences={rival: runs.mean().minus(draws.mean()).estimate(users) for rival, draws in rivals.items()},
            runs=[self._draws([key]).estimate(users) for key in keys],
        )

    def baseline(self, name: str, earned: Earned) -> Standing:
        """Return how a policy stands that is no agent."""
        draws, users = self._policy(name), len(earned.returns)
        scores = self._scores(draws)
        return Standing(
            name=name,
            seeds=0,
            returned=draws.estimate(users),
            length=earned.length,
            ctr=earned.ctr,
            score=None if scores is None else scores.estimate(users),
            scores=scores,
        )

    def _runs(self, agent: str, runs: Sequence[Earned], kind: str = "run") -> Draws:
        """Return the runs of an agent, or their twins, which are drawn as the runs are."""
        draws = self._draws([f"{kind} {index} of {agent}" for index in range(len(runs))])
        rng = np.random.default_rng(derive_seed(PANEL_SEED, "resampled runs", self.env, agent))
        return draws._replace(drawn=statistics.resample_runs(draws.drawn, rng))

    def _policy(self, name: str) -> Draws:
        return self._draws([f"policy {name}"])

    def _draws(self, keys: Sequence[str]) -> Draws:
        measured_S = np.array([self.returns[key].mean() for key in keys])
        return Draws(measured_S, np.stack([self.resampled[key] for key in keys], axis=1))

    def _gap(self) -> Draws | None:
        """Return near-oracle less random; None unless it is clearly above zero."""
        if not {f"policy {FLOOR}", f"policy {CEILING}"} <= self.returns.keys():
            return None
        gap = self._policy(CEILING).minus(self._policy(FLOOR))
        low = gap.estimate(0).ci_low
        return gap if low is not None and low > 0 else None

    def _scores(self, draws: Draws) -> Draws | None:
        return None if self.gap is None else draws.minus(self._policy(FLOOR)).over(self.gap)
