"""Training, evaluation, statistics, dashboards, presets and the command line.

from experiments import load, train
run = train(env="slatelab/Movies-v0", agent="slateq", steps=100_000)
print(run.evaluate().policies["slateq"]["return"])
run.save("my-run")
run = load("my-run")
"""

import importlib
from typing import TYPE_CHECKING, Any

from experiments.namesakes import namesake

if TYPE_CHECKING:
    from experiments.checking.checker import check
    from experiments.evaluation import Evaluation, Panel, evaluate
    from experiments.run import Run, load, train
    from experiments.settings import RunSettings, TrainSettings
    from experiments.statistics import Estimate

_HOME = {
    "Estimate": "statistics",
    "Evaluation": "evaluation",
    "Panel": "evaluation",
    "Run": "run",
    "RunSettings": "settings",
    "TrainSettings": "settings",
    "check": "checking.checker",
    "evaluate": "evaluation",
    "load": "run",
    "train": "run",
}

__all__ = [
    "Estimate",
    "Evaluation",
    "Panel",
    "Run",
    "RunSettings",
    "TrainSettings",
    "check",
    "evaluate",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    told = namesake()
    if told is not None:
        raise ImportError(told)
    return getattr(importlib.import_module(f"experiments.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted(__all__)
