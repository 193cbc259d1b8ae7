"""Settings that environments over a catalogue of texts share."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from encoders import ENCODERS
from encoders.errors import UsageError
from envs.candidates import SourceName, check_source
from envs.choice import PLAIN_CHOICE, ChoiceParameters, check_choice

WORLD = "world"
"""The encoder that reads nothing: the world's own vectors, privileged, as a ceiling."""


@dataclass(frozen=True, kw_only=True)
class TextDomainSettings:
    """Settings that the text domains share."""

    PLACES: ClassVar[tuple[str, ...]] = ("encoder",)
    """Settings that may say where something lies; what lies there is in the simulator's fingerprint."""

    encoder: str = "minilm"
    """Text encoder: a name, a local folder or a hub name; ``world`` for the world's own vectors, as a ceiling."""
    num_features: int = 32
    """D, principal components kept of the text vectors."""
    num_candidates: int = 30
    """M, items offered at each step."""
    candidate_source: SourceName = "cosine_explore"
    """Where candidates come from; ``all`` offers the whole catalogue, whatever M is."""
    num_exploration: int = 10
    """How many of the M are random under ``cosine_explore``; the others are the nearest to the profile by cosine."""
    slate_size: int = 5
    """K, items shown at each step."""
    time_limit: int = 500
    """Slates after which a session is truncated."""
    profile_drift: float = 0.05
    """Share of a clicked item's vector in the profile that the system has of a user."""
    follows_session: bool = True
    """Whether what the system sees of a user moves with the session: profile, vectors and traces."""
    spread: float = 0.2
    """How people differ beside their tastes: standard deviation of the logarithm of each of their factors."""
    no_click_logit: float
    """Logit of clicking nothing."""
    choice_model: str = "multinomial_logit"
    """Which slot is clicked: a choice model with at most one click a slate."""
    choice: ChoiceParameters = PLAIN_CHOICE
    """Parameters of the choice model."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be, before anything is loaded; a folder is named from the root on."""
        if self.encoder not in (*ENCODERS, WORLD) and Path(self.encoder).expanduser().is_dir():
            object.__setattr__(self, "encoder", absolute(self.encoder))
        check_source(self)
        self.check_shares("profile_drift")
        self.check_not_negative("spread")
        check_choice(self.choice_model, self.choice, self.no_click_logit, several=False, setting="no_click_logit")
        if self.time_limit < 1:
            raise UsageError(f"time_limit is {self.time_limit}; make it 1 or more")

    def check_shares(self, *names: str) -> None:
        """Refuse fields that do not lie between 0 and 1."""
        for name in names:
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it is a share, from 0 to 1")

    def check_not_negative(self, *names: str) -> None:
        """Refuse fields that are negative or not finite."""
        for name in names:
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name} is {getattr(self, name)}; make it finite and not negative")


def absolute(place: str) -> str:
    """Return a path that leads to the same place from every working directory."""
    return os.path.abspath(os.path.expanduser(place))  # noqa: PTH100, PTH111 (pathlib keeps `..`, or follows links)
