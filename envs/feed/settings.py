"""Settings of `slatelab/Feed-v0` and its negative control."""

from dataclasses import dataclass

from encoders.errors import UsageError
from envs.candidates import SourceName
from envs.text.settings import TextDomainSettings


@dataclass(frozen=True, kw_only=True)
class FeedSettings(TextDomainSettings):
    """Settings of `slatelab/Feed-v0`."""

    num_exploration: int = 15
    perturbation: float = 0.3
    """Standard deviation of a drawn user's log tastes and log temper around their persona's."""
    taste_weight: float = 9.0
    """Engagement logit for the square root of the share of taste that the post's topic has."""
    fancy_weight: float = 2.0
    """Engagement logit for one unit of cosine between what the user fancies and the subject."""
    popularity_weight: float = 1.0
    """Engagement logit for one standard deviation of reach."""
    outrage_weight: float = 1.0
    """Engagement logit of a post that stirs up as much as can be, for an ordinary temper."""
    satiation_weight: float = 1.0
    """Engagement logit lost at full satiation with the post's topic."""
    weariness_weight: float = 3.0
    """Engagement logit lost at full weariness of the post's creator."""
    no_click_logit: float = 6.0
    """Logit of engaging with nothing."""
    nourishment_effect: float = 1.4
    """Feeling, before its bounds, after a post that does as much good as can be."""
    outrage_effect: float = 0.8
    """Feeling lost, before its bounds, after a post that stirs up as much as can be."""
    staleness_effect: float = 2.0
    """Feeling lost, before its bounds, if the feed has turned all of the user's taste to the post's topic."""
    no_click_feeling: float = -0.3
    """Feeling, in [-1, 1], after a slate on which nothing was engaged with."""
    told_noise: float = 0.7
    """Standard deviation, in stars, of the error of the answer how worthwhile a post was."""
    wellbeing_decay: float = 0.9
    """Share of well-being that stays after a slate; the rest is the feeling."""
    habit_decay: float = 0.9
    """Share of satiation and weariness that stays after a slate."""
    overnight: float = 0.7
    """Share of satiation and weariness that stays after a day away."""
    echo: float = 0.04
    """Share of taste that goes over to the topic of the post engaged with."""
    min_energy: float = 3.0
    """Slates of the shortest visit."""
    max_energy: float = 9.0
    """Slates of the longest visit, unless posts that stir up make it longer."""
    hook: float = 0.3
    """Energy that a post that stirs up as much as can be saves in its slate."""
    comeback: float = 0.97
    """Chance to come back of a user who is as well as can be; 0 makes every session one visit."""
    comeback_slope: float = 15.0
    """Slope in well-being of the logit of coming back."""
    comeback_threshold: float = -0.2
    """Well-being at which that chance is half of its most."""
    absence: float = 10.0
    """Days away, on average, beyond one, of a user sure to stay away; the surer to come back, the fewer."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be, before anything is loaded."""
        super().__post_init__()
        shares = ("wellbeing_decay", "habit_decay", "overnight", "echo", "hook", "comeback")
        self.check_shares(*shares)
        self.check_not_negative("perturbation", "told_noise", "absence")
        if not 0 < self.min_energy <= self.max_energy < float("inf"):
            raise UsageError(
                f"min_energy is {self.min_energy} and max_energy {self.max_energy}; make the first positive and the "
                "second finite and not less"
            )


@dataclass(frozen=True, kw_only=True)
class FeedMyopicSettings(FeedSettings):
    """Settings of `slatelab/FeedMyopic-v0`: one visit of a fixed length, in which nothing lasts."""

    candidate_source: SourceName = "random"
    follows_session: bool = False
    satiation_weight: float = 0.0
    weariness_weight: float = 0.0
    staleness_effect: float = 0.0
    echo: float = 0.0
    min_energy: float = 20.0
    max_energy: float = 20.0
    hook: float = 0.0
    comeback: float = 0.0
