"""``slatelab pipeline``."""

import inspect
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from encoders.errors import Failure
from encoders.tuning.settings import TuningSettings
from experiments.pipeline.settings import PipelineSettings

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class _Flags:
    # Under no name of their own, so that what they refuse is the one sentence of every other mistake.
    settings: Annotated[PipelineSettings, tyro.conf.arg(name="")]
    env: str = ""
    """An environment over texts: instead of the ladder, tune an encoder for its loop on train users alone (their likes,
    or clicks logged under random slates) and write it into OUT, which --encoder of other commands takes. What you say
    of --tuning holds; what you leave out is the ELSA loss, 32 numbers wide."""


def main(arguments: Sequence[str]) -> int:
    """Do what is not done yet, write the ladder and print it."""
    flags = tyro.cli(
        _Flags, prog="slatelab pipeline", args=list(arguments), description=inspect.getdoc(PipelineSettings)
    )
    if flags.env:
        return _export(flags.env, flags.settings)
    return _pipeline(flags.settings, shlex.join(["slatelab", "pipeline", *arguments]))


def _export(env: str, settings: PipelineSettings) -> int:
    from experiments.config import build, simulator_class
    from experiments.names import canonical_encoder, canonical_env
    from experiments.pipeline.loop_encoder import LOOP_TUNING, LoopSettings, export
    from experiments.progress import log_to_stderr, say
    from experiments.report.writing import check_out

    log_to_stderr()
    check_out(settings.out)
    env = canonical_env(env)
    asked: dict[str, Any] = {"encoder": canonical_encoder(settings.encoder)}
    cls = simulator_class(env)
    if settings.data is not None and hasattr(cls.Settings, "data"):
        asked["data"] = str(settings.data)
    simulator = cls(build(cls.Settings, "env", {"env": asked}), device=settings.device)

    def watch(epoch: int, told: Mapping[str, float]) -> None:
        say(f"epoch {epoch}: " + " · ".join(f"{name} {value:.3f}" for name, value in told.items()))

    usual, said = asdict(TuningSettings()), asdict(settings.tuning)
    tuning = replace(LOOP_TUNING, **{name: value for name, value in said.items() if value != usual[name]})
    folder = export(simulator, settings.out, LoopSettings(seed=settings.seed, tuning=tuning), watch)
    print(f"the encoder is in {folder}; slatelab train --env {env} --encoder {settings.out} looks through it")
    return 0


def _pipeline(settings: PipelineSettings, command: str) -> int:
    from experiments.pipeline.driver import climb
    from experiments.progress import log_to_stderr, say
    from experiments.verbs.terminal import console

    log_to_stderr()
    watcher = sys.stderr
    ladder, failures = climb(settings, command, lambda line: print(line, file=watcher, flush=True))
    plain = ladder.plain()
    out = console()
    for scenario in ladder.rungs:
        out.print(_table(plain, scenario))
    print(f"{settings.out / 'ladder.md'} has paired differences and costs, {settings.out / 'ladder.json'} everything")
    for failure in failures:
        say(f"failed: {failure}")
    if failures:
        raise Failure(
            f"{len(failures)} rung(s) failed, see above; the others are done, repeat the command to try again"
        )
    return 0


def _table(plain: Mapping[str, Any], scenario: str) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from experiments.pipeline.page import HEADS, rows, title

    table = Table(title=title(plain, scenario), title_justify="left", box=box.SIMPLE_HEAD)
    for name in HEADS:
        first = name == HEADS[0]
        table.add_column(name, justify="left" if first else "right", no_wrap=not first, overflow="fold")
    for row in rows(plain, scenario):
        table.add_row(*map(escape, row))
    return table
