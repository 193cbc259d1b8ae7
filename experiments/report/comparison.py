"""Which finished runs may be compared, and who stands against whom."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from experiments.building import MYOPIC_TWIN
from experiments.report.numbers import marked, words
from experiments.report.runs import FinishedRun, Policies
from experiments.sessions import SAMPLED
from experiments.settings import SAME_VARIANT
from experiments.statistics import Estimate

SAME = 1e-9
"""Two runs met one panel where their baselines differ by no more."""
NAMELESS = {f"train.{name}" for name in SAME_VARIANT | {"env", "agent"}}
"""Settings that no variant of an agent is named after."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs in one environment whose baselines met the same users."""

    title: str
    """The environment, and which panel where its runs met several."""
    runs: Sequence[FinishedRun]

    @property
    def baselines(self) -> Policies:
        """Return what all runs share; a baseline that was itself trained as an agent counts as the agent."""
        agents = {run.agent for run in self.runs}
        shared = {name: estimates for run in self.runs for name, estimates in run.baselines.items()}
        return {name: estimates for name, estimates in shared.items() if name not in agents}

    @property
    def users(self) -> int:
        """Return how many test users were met."""
        return max(run.result.policies[run.agent]["return"].n for run in self.runs)

    @property
    def clusters(self) -> int | None:
        """Return how many raters or personas they are drawn around; None where no summary says so."""
        return next((run.result.clusters for run in self.runs if run.result.clusters is not None), None)

    def diverged(self) -> dict[str, list[str]]:
        """Return the reasons, run by run, under who diverged: a variant of an agent, or its twin."""
        found: dict[str, list[str]] = {}
        for label, runs in self.variants().items():
            for run in runs:
                for policy, reason in run.result.diverged.items():
                    whose = label if policy == run.agent else f"{policy} {label}"
                    found.setdefault(whose, []).append(f"`{run.name}`: {reason}")
        return found

    def variants(self) -> dict[str, list[FinishedRun]]:
        """Return the runs that differ in nothing but the seed, under the agent and what sets them apart."""
        variants: dict[str, list[FinishedRun]] = {}
        for run in self.runs:
            peers = [other.settings for other in self.runs if other.agent == run.agent]
            names = sorted({name for settings in peers for name in settings} - NAMELESS)
            differing = [name for name in names if any(peer.get(name) != peers[0].get(name) for peer in peers)]
            apart = ", ".join(f"{name.partition('.')[2]} {run.settings.get(name, 'unset')}" for name in differing)
            variants.setdefault(f"{run.agent} ({apart})" if apart else run.agent, []).append(run)
        return {label: sorted(runs, key=lambda run: run.seed) for label, runs in variants.items()}


def compare(runs: Iterable[FinishedRun]) -> list[Comparison]:
    """Gather the runs whose numbers may be compared: of one environment, with equal baselines."""
    panels: dict[str, list[list[FinishedRun]]] = {}
    for run in sorted(runs, key=lambda run: (run.env, run.encoder, run.agent, run.seed, run.name)):
        known = panels.setdefault(run.env, [])
        same = next((panel for panel in known if all(_same_panel(run, other) for other in panel)), None)
        if same is None:
            known.append([run])
        else:
            same.append(run)
    return [
        Comparison(title=title, runs=panel)
        for env, found in panels.items()
        for title, panel in zip(_titles(env, found), found, strict=True)
    ]


def _titles(env: str, panels: Sequence[Sequence[FinishedRun]]) -> list[str]:
    """Return what tells the panels of an environment apart: the encoder, or else their rank."""
    if len(panels) == 1:
        return [env]
    encoders = [{run.encoder for run in panel} for panel in panels]
    if all(len(each) == 1 for each in encoders) and len(set().union(*encoders)) == len(panels):
        return [f"{env}, {marked(min(each))}" for each in encoders]
    return [f"{env}, panel {rank} of {len(panels)}" for rank in range(1, len(panels) + 1)]


def contestants(comparison: Comparison) -> dict[str, list[Mapping[str, Estimate]]]:
    """Return the estimates of every policy.

    They are one for each seed of an agent, of its slates drawn where it learns chances, and of its twin; one of a
    baseline.
    """
    found: dict[str, list[Mapping[str, Estimate]]] = {}
    for label, runs in comparison.variants().items():
        found[label] = [run.result.policies[run.agent] for run in runs]
        drawn = [run.result.policies.get(run.agent + SAMPLED) for run in runs]
        twins = [run.result.policies[MYOPIC_TWIN] for run in runs if has_twin(run)]
        for other, estimates in ((f"sampled {label}", drawn), (f"{MYOPIC_TWIN} {label}", twins)):
            there = [each for each in estimates if each is not None]
            if there:
                found[other] = list(there)
    return found | {words(name): [estimates] for name, estimates in comparison.baselines.items()}


def has_twin(run: FinishedRun) -> bool:
    """Return whether a twin learnt beside the agent."""
    return run.agent != MYOPIC_TWIN and MYOPIC_TWIN in run.result.policies


def _same_panel(first: FinishedRun, second: FinishedRun) -> bool:
    return all(
        math.isclose(ours, theirs, rel_tol=0, abs_tol=SAME)
        for name in first.baselines.keys() & second.baselines.keys()
        for metric in ("return", "length", "ctr")
        for ours, theirs in zip(
            _numbers(first.baselines[name][metric]), _numbers(second.baselines[name][metric]), strict=True
        )
    )


def _numbers(estimate: Estimate) -> list[float]:
    return [math.inf if value is None else value for value in estimate]
