"""Stages, one after the other: data, vectors, every rung on every task, the ladder."""

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from encoders.files import write_atomically
from encoders.loading import load_encoder
from encoders.protocol import Encoder
from envs.catalog import DataSet
from experiments.benchmark.driver import duration
from experiments.checkpoint import installed_version
from experiments.locking import locked
from experiments.names import canonical_encoder
from experiments.pipeline.board import write_rungs
from experiments.pipeline.climbing import Climb, RungError
from experiments.pipeline.estimates import Estimates, estimates
from experiments.pipeline.folder import PipelineFolder
from experiments.pipeline.ladder import BASELINES, RETRIEVERS, rungs_asked
from experiments.pipeline.loading import least_like, load_dataset
from experiments.pipeline.page import described, ladder_page
from experiments.pipeline.rung import Rung
from experiments.pipeline.settings import PipelineSettings
from experiments.pipeline.stages import Result, measured
from experiments.pipeline.task import Task, make_tasks
from experiments.plain import to_json
from experiments.report.writing import check_out

Tell = Callable[[str], None]
VERSIONS = ("numpy", "scipy", "scikit-learn", "torch", "transformers")


@dataclass(kw_only=True)
class Ladder:
    """What a pipeline found."""

    about: dict[str, Any]
    """Data set, protocol, settings, command and versions, plain values."""
    rungs: dict[str, Estimates] = field(default_factory=dict)
    """Scenario, rung and metric to mean and interval."""
    paired: dict[str, Mapping[str, Estimates]] = field(default_factory=dict)
    """Scenario, baseline, rung and metric to a paired difference, rung − baseline."""
    results: dict[str, dict[str, Result]] = field(default_factory=dict)
    """Scenario and rung to what was chosen and what it cost."""
    failed: dict[str, dict[str, str]] = field(default_factory=dict)
    """Scenario and rung to why it could not be climbed."""

    def plain(self) -> dict[str, Any]:
        """Return the ladder as ladder.json holds it: rung by rung, then scenario by scenario."""
        costs = {f"{scenario}/{name}": asdict(result.cost) for scenario, name, result in self._all(self.results)}
        return {
            "rungs": _by_rung({scenario: _plain(found) for scenario, found in self.rungs.items()}),
            "paired": {
                baseline: _by_rung({scenario: _plain(found[baseline]) for scenario, found in self.paired.items()})
                for baseline in next(iter(self.paired.values()), {})
            },
            "chosen": _by_rung(
                {
                    scenario: {
                        name: {"settings": dict(result.choice), "inner ndcg@100": result.value}
                        for name, result in found.items()
                    }
                    for scenario, found in self.results.items()
                }
            ),
            "best_retriever": {
                scenario: max(values, key=lambda name: values[name])
                for scenario, found in self.results.items()
                if (values := {name: found[name].value for name in RETRIEVERS if name in found})
            },
            "failed": _by_rung(self.failed),
            "costs": {**self.about["costs"], **costs},
            **{name: value for name, value in self.about.items() if name != "costs"},
        }

    @staticmethod
    def _all(results: Mapping[str, Mapping[str, Result]]) -> list[tuple[str, str, Result]]:
        return [(scenario, name, each) for scenario, found in results.items() for name, each in found.items()]


def climb(settings: PipelineSettings, command: str, tell: Tell) -> tuple[Ladder, list[str]]:
    """Do the stages that are not done yet, and write ladder.json and ladder.md.

    Args:
        settings: what to do.
        command: the command line, for the page.
        tell: takes lines for whoever watches.

    Returns:
        The ladder, and what failed, in sentences.

    Raises:
        UsageError: a name, a setting, a folder or a data set that cannot be.
        Failure: a full disk, or the encoder fails.
        KeyboardInterrupt: what is finished stays.
    """
    check_out(settings.out)
    rungs = rungs_asked(settings.rungs)
    with measured() as loading:
        dataset = load_dataset(settings)
        encoder = load_encoder(
            canonical_encoder(settings.encoder), device=settings.device, corpus=dataset.catalog.texts
        )
    folder = PipelineFolder(settings.out)
    settings.out.mkdir(parents=True, exist_ok=True)
    with locked(settings.out, f"another slatelab pipeline is at work in {settings.out}; wait for it, or name another"):
        folder.claim(_made_with(settings, dataset, encoder), settings.overwrite)
        try:
            with measured() as encoding:
                vectors_ND = encoder.encode(dataset.catalog.texts)
            tasks = make_tasks(dataset, vectors_ND, settings)
            costs = {"data": asdict(loading), "vectors": asdict(encoding)}
            ladder = Ladder(about={**_about(settings, dataset, encoder, tasks, command), "costs": costs})
            _climb_all(ladder, tasks, rungs, folder, settings, tell)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt("repeat the command to go on") from stop
        _write(ladder, folder)
    return ladder, [
        f"{name} ({scenario}): {why}" for scenario, failed in ladder.failed.items() for name, why in failed.items()
    ]


def _climb_all(
    ladder: Ladder,
    tasks: Mapping[str, Task],
    rungs: list[Rung],
    folder: PipelineFolder,
    settings: PipelineSettings,
    tell: Tell,
) -> None:
    """Climb every rung on every task, and say how far it is."""
    total, count, start = len(tasks) * len(rungs), 0, time.monotonic()
    for scenario, task in tasks.items():
        climb = Climb(task, folder, settings)
        failed: dict[str, str] = {}
        for rung in rungs:
            count += 1
            head = f"[{count:>{len(str(total))}} of {total}] {scenario} {rung.name}"
            try:
                result, before = climb.rung(rung)
            except RungError as error:
                failed[rung.name] = str(error)
                tell(f"{head}: failed: {error}")
                continue
            took = "was done before" if before else duration(result.cost.seconds)
            words = " · ".join([*described(result.choice), f"inner nDCG@100 {result.value:.3f}", took])
            tell(f"{head}: {words}")
        ladder.results[scenario], ladder.failed[scenario] = climb.results, failed
        ladder.rungs[scenario], ladder.paired[scenario] = estimates(climb.results, BASELINES, scenario, settings.seed)
    tell(f"{count} rungs in {duration(time.monotonic() - start)}")


def _write(ladder: Ladder, folder: PipelineFolder) -> None:
    plain = ladder.plain()
    write_atomically(folder.ladder, (to_json(plain, indent=2) + "\n").encode())
    write_atomically(folder.page, ladder_page(plain).encode())
    means = {
        rung: {
            scenario: {name: each["mean"] for name, each in metrics.items()} for scenario, metrics in scenarios.items()
        }
        for rung, scenarios in plain["rungs"].items()
    }
    write_rungs(folder.tensorboard, means)


def _made_with(settings: PipelineSettings, dataset: DataSet, encoder: Encoder) -> dict[str, Any]:
    """Return all that the figures of a stage depend on."""
    return {
        "settings": settings.decisive(),
        "data": dataset.fingerprint,
        "encoder": encoder.fingerprint,
        "slatelab": installed_version(),
    }


def _about(
    settings: PipelineSettings, dataset: DataSet, encoder: Encoder, tasks: Mapping[str, Task], command: str
) -> dict[str, Any]:
    """Return what is to be known about a ladder."""
    return {
        "command": command,
        "settings": settings.decisive(),
        "data": {
            "name": dataset.name,
            "users": len(dataset.ratings.user_ids),
            "items": len(dataset.catalog),
            "ratings": len(dataset.ratings),
            "fingerprint": dataset.fingerprint,
        },
        "encoder": {"name": settings.encoder, "fingerprint": encoder.fingerprint},
        "protocol": {
            "liked": least_like(dataset, settings.liked),
            **{
                scenario: {"users": len(task.users), "ranked items": int(task.ranked.sum())}
                for scenario, task in tasks.items()
            },
        },
        "versions": {
            "slatelab": installed_version(),
            "python": platform.python_version(),
            **{name: version(name) for name in VERSIONS},
        },
    }


def _plain(found: Estimates) -> dict[str, dict[str, dict[str, Any]]]:
    return {rung: {name: each._asdict() for name, each in metrics.items()} for rung, metrics in found.items()}


def _by_rung(by_scenario: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return rung and scenario to what was scenario and rung."""
    names = dict.fromkeys(name for found in by_scenario.values() for name in found)
    return {name: {scenario: found[name] for scenario, found in by_scenario.items() if name in found} for name in names}
