"""``slatelab evaluate``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True, kw_only=True)
class EvaluateFlags:
    """Compare the agent of a run with every baseline anew, and print the table.

    With neither --users nor --split nor --seed the panel is the one of training's end, and summary.json is
    written anew; another panel is printed only.
    """

    run: tyro.conf.Positional[Path]
    """Run folder."""
    users: int | None = None
    """How many users; without it as many as the run's eval_users."""
    split: Literal["train", "validation", "test"] | None = None
    """Whose; test users without it."""
    seed: int | None = None
    """Draws the panel; without it the one that all runs share."""
    device: str | None = None
    """Torch device; the run's own without it."""
    data: Path | None = None
    """Where the environment's data lie, if they were moved since."""
    encoder: str | None = None
    """Where the text encoder lies, if it was moved since."""
    trust: bool = False
    """Use what the run names as module:Name, which runs its code."""


def main(arguments: Sequence[str]) -> int:
    """Evaluate a run."""
    flags = tyro.cli(EvaluateFlags, prog="slatelab evaluate", args=list(arguments))
    return _evaluate(flags)


def _evaluate(flags: EvaluateFlags) -> int:
    from encoders.devices import prefer_one_thread
    from encoders.errors import UsageError
    from experiments.evaluation import PANEL_SEED, Panel
    from experiments.locking import locked
    from experiments.progress import log_to_stderr, say
    from experiments.run import load
    from experiments.verbs.tables import print_evaluation

    if flags.users is not None and flags.users < 2:
        raise UsageError(f"users is {flags.users}; an interval needs at least 2")
    log_to_stderr()
    prefer_one_thread()
    run = load(flags.run, flags.device, flags.data, flags.encoder, trust=flags.trust)
    total = run.settings.train.num_steps * run.settings.train.num_users
    if run.user_steps < total:
        say(f"this run stopped at {run.user_steps:,} of {total:,} user-steps; it is judged as it is")
    panel = Panel(
        users=run.settings.train.eval_users if flags.users is None else flags.users,
        split=flags.split or "test",
        seed=PANEL_SEED if flags.seed is None else flags.seed,
    )
    result = run.evaluate(panel)
    print_evaluation(result)
    if run.user_steps == total and panel == Panel(users=run.settings.train.eval_users):
        with locked(run.folder.path, run.folder.busy):
            run.write_summary(result)
        say(f"written to {run.folder.summary}")
    return 0
