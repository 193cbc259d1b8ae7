"""Climb one rung on one task: choose, fit, judge, keep."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from encoders.errors import Failure, UsageError
from experiments.memory import shortage
from experiments.pipeline.board import Curves
from experiments.pipeline.folder import PipelineFolder
from experiments.pipeline.ladder import LADDER
from experiments.pipeline.ranking import Model, judge
from experiments.pipeline.rung import Choice, Rung, Setting, Watch, choose
from experiments.pipeline.settings import PipelineSettings
from experiments.pipeline.stages import Result, measured, read_result, write_result
from experiments.pipeline.task import Task
from experiments.plain import to_json

INNER, FINAL = "inner", "final"
"""A rung is fitted on what may be learnt from, and before that on the part of it that settings are chosen on."""


class RungError(Exception):
    """A rung could not be climbed; the sentence says why."""


@dataclass
class Climb:
    """Climbs the rungs of one task, one after the other.

    Raises:
        RungError: by `rung`, where one cannot be climbed.
    """

    task: Task
    """Whom they are judged by."""
    folder: PipelineFolder
    """Where results are kept."""
    settings: PipelineSettings
    """Seed, device, and how the tuned rungs learn."""
    results: dict[str, Result] = field(default_factory=dict)
    """What was climbed so far."""
    _models: dict[tuple[str, str], Model] = field(default_factory=dict)

    def rung(self, rung: Rung) -> tuple[Result, bool]:
        """Return what a rung does, and whether it was done before."""
        lacking = [name for name in rung.needs if name not in self.results]
        if lacking:
            raise RungError(f"it builds on {' and '.join(lacking)}, which failed")
        built_on = {
            name: to_json(dict(result.choice), indent=None)
            for name, result in self.results.items()
            if name in (*rung.needs, *rung.uses)
        }
        path = self.folder.result(self.task.scenario, rung.name)
        result = read_result(path)
        if result is not None and dict(result.built_on) == built_on:
            self.results[rung.name] = result
            return result, True
        result = self._climb(rung, built_on)
        write_result(path, result)
        self.results[rung.name] = result
        return result, False

    def _climb(self, rung: Rung, built_on: Mapping[str, str]) -> Result:
        """Choose, fit and judge, and turn whatever goes wrong into a sentence."""
        assert self.task.inner is not None
        tried = rung.tried(list(self.results))
        if not tried:
            raise RungError(f"it builds on one of {', '.join(rung.uses)}, and none is climbed")
        curves = Curves(self.folder.tensorboard / f"{self.task.scenario}-{rung.name}")
        try:
            with measured() as cost:
                chosen = choose(tried, self.task.inner, lambda task, choice: self._fit(rung, task, choice, curves.add))
                model = self._fit(rung, self.task, chosen.choice, curves.add)
                judged = judge(model, self.task)
        except (UsageError, Failure) as error:
            raise RungError(str(error)) from error
        except Exception as error:
            raise RungError(shortage(error) or f"{type(error).__name__}: {error}") from error
        finally:
            curves.close()
        cost.parameters = model.num_parameters
        self._keep(rung, {INNER: chosen.model, FINAL: model})
        return Result(
            choice=dict(chosen.choice),
            value=chosen.value,
            coverage=judged.coverage,
            cost=cost,
            built_on=built_on,
            values=judged.values,
        )

    def _fit(self, rung: Rung, task: Task, choice: Choice, watch: Watch) -> Model:
        setting = Setting(
            choice=choice,
            others=self.other,
            tuning=self.settings.tuning,
            seed=self.settings.seed,
            device=self.settings.device,
            watch=watch,
        )
        return rung.fit(task, setting)

    def other(self, name: str, task: Task) -> Model:
        """Return the model of a rung that is climbed, on the task or its inner one."""
        part = FINAL if task is self.task else INNER
        if (name, part) not in self._models:
            rung, kept = LADDER[name], self.folder.models(task.scenario, name) / part
            if rung.load is not None and kept.is_dir():
                model = rung.load(kept, task)
            else:
                model = self._fit(rung, task, self.results[name].choice, _unseen)
            self._models[name, part] = model
        return self._models[name, part]

    def _keep(self, rung: Rung, models: Mapping[str, Any]) -> None:
        """Keep the models of a rung that is long to fit; a kill leaves them whole or leaves no result behind them."""
        self._models |= {(rung.name, part): model for part, model in models.items()}
        if rung.load is None:
            return
        folder = self.folder.models(self.task.scenario, rung.name)
        shutil.rmtree(folder, ignore_errors=True)
        for part, model in models.items():
            model.save(folder / part)


def _unseen(name: str, step: int, values: Mapping[str, float]) -> None:
    """Take a point of a curve that was written down before."""
