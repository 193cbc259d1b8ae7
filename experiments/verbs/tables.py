"""The table that a run ends with."""

from rich import box
from rich.markup import escape
from rich.table import Table

from experiments.benchmark.scoreboard import Scoreboard
from experiments.evaluation import HEADS, Evaluation
from experiments.report.numbers import DIVERGED, few, interval, marked, two_decimals
from experiments.statistics import Estimate
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
    by_encoder = board.by_encoder()
    for name in ("encoder", "agent") if len(by_encoder) > 1 else ("agent",):
        table.add_column(name, overflow="fold")
    for name in ("interquartile mean", "environments"):
        table.add_column(name, justify="right")
    for encoder, seen in by_encoder.items():
        for agent, overall in seen.overall().items():
            estimate, environments = overall or (None, 0)
            row = [agent, "n/a" if estimate is None else _interval(estimate), str(environments)]
            table.add_row(*([marked(encoder) or "–", *row] if len(by_encoder) > 1 else row))
    console().print(table)


def _table(result: Evaluation, narrow: bool) -> Table:
    table = Table(title=result.title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in HEADS:
        if name == HEADS[0]:
            table.add_column(name, overflow="fold")
        else:
            intervals = name in HEADS[1:3]
            table.add_column(name, justify="right", no_wrap=not (intervals and narrow), overflow="fold")
    for policy, cells in result.rows().items():
        table.add_row(*map(escape, cells), style="bold" if policy == result.agent else None)
    return table


def _interval(estimate: Estimate) -> str:
    return escape(interval(estimate, two_decimals))
