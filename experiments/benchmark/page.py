"""The pages scoreboard.md and results.csv of a benchmark."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from encoders.cache import write_atomically
from experiments.benchmark.scoreboard import Arena, CellResult, Scoreboard, read_scoreboard
from experiments.benchmark.standings import HAND_RULE, MYOPIC, TWIN, Standing
from experiments.config import short_name
from experiments.report.numbers import (
    DIVERGED,
    NONE,
    Numeral,
    crowd,
    few,
    interval,
    markdown_table,
    marked,
    rounded,
    signed,
    two_decimals,
    words,
)
from experiments.sessions import SAMPLED
from experiments.statistics import Estimate

RIVALS = (MYOPIC, TWIN, HAND_RULE)
READING = f"""\
* **Return**: mean over runs and test users of the rewards of a whole session. **User-steps**: slates shown in the
  training of each run. **Length**: slates a session. **CTR**: clicks over slates shown.
* **Intervals** are 95 % percentile bootstrap, which draws the seeds of an agent *and* the test users anew; users drawn
  around raters or personas are drawn with all others around the same one. All policies of an environment met the same
  users, so differences are paired. A policy without seeds has an interval over users.
* **Score**: 0 is random, 1 the near-oracle.
* **− myopic**: the return less that of the agent `myopic`, which learns what pays at once. **− twin**: less that of the
  agent's own twin with discount 0, which learnt from the same steps. **− hand rule**: less that of the environment's
  short rule. **Bold** where the interval lies above zero.
* **AGENT_sampled**: the same runs of an agent that learns chances, with slates drawn from its policy; its own row and
  the table of scores show its likeliest slates.
* **Encoder**: what reads the texts. Users are the same whatever it is, candidates are not: baselines are measured with
  each, scores and differences lie within one. A privileged one looks at the hidden world: a ceiling.
* **Interquartile mean**: of the scores of all runs, without the highest and the lowest quarter. Agents that cover
  different environments cannot be compared by it.
* {NONE}: agent and environment do not fit, or there is no score. {DIVERGED}: a run diverged; it counts as it is."""
"""How to read the tables."""
COLUMNS = (
    *(
        "env",
        "encoder",
        "agent",
        "seed",
        "status",
        "reason",
        "return",
        "return_ci_low",
        "return_ci_high",
        "length",
        "ctr",
        "score",
    ),
    *("user_steps", "train_seconds", "steps_per_second", "eval_users", "eval_clusters", "settings", "version"),
)


def write_scoreboard(out: Path) -> Scoreboard:
    """Make results.csv and scoreboard.md anew of what is in a benchmark's folder.

    Raises:
        UsageError: there is no benchmark in it.
        Failure: its notes are broken, or the disk is full.
    """
    board = read_scoreboard(out)
    write_atomically(out / "results.csv", table(board).encode())
    write_atomically(out / "scoreboard.md", scoreboard_page(board).encode())
    return board


def table(board: Scoreboard) -> str:
    """Return results.csv: a row for each environment, encoder, agent and seed."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for arena in board.arenas:
        for cell in arena.cells:
            writer.writerow(_row(arena, cell))
    return text.getvalue()


def _row(arena: Arena, cell: CellResult) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(cell, name) for name in ("env", "agent", "seed", "status", "reason")}
    row["encoder"] = arena.encoder
    for name in ("user_steps", "train_seconds", "steps_per_second", "settings", "version"):
        row[name] = cell.about.get(name)
    row["eval_users"] = cell.about.get("users")
    standing = arena.of(cell.agent)
    if cell.earned is not None and standing is not None:
        index = [other.seed for other in arena.cells if other.agent == cell.agent and other.earned].index(cell.seed)
        estimate = standing.runs[index]
        row |= {"return": estimate.mean, "return_ci_low": estimate.ci_low, "return_ci_high": estimate.ci_high}
        row |= {"length": cell.earned.length, "ctr": cell.earned.ctr, "eval_clusters": arena.clusters}
        row["score"] = None if standing.scores is None else float(standing.scores.measured[index])
    return row


def scoreboard_page(board: Scoreboard) -> str:
    """Return scoreboard.md."""
    commands = "\n".join(board.commands)
    blocks = ["# Scoreboard", f"```console\n{commands}\n```" if commands else "", scores(board), READING]
    for arena in board.arenas:
        met = f"{crowd(arena.users, arena.clusters, 'test users')}, one session each."
        if arena.encoder:
            met += f" Texts are read by {marked(arena.encoder)}."
        blocks += [f"## {arena.title}", met, few(arena.users, arena.clusters), returns(arena), _notes(arena)]
    if board.troubles:
        blocks += ["## What could not be read", _list(board.troubles)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def scores(board: Scoreboard) -> str:
    """Return the table of agents by environments, under each encoder where there are several."""
    envs = list(dict.fromkeys(arena.env for arena in board.arenas))
    rows = []
    for encoder, seen in board.by_encoder().items():
        arenas = {arena.env: arena for arena in seen.arenas}
        for agent, overall in seen.overall().items():
            means = [NONE, "0"] if overall is None else [share(overall[0]), str(overall[1])]
            cells = [_score_cell(arenas[env], agent) if env in arenas else "–" for env in envs]
            rows.append([marked(encoder) or "–", f"**{agent}**", *means, *cells])
    heads = ["encoder", "agent", "interquartile mean", "environments", *map(short_name, envs)]
    if not any(arena.apart for arena in board.arenas):
        heads, rows = heads[1:], [row[1:] for row in rows]
    return markdown_table(heads, rows)


def _score_cell(arena: Arena, agent: str) -> str:
    standing = arena.of(agent)
    if standing is not None:
        return NONE if standing.score is None else share(standing.score) + _mark(arena, agent)
    return absence(arena, agent)


def returns(arena: Arena) -> str:
    """Return the table of one environment, the best first; who has no return comes last."""
    means = [abs(standing.returned.mean) for standing in arena.standings if math.isfinite(standing.returned.mean)]
    numeral = rounded(max(means, default=0.0))
    rivals = [name for name in RIVALS if any(name in standing.differences for standing in arena.standings)]
    rows = [_standing_row(arena, standing, rivals, numeral) for standing in arena.standings]
    absent = dict.fromkeys(cell.agent for cell in arena.cells if arena.of(cell.agent) is None)
    rows += [[f"**{agent}**", "0", "", absence(arena, agent), *[""] * (3 + len(rivals))] for agent in absent]
    compared = [f"− {words(rival)}" for rival in rivals]
    heads = ["policy", "seeds", "user-steps", "return", "length", "CTR", "score", *compared]
    return markdown_table(heads, rows)


def _standing_row(arena: Arena, standing: Standing, rivals: Sequence[str], numeral: Numeral) -> list[str]:
    agent, trained = standing.seeds > 0, standing.name.removesuffix(SAMPLED)
    return [
        f"**{standing.name}**" if agent else words(standing.name),
        str(standing.seeds) if agent else "",
        steps(arena, trained) if agent else "",
        interval(standing.returned, numeral) + (_mark(arena, trained) if agent else ""),
        f"{standing.length:.1f}",
        f"{standing.ctr:.3f}",
        NONE if standing.score is None else share(standing.score),
        *(difference(standing.differences.get(rival), numeral) for rival in rivals),
    ]


def steps(arena: Arena, agent: str) -> str:
    """Return how many user-steps each of an agent's runs was trained with."""
    found = {cell.about.get("user_steps") for cell in arena.cells if cell.agent == agent and cell.earned is not None}
    return " or ".join(f"{steps:,}" for steps in sorted(steps for steps in found if steps is not None))


def difference(estimate: Estimate | None, numeral: Numeral) -> str:
    """Return a difference with its sign and interval, bold if that lies above zero; nothing for None."""
    if estimate is None:
        return ""
    text = interval(estimate, signed(numeral))
    return f"**{text}**" if estimate.ci_low is not None and estimate.ci_low > 0 else text


def _mark(arena: Arena, agent: str) -> str:
    return DIVERGED if any(cell.agent == agent and cell.status == "diverged" for cell in arena.cells) else ""


def absence(arena: Arena, agent: str) -> str:
    """Return why an agent has no return: the status of its cells."""
    found = [cell.status for cell in arena.cells if cell.agent == agent]
    return found[0] if found else "–"


def _notes(arena: Arena) -> str:
    """Return what did not go well, each once with the seeds it concerns."""
    seeds: dict[tuple[str, str, str], list[str]] = {}
    for cell in arena.cells:
        if cell.status != "done":
            seeds.setdefault((cell.status, cell.agent, cell.reason), []).append(str(cell.seed))
    return _list(
        f"{status}: {agent}, seed {', '.join(found)}: {reason}" if status != NONE else f"{NONE}: {agent}: {reason}"
        for (status, agent, reason), found in seeds.items()
    )


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)


def share(estimate: Estimate) -> str:
    """Return a score; that of random and near-oracle has no interval, by its definition."""
    fixed = estimate.ci_low == estimate.ci_high
    return two_decimals(estimate.mean) if fixed else interval(estimate, two_decimals)
