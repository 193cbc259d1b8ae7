"""Rungs whose text vectors learn from people: towers on the frozen vectors, one rung for each loss."""

from dataclasses import replace
from pathlib import Path

from encoders.tuning.fitting import tune
from encoders.tuning.histories import Histories
from encoders.tuning.settings import TuningSettings
from encoders.tuning.tuned import Tuned
from experiments.pipeline.ranking import judge
from experiments.pipeline.rung import Fit, Rung, Setting
from experiments.pipeline.task import Task
from experiments.pipeline.text_rungs import Profiles, with_popularity_rung
from experiments.seeds import derive_seed


class TunedProfiles(Profiles):
    """Rank items by the cosine of tuned vectors, those of users made of what they liked and disliked."""

    def __init__(self, tuned: Tuned, task: Task) -> None:
        items_NE = tuned.items(task.vectors)
        super().__init__(items_NE, tuned.users(items_NE, task.liked, task.disliked), tuned.num_parameters)
        self.tuned = tuned

    @property
    def found(self) -> dict[str, int]:
        """When to stop, which is found on the inner task and then holds for the whole of it."""
        return {"epochs": self.tuned.epochs}

    def save(self, folder: Path) -> None:
        """Write the towers to a folder."""
        self.tuned.save(folder)


def _load(folder: Path, task: Task) -> TunedProfiles:
    return TunedProfiles(Tuned.load(folder), task)


def _fit_with(loss: str) -> Fit:
    def fit(task: Task, setting: Setting) -> TunedProfiles:
        settings = _settings(setting, loss)
        stop = setting.choice.get("epochs")
        part = "inner" if stop is None else "final"
        tuned = tune(
            task.vectors,
            Histories(liked=task.liked, disliked=task.disliked, num_items=len(task.texts)),
            settings if stop is None else replace(settings, epochs=stop),
            popularity_N=task.popularity,
            validation=None if stop is not None else lambda found: judge(TunedProfiles(found, task), task).chosen_by,
            watch=lambda epoch, told: setting.watch(part, epoch, told),
        )
        return TunedProfiles(tuned, task)

    return fit


def _settings(setting: Setting, loss: str) -> TuningSettings:
    """Return the settings of a fit; hard negatives are for the one loss that would meet few of them."""
    return replace(
        setting.tuning,
        loss=loss,
        hard_negatives=setting.tuning.hard_negatives if loss == "infonce" else 0,
        seed=derive_seed(setting.seed, "tuning", loss),
        device=setting.device,
    )


TUNED = {f"tuned_{loss}": loss for loss in ("infonce", "softmax", "elsa")}
TUNED_RUNGS = (
    *(Rung(name=name, fit=_fit_with(loss), load=_load) for name, loss in TUNED.items()),
    *map(with_popularity_rung, TUNED),
)
