"""The table that a run ends with."""

from rich import box
from rich.table import Table

from experiments.benchmark.scoreboard import Scoreboard
from experiments.evaluation import Evaluation
from experiments.report.numbers import DIVERGED, Numeral, crowd, few, interval, signed, two_decimals
from experiments.statistics import Estimate, best_first
from experiments.verbs.terminal import PIPED_WIDTH, console


def print_evaluation(result: Evaluation) -> None:
    """Print every policy, best return last, and how far the agent came."""
    out = console()
    out.print(_table(result, narrow=out.width < PIPED_WIDTH - 10))
    users = result.policies[result.agent]["return"].n
    if warning := few(users, result.clusters):
        out.print(warning)
    for policy, reason in result.diverged.items():
        out.print(f"{DIVERGED} {policy} diverged, so its numbers are no result: {reason}.")
    closed = result.closed_gap()
    if closed is None or result.agent in result.diverged:
        return
    if closed < 0:
        out.print(f"{result.agent} earns less than the myopic oracle.")
    else:
        out.print(f"{result.agent} closes {closed:.0%} of the way from the myopic oracle to the near-oracle.")


def print_scores(board: Scoreboard) -> None:
    """Print the aggregate of every agent of a benchmark, the best first."""
    table = Table(
        title="scores: 0 random, 1 near-oracle",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("agent", overflow="fold")
    for name in ("interquartile mean", "environments"):
        table.add_column(name, justify="right")
    for agent, overall in board.overall().items():
        estimate, environments = overall or (None, 0)
        table.add_row(agent, "n/a" if estimate is None else _interval(estimate), str(environments))
    console().print(table)


def _table(result: Evaluation, narrow: bool) -> Table:
    users = result.policies[result.agent]["return"].n
    table = Table(
        title=f"{crowd(users, result.clusters)}, one session each; mean [95 % interval]",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("policy", overflow="fold")
    for name in ("return", "agent − policy"):
        table.add_column(name, justify="right", no_wrap=not narrow, overflow="fold")
    for name in ("length", "CTR", "score"):
        table.add_column(name, justify="right", no_wrap=True)
    for policy in sorted(result.policies, key=lambda name: -best_first(result.policies[name]["return"].mean)):
        estimates = result.policies[policy]
        score = result.score(policy)
        table.add_row(
            policy + (f" {DIVERGED}" if policy in result.diverged else ""),
            _interval(estimates["return"]),
            _interval(result.paired[policy]["return"], signed(two_decimals)) if policy in result.paired else "",
            f"{estimates['length'].mean:.1f}",
            f"{estimates['ctr'].mean:.3f}",
            "" if score is None else f"{score:.2f}",
            style="bold" if policy == result.agent else None,
        )
    return table


def _interval(estimate: Estimate, numeral: Numeral = two_decimals) -> str:
    # An escaped bracket: rich takes an open one for markup.
    return interval(estimate, numeral).replace("[", "\\[")
