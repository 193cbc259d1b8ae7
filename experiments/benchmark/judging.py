"""What a trained run of a benchmark is worth: it meets the panel, and what it earned is written down."""

import csv
import math
from collections.abc import Mapping

import torch

from agents.protocol import Agent
from experiments import evaluation
from experiments.benchmark.cells import Cell
from experiments.benchmark.jobs import Outcome
from experiments.benchmark.record import Record, save_record
from experiments.evaluation import BASELINES, Evaluation
from experiments.report.numbers import interval, rounded
from experiments.run import Run
from experiments.sessions import Sessions, agent_policy
from experiments.tracking.metrics import STEP


def judge(cell: Cell, run: Run, known: Mapping[str, Sessions]) -> Outcome:
    """Let a trained agent meet the panel, and write down what it earned.

    Args:
        cell: whose run it is.
        run: it, trained.
        known: what the baselines earned on that panel.
    """
    own = play_agents(run, cell, known)
    result = evaluation.compare(cell.run.train.agent, own | {n: s for n, s in known.items() if n not in own})
    trouble = divergence(run)
    about = cell.about() | {
        "status": "done" if trouble is None else "diverged",
        "reason": trouble or "",
        "user_steps": run.training.user_steps,
        "train_seconds": run.training.train_seconds,
        "steps_per_second": run.training.steps_per_second,
    }
    save_record(cell.record, Record(about=about, sessions=own))
    # A finished run, judged anew on another panel, keeps its own summary.
    if not cell.folder.summary.is_file():
        run.write_summary(result)
    text = _earned(result) + ("" if trouble is None else f" · diverged: {trouble}")
    return Outcome(name=cell.name, status="done" if trouble is None else "diverged", text=text)


def play_agents(run: Run, cell: Cell, known: Mapping[str, Sessions]) -> dict[str, Sessions]:
    """Return what an agent, and its twin, earn; what a fixed baseline earns is known already."""
    acts = {
        name: agent_policy(agent) for name, agent in run.agents().items() if name not in BASELINES or name not in known
    }
    played = evaluation.play_panel(run.training.simulator, acts, cell.panel)
    return {name: played[name] if name in played else known[name] for name in run.agents()}


def divergence(run: Run) -> str | None:
    """Return what is not finite in an agent, in its log or in what it holds; None if all is well."""
    names = [metric.name for metric in run.agent.METRICS]
    if run.folder.metrics.is_file():
        with run.folder.metrics.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for name in names:
                    if row.get(name) and not math.isfinite(float(row[name])):
                        return f"{name} is {float(row[name])} after {int(row[STEP]):,} user-steps"
    return _holds_nan(run.agent)


def _holds_nan(agent: Agent) -> str | None:
    for name, value in agent.state_dict().items():
        # Infinity may be meant, such as "not seen yet"; what is not a number never is.
        if value.is_floating_point() and bool(torch.isnan(value).any()):
            return f"{name} holds what is not a number"
    return None


def _earned(result: Evaluation) -> str:
    estimate, score = result.policies[result.agent]["return"], result.score(result.agent)
    text = f"return {interval(estimate, rounded(estimate.mean))}"
    return text if score is None else f"{text} · score {score:.2f}"
