"""What a trained run of a benchmark is worth: it meets the panel, and what it earned is written down."""

import dataclasses
from collections.abc import Mapping

from experiments import evaluation
from experiments.benchmark.cells import Cell
from experiments.benchmark.jobs import Outcome, Status
from experiments.benchmark.record import Record, save_record
from experiments.evaluation import BASELINES, Evaluation
from experiments.report.numbers import interval, rounded
from experiments.run import Run
from experiments.sessions import Sessions, agent_policies, streams_kept


def judge(cell: Cell, run: Run, known: Mapping[str, Sessions]) -> Outcome:
    """Let a trained agent meet the panel, and write down what it earned.

    Args:
        cell: whose run it is.
        run: it, trained.
        known: what the baselines earned on that panel.
    """
    own = play_agents(run, cell, known)
    compared = evaluation.compare(cell.run.train.agent, own | {n: s for n, s in known.items() if n not in own})
    result = dataclasses.replace(compared, diverged=run.diverged())
    trouble = "; ".join(f"{name}: {reason}" for name, reason in result.diverged.items())
    status: Status = "diverged" if trouble else "done"
    about = cell.about() | {
        "status": status,
        "reason": trouble,
        "user_steps": run.training.user_steps,
        "train_seconds": run.training.train_seconds,
        "steps_per_second": run.training.steps_per_second,
    }
    save_record(cell.record, Record(about=about, sessions=own))
    # A finished run, judged anew on another panel, keeps its own summary.
    if not cell.folder.summary.is_file():
        run.write_summary(result)
    text = _earned(result) + (f" · diverged: {trouble}" if trouble else "")
    return Outcome(name=cell.name, status=status, text=text)


def play_agents(run: Run, cell: Cell, known: Mapping[str, Sessions]) -> dict[str, Sessions]:
    """Return what an agent, and its twin, earn; what a fixed baseline earns is known already."""
    agents = run.agents()
    acts = agent_policies({name: agent for name, agent in agents.items() if not (name in BASELINES and name in known)})
    with streams_kept(agents.values()):
        played = evaluation.play_panel(run.training.simulator, acts, cell.panel)
    return {name: known[name] for name in agents if name not in played} | played


def _earned(result: Evaluation) -> str:
    estimate, score = result.policies[result.agent]["return"], result.score(result.agent)
    text = f"return {interval(estimate, rounded(estimate.mean))}"
    return text if score is None else f"{text} · score {score:.2f}"
