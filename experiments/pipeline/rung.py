"""What a rung of the ladder is, and how its settings are chosen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.tuning.settings import TuningSettings
from experiments.pipeline.ranking import Model, judge
from experiments.pipeline.task import Task

Choice = Mapping[str, Any]
"""Settings of a rung that are chosen on the inner task, plain values by name."""
Others = Callable[[str, Task], Model]
"""From the name of a rung that is climbed already to its model on a task."""
Watch = Callable[[str, int, Mapping[str, float]], None]
"""Takes points of a curve: its name, the step, and values by name."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a rung is fitted with beside its choice."""

    choice: Choice
    """What was chosen, or is tried."""
    others: Others
    """Models of the rungs it builds on."""
    tuning: TuningSettings
    """How what learns by descent does it."""
    seed: int
    """Of what it draws."""
    device: str
    """Torch device."""
    watch: Watch
    """Takes the curve of what learns for long."""


Fit = Callable[[Task, Setting], Model]


@dataclass(frozen=True, kw_only=True)
class Rung:
    """A recommender on the ladder."""

    name: str
    """In tables and ladder.json."""
    fit: Fit
    """Fits it on what users did before the task; it never looks at what is relevant, but for when to stop."""
    choices: Sequence[Choice] = ({},)
    """What is tried on the inner task."""
    needs: tuple[str, ...] = ()
    """Rungs it cannot be climbed without."""
    uses: tuple[str, ...] = ()
    """Rungs it tries if they are climbed: each becomes the value `of` of a choice."""
    load: Callable[[Path, Task], Model] | None = None
    """Reads what `save` of its model wrote; without it a model is fitted again where another rung needs it."""

    def tried(self, climbed: Sequence[str]) -> list[Choice]:
        """Return all choices, given the rungs that are climbed already."""
        if not self.uses:
            return list(self.choices)
        return [{"of": name, **choice} for name in self.uses if name in climbed for choice in self.choices]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The best of what was tried."""

    choice: Choice
    """With what its fit found out, such as when to stop."""
    value: float
    """nDCG@100 on the inner task."""
    model: Model
    """As fitted on the inner task."""


def choose(choices: Sequence[Choice], inner: Task, fit: Callable[[Task, Choice], Model]) -> Chosen:
    """Fit each choice on the inner task and return the best; of equal ones the first."""
    best: Chosen | None = None
    for choice in choices:
        model = fit(inner, choice)
        value = judge(model, inner).chosen_by
        if best is None or value > best.value:
            best = Chosen(choice={**choice, **getattr(model, "found", {})}, value=value, model=model)
    if best is None:
        raise ValueError("there is nothing to choose from")
    return best
