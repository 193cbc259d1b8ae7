"""Settings of `slatelab/News-v0` and its negative control."""

from dataclasses import dataclass

from encoders.errors import UsageError
from envs.candidates import SourceName
from envs.text.settings import TextDomainSettings


@dataclass(frozen=True, kw_only=True)
class NewsSettings(TextDomainSettings):
    """Settings of `slatelab/News-v0`."""

    time_limit: int = 300
    first_hour: float = 24.0
    """Earliest hour of the week at which a session starts."""
    last_hour: float = 120.0
    """Latest hour of the week at which a session starts."""
    minutes_per_slate: float = 15.0
    """Minutes between two slates."""
    max_age: float = 36.0
    """Hours after publication during which an article is offered."""
    freshness_hours: float = 8.0
    """Hours in which freshness decays by a factor of e."""
    burst_rise: float = 6.0
    """Hours in which the relevance of an event grows by a factor of e before its hour."""
    burst_fall: float = 10.0
    """Hours in which the relevance of an event decays by a factor of e after its hour."""
    perturbation: float = 0.3
    """Standard deviation of a drawn user's tastes around their persona's."""
    fancy_weight: float = 3.0
    """Click logit for one unit of cosine between what the user follows and the subject."""
    freshness_weight: float = 3.0
    """Click logit of an article just published, over one of long ago."""
    burst_weight: float = 2.5
    """Click logit of an event's article at the event's hour."""
    lure_weight: float = 2.5
    """Click logit of the strongest clickbait, to an ordinary user of full trust."""
    taste_weight: float = 2.0
    """Click logit for one unit of taste for the article's sections."""
    fatigue_weight: float = 2.0
    """Click logit lost at full fatigue with the article's sections."""
    trust_weight: float = 2.0
    """Click logit of every article for one unit of trust above the trust that users come with."""
    no_click_logit: float = 5.0
    satisfaction_depth: float = 0.6
    """Satisfaction, before its bounds, for one standard deviation of depth."""
    satisfaction_taste: float = 0.3
    """Satisfaction, before its bounds, for one unit of taste for the article's sections."""
    disappointment: float = 1.5
    """Satisfaction, before its bounds, that the strongest clickbait takes away."""
    trust: float = 0.6
    """Trust, from 0 to 1, that users come with."""
    trust_loss: float = 0.12
    """Share of the trust that a click of satisfaction -1 destroys."""
    trust_gain: float = 0.1
    """Share of the missing trust that a click of satisfaction 1 restores."""
    trust_recovery: float = 0.01
    """Share of the way back to the trust they came with that users who lost some go in a slate."""
    trust_effect: float = 3.0
    """How strongly trust stretches patience; 0 gives a fixed horizon."""
    patience: float = 24.0
    """Slates that a user who keeps the trust they came with looks at."""
    fatigue_decay: float = 0.8
    """Share of a section's fatigue that stays after a step."""
    reading_minutes: float = 2.0
    """Minutes for which an article of satisfaction 0 is read."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be, before anything is loaded."""
        super().__post_init__()
        if not 0 <= self.first_hour <= self.last_hour < float("inf"):
            raise UsageError(
                f"sessions would start between hour {self.first_hour} and hour {self.last_hour} of the week; "
                "make first_hour 0 or more, and last_hour no earlier"
            )
        self.check_shares("trust", "trust_loss", "trust_gain", "trust_recovery", "fatigue_decay")
        self.check_not_negative("patience", "perturbation", "minutes_per_slate", "max_age")
        for name in ("freshness_hours", "burst_rise", "burst_fall", "reading_minutes"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UsageError(f"{name} is {getattr(self, name)}; make it finite and more than 0")


@dataclass(frozen=True, kw_only=True)
class NewsMyopicSettings(NewsSettings):
    """Settings of `slatelab/NewsMyopic-v0`: a fixed horizon, trust that stays, no fatigue, no drift, random offers."""

    candidate_source: SourceName = "random"
    trust_loss: float = 0.0
    trust_gain: float = 0.0
    trust_effect: float = 0.0
    fatigue_weight: float = 0.0
    follows_session: bool = False
