"""Settings of `slatelab/Movies-v0` and its negative control."""

from dataclasses import dataclass
from typing import Literal, get_args

from encoders.errors import UsageError
from envs.candidates import SourceName
from envs.fitted.engagement import METHODS, Method
from envs.text.settings import TextDomainSettings

UserVector = Literal["history", "text"]


@dataclass(frozen=True, kw_only=True)
class MoviesSettings(TextDomainSettings):
    """Settings of `slatelab/Movies-v0`."""

    user_vector: UserVector = "history"
    """What a session's profile starts from: the mean vector of a short history, or the rater's own text encoded."""
    num_exploration: int = 12
    world_method: Method = "svd"
    """How the world finds what people are drawn to, out of who rated what: leading singular directions, or a Poisson
    factorisation, a second world to see whether what holds in one holds in another."""
    min_ratings: int = 10
    """Films with fewer ratings are left out."""
    history_size: int = 10
    """Liked films in the history a profile starts from."""
    perturbation: float = 0.3
    """How far a drawn user's factors lie from their rater's, in standard deviations of the train raters', and their
    interest, in its own length."""
    interest_weight: float = 6.0
    """Click logit for one unit of cosine between the user's hidden interest and the film's direction."""
    popularity_weight: float = 0.5
    """Click logit for one standard deviation of log rating count."""
    affinity_weight: float = 0.0
    """Click logit for one standard deviation of the user's fitted preference."""
    satiation_weight: float = 2.0
    """Click logit lost at full satiation with a film's genres."""
    no_click_logit: float = 3.0
    satisfaction_slope: float = 2.0
    """Slope of satisfaction in the fitted preference."""
    satisfaction_satiation: float = 0.3
    """Preference lost at full satiation."""
    no_click_satisfaction: float = -0.2
    """Satisfaction, in [-1, 1], with a slate on which nothing was clicked."""
    satiation_decay: float = 0.8
    """Share of a genre's satiation that stays after a step."""
    mood_decay: float = 0.8
    """Share of the mood that stays after a step."""
    mood_effect: float = 3.5
    """How strongly the mood stretches patience; 0 gives a fixed horizon."""
    patience: float = 20.0
    """Slates a user in neutral mood looks at, in the median."""
    interest_drift: float = 0.05
    """Share of a clicked film's direction in the new interest."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be, before anything is loaded."""
        if self.user_vector not in get_args(UserVector):
            raise UsageError(f'unknown user_vector "{self.user_vector}" (known: {", ".join(get_args(UserVector))})')
        if self.world_method not in METHODS:
            raise UsageError(f'unknown world_method "{self.world_method}" (known: {", ".join(METHODS)})')
        super().__post_init__()
        if self.history_size < 1:
            raise UsageError(f"history_size is {self.history_size}; make it 1 or more")
        self.check_shares("satiation_decay", "mood_decay", "interest_drift")
        self.check_not_negative("patience", "perturbation")


@dataclass(frozen=True, kw_only=True)
class MoviesMyopicSettings(MoviesSettings):
    """Settings of `slatelab/MoviesMyopic-v0`: a fixed horizon, no satiation, no drift, a view that stays as it is."""

    candidate_source: SourceName = "random"
    follows_session: bool = False
    satiation_weight: float = 0.0
    satisfaction_satiation: float = 0.0
    mood_effect: float = 0.0
    interest_drift: float = 0.0
