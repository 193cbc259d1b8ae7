"""Settings of the environments about interests: evolution and exploration."""

from dataclasses import dataclass

from encoders.errors import UsageError
from envs.choice import PLAIN_CHOICE, ChoiceParameters, check_choice, check_scores
from envs.simulator import check_sizes

SHIFTED_CHOICE = ChoiceParameters(min_score=-1.0)


@dataclass(frozen=True, kw_only=True)
class InterestEvolutionSettings:
    """Settings of `slatelab/InterestEvolution-v0`."""

    observe_budget: bool = False
    """Whether the observation has ``budget``, the share of the time budget that is left."""
    num_candidates: int = 10
    """M, documents offered at each step, drawn anew."""
    slate_size: int = 3
    """K, documents shown at each step."""
    num_topics: int = 20
    """D, topics of documents and interests of users."""
    time_limit: int = 1000
    """Slates after which a session is truncated."""
    time_budget: float = 200.0
    """Minutes a user has at first."""
    document_length: float = 4.0
    """Minutes a document lasts."""
    no_click_penalty: float = 0.5
    """Minutes lost when nothing is clicked."""
    bonus: float = 0.9 / 3.4
    """Minutes given back for each minute watched and unit of quality."""
    low_quality_share: float = 0.7
    """Share of the topics whose mean quality is 0 or less."""
    min_quality: float = -3.0
    """Mean quality of the worst topic."""
    max_quality: float = 3.0
    """Mean quality of the best topic."""
    quality_deviation: float = 0.1
    """Standard deviation of a document's quality around its topic's mean."""
    interest_step: float = 0.3
    """How far an interest of 0 moves after a click on its topic."""
    no_click_mass: float = 1.0
    """Score of clicking nothing."""
    choice_model: str = "multinomial_proportional"
    """Which slot is clicked: a choice model with at most one click a slate."""
    choice: ChoiceParameters = SHIFTED_CHOICE
    """Parameters of the choice model."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        check_sizes(self.slate_size, self.num_candidates, self.num_candidates)
        for name in ("time_limit", "num_topics"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; make it 1 or more")
        for name in ("time_budget", "document_length"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UsageError(f"{name} is {getattr(self, name)}; make it positive and finite")
        for name in ("no_click_penalty", "bonus", "quality_deviation"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name} is {getattr(self, name)}; make it finite and not negative")
        for name in ("low_quality_share", "interest_step"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it is a share, from 0 to 1")
        check_choice(self.choice_model, self.choice, self.no_click_mass, several=False)
        check_scores(self.choice_model, self.choice, lowest=-1.0, highest=1.0)


@dataclass(frozen=True, kw_only=True)
class InterestExplorationSettings:
    """Settings of `slatelab/InterestExploration-v0`."""

    num_candidates: int = 10
    """M, documents offered at each step, drawn anew."""
    slate_size: int = 2
    """K, documents shown at each step."""
    time_limit: int = 100
    """Slates after which a session is truncated; nobody leaves before."""
    user_types: tuple[float, ...] = (0.3, 0.7)
    """Share of each type of user."""
    affinities: tuple[tuple[float, ...], ...] = ((0.1, 0.7), (0.7, 0.1))
    """Mean log affinity of each type of user (rows) to each topic (columns)."""
    affinity_deviation: float = 0.1
    """Standard deviation of log affinity."""
    topics: tuple[float, ...] = (0.2, 0.8)
    """Share of the documents of each topic."""
    qualities: tuple[float, ...] = (0.8, 0.2)
    """Mean log quality of each topic."""
    quality_deviation: float = 0.1
    """Standard deviation of log quality."""
    no_click_mass: float = 5.0
    """Score of clicking nothing."""
    choice_model: str = "multinomial_logit"
    """Which slots are clicked: any choice model."""
    choice: ChoiceParameters = PLAIN_CHOICE
    """Parameters of the choice model."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        check_sizes(self.slate_size, self.num_candidates, self.num_candidates)
        if self.time_limit < 1:
            raise UsageError(f"time_limit is {self.time_limit}; make it 1 or more")
        for name in ("user_types", "topics"):
            shares = getattr(self, name)
            if not shares or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
                raise UsageError(f"{name} is {shares}; shares are not negative and sum to 1")
        widths = {len(row) for row in self.affinities}
        if len(self.affinities) != len(self.user_types) or widths != {len(self.topics)}:
            raise UsageError("affinities has to have a row for each of user_types and a column for each of topics")
        if len(self.qualities) != len(self.topics):
            raise UsageError("qualities has to have a number for each of topics")
        for name in ("affinity_deviation", "quality_deviation"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name} is {getattr(self, name)}; make it finite and not negative")
        check_choice(self.choice_model, self.choice, self.no_click_mass)


LOVED = 6
"""Topics that only one type of user loves, in the hard preset; as many types."""


@dataclass(frozen=True, kw_only=True)
class InterestExplorationHardSettings(InterestExplorationSettings):
    """Settings of `slatelab/InterestExplorationHard-v0`: a topic all users like, one for each type to love."""

    user_types: tuple[float, ...] = (1 / LOVED,) * LOVED
    affinities: tuple[tuple[float, ...], ...] = tuple(
        (1.1, *(1.7 if topic == user_type else 0.1 for topic in range(LOVED))) for user_type in range(LOVED)
    )
    affinity_deviation: float = 0.0
    topics: tuple[float, ...] = (0.5, *(0.5 / LOVED,) * LOVED)
    qualities: tuple[float, ...] = (0.2,) * (LOVED + 1)
