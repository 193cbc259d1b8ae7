"""The page results.md: who earned what, run by run, in Markdown."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from experiments.building import MYOPIC_TWIN
from experiments.report.comparison import Comparison, contestants
from experiments.report.numbers import (
    DIVERGED,
    NONE,
    Numeral,
    crowd,
    few,
    interval,
    markdown_table,
    rounded,
    signed,
    words,
)
from experiments.report.runs import FinishedRun
from experiments.statistics import Estimate, best_first, score

RIVALS = ("popularity", "cosine", MYOPIC_TWIN, "myopic_oracle")
"""Whom each run is compared with, user by user."""
READING = f"""\
* **Return**: mean over test users of the rewards of a whole session, with its 95 % bootstrap interval over users, or
  over the raters or personas they are drawn around. An agent of several seeds has the mean over its seeds
  (lowest–highest).
* **Score**: 0 is random, 1 the near-oracle. **Length**: slates a session. **CTR**: clicks over slates shown.
* **− popularity** and the like: the agent's return less the rival's on the same users; bold where the 95 % interval
  lies above zero. *{MYOPIC_TWIN}* is the agent's twin with discount 0, trained on the same steps.
* *sampled* before an agent's name: the same weights, with slates drawn from the policy instead of its likeliest.
* **Gap closed**: the way from the myopic oracle (0%) to the near-oracle (100%); {NONE} where one is missing or the two
  are as good as equal.
* **Return while learning** begins when every training user's first session has ended, since those that end first are
  the short ones; each point is over as many sessions as there are users, or more."""
"""How to read the tables."""


def results_page(comparisons: Sequence[Comparison], unfinished: Sequence[str], command: str) -> str:
    """Return the whole page."""
    runs = [run for comparison in comparisons for run in comparison.runs]
    blocks = ["# Results", f"Made by `{command}` from {_names(run.name for run in runs)}."]
    if unfinished:
        blocks.append(f"Left out, since they have no summary: {_names(unfinished)}.")
    blocks += ["![Mean return of every policy](returns.png)", "![Return while learning](learning.png)"]
    without = [run.name for run in runs if not run.curve]
    if without:
        blocks.append(f"Without a return in metrics.csv, so not among the learning curves: {_names(without)}.")
    if len({run.env for run in runs}) < len(comparisons):
        blocks.append(
            "**The panels differ**: some runs in one environment met other users or other settings of it, since "
            "their baselines are not equal. Each panel has its own tables; compare within one only."
        )
    blocks.append(READING)
    for comparison in comparisons:
        users, clusters = comparison.users, comparison.clusters
        met = f"{crowd(users, clusters, 'test users')}, one session each. {few(users, clusters)}".rstrip()
        blocks += [f"## {comparison.title}", met, policies_table(comparison), runs_table(comparison)]
        blocks += [
            f"* {DIVERGED} {whose} diverged, so its numbers are no result. {reason}."
            for whose, reasons in comparison.diverged().items()
            for reason in reasons
        ]
    return "\n\n".join(blocks) + "\n"


def policies_table(comparison: Comparison) -> str:
    """Return a row for each policy, best first; the seeds of an agent share one."""
    numeral = _numeral(comparison)
    anchors = [_mean(comparison, name) for name in ("random", "near_oracle")]
    rows = []
    for label, seeds in contestants(comparison).items():
        returned = fmean(estimates["return"].mean for estimates in seeds)
        agent = label in comparison.variants()
        cells = [
            (f"**{label}**" if agent else label) + _mark(comparison, label),
            interval(seeds[0]["return"], numeral) if len(seeds) == 1 else _over_seeds(seeds, numeral),
            f"{fmean(estimates['length'].mean for estimates in seeds):.1f}",
            f"{fmean(estimates['ctr'].mean for estimates in seeds):.3f}",
            _score(returned, anchors),
        ]
        rows.append((returned, cells))
    ordered = [cells for _, cells in sorted(rows, key=lambda row: best_first(row[0]))]
    return markdown_table(["policy", "return", "length", "CTR", "score"], ordered)


def runs_table(comparison: Comparison) -> str:
    """Return a row for each run, compared with its rivals."""
    numeral = _numeral(comparison)
    rows = []
    for label, runs in comparison.variants().items():
        for run in runs:
            closed = run.result.closed_gap()
            speed = run.steps_per_second
            rows.append(
                [
                    label + (f" {DIVERGED}" if run.agent in run.result.diverged else ""),
                    str(run.seed),
                    f"{run.user_steps:,}",
                    f"{run.train_seconds / 60:.1f}",
                    NONE if speed is None else f"{speed:,.0f}",
                    interval(run.result.policies[run.agent]["return"], numeral),
                    *(_difference(run, rival, numeral) for rival in RIVALS),
                    NONE if closed is None else f"{closed:z.0%}",
                ]
            )
    rivals = [f"− {words(rival)}" for rival in RIVALS]
    heads = ["agent", "seed", "user-steps", "train minutes", "user-steps/s", "return", *rivals, "gap closed"]
    return markdown_table(heads, rows)


def _mark(comparison: Comparison, label: str) -> str:
    return f" {DIVERGED}" if label in comparison.diverged() else ""


def _numeral(comparison: Comparison) -> Numeral:
    means = [estimates["return"].mean for seeds in contestants(comparison).values() for estimates in seeds]
    return rounded(max(map(abs, filter(math.isfinite, means)), default=0.0))


def _over_seeds(seeds: Iterable[Mapping[str, Estimate]], numeral: Numeral) -> str:
    means = [estimates["return"].mean for estimates in seeds]
    return f"{numeral(fmean(means))} ({numeral(min(means))}–{numeral(max(means))} over {len(means)} seeds)"


def _difference(run: FinishedRun, rival: str, numeral: Numeral) -> str:
    if rival not in run.result.paired:
        return NONE
    estimate = run.result.paired[rival]["return"]
    text = interval(estimate, signed(numeral))
    return f"**{text}**" if estimate.ci_low is not None and estimate.ci_low > 0 else text


def _mean(comparison: Comparison, policy: str) -> float | None:
    found = [run.result.policies[policy]["return"].mean for run in comparison.runs if policy in run.result.policies]
    return found[0] if found else None


def _score(returned: float, anchors: Sequence[float | None]) -> str:
    floor, ceiling = anchors
    value = None if floor is None or ceiling is None else score(returned, floor, ceiling)
    return NONE if value is None else f"{value:z.2f}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
