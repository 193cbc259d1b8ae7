"""The flags of ``slatelab pipeline``."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from encoders.errors import UsageError
from encoders.tuning.settings import TuningSettings
from envs.tables.fields import Fields

WHERE = ("data", "rungs", "device", "out", "overwrite")
"""Settings that change no figure of a rung."""
DECIDED = {"loss": "the rung, such as --rungs tuned_elsa", "seed": "--seed", "device": "--device"}
"""Settings of a fit that the pipeline decides itself, and by what."""


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """Climb the ladder of recommenders on a data set, from random to a tuned encoder, and print it.

    Stages that are finished are not repeated: after a kill, simply repeat the command; it ends with the same ladder.
    """

    data: Path | None = None
    """Folder of your own ratings and items: atomic files, MovieLens' own or csv files; without it MovieLens
    latest-small."""
    fields: Fields = field(default_factory=Fields)
    """Columns of your own files, where they are not recognised by their names."""
    encoder: str = "minilm"
    """Text encoder that the text rungs build on: a name, a local folder, a hub name or module:Class."""
    tuning: TuningSettings = field(default_factory=TuningSettings)
    """How the tuned rungs learn; their losses are their own."""
    rungs: tuple[str, ...] = ()
    """Rungs to climb, with those that they build on; all without it."""
    liked: float | None = None
    """Least rating that counts as a like; without it three quarters up the scale, which is 4 of 5 stars."""
    test_share: float = 0.2
    """Share of each user's ratings, the newest, that is the test; and of the rest that everything is chosen on."""
    cold_share: float = 0.15
    """Share of the items that are held out of training altogether for the cold ladder; 0 for none."""
    seed: int = 0
    """Seed of everything that is drawn: the random rung, tuning, resamples."""
    device: str = "auto"
    """Torch device: auto, cpu, cuda, …"""
    out: Path = Path("runs/pipeline")
    """Folder of ladder.json, ladder.md, the stages and tensorboard."""
    overwrite: bool = False
    """Replace what was made there with other settings, instead of refusing it."""

    def __post_init__(self) -> None:
        """Refuse what cannot be, before anything is loaded."""
        for name, low, high in (("test_share", 0.0, 0.5), ("cold_share", -1e-9, 0.4)):
            value = getattr(self, name)
            if not low < value <= high:
                raise UsageError(f"{name} is {value}; it has to be from {max(low, 0):g} to {high:g}")
        usual = TuningSettings()
        for name, instead in DECIDED.items():
            if getattr(self.tuning, name) != getattr(usual, name):
                raise UsageError(f"tuning.{name} is decided by {instead}; leave it out")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}; it has to be at least 0")

    def decisive(self) -> dict[str, Any]:
        """Return the settings that figures depend on, as plain values."""
        return {name: value for name, value in asdict(self).items() if name not in WHERE}
