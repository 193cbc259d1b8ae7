"""Settings of `slatelab/Boredom-v0` and `slatelab/BoredomRerank-v0`, and SARDINE's presets as settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from encoders.errors import UsageError
from encoders.registry import unknown_name
from envs.choice import ChoiceParameters, check_choice
from envs.simulator import check_sizes

BoredomType = Literal["churn_and_return", "loss_of_interest"]
BOREDOM_TYPES: tuple[BoredomType, ...] = get_args(BoredomType)

TOP_K_CHOICE = ChoiceParameters(examination=0.85)
RERANK_CHOICE = ChoiceParameters(examination=0.7)


@dataclass(frozen=True, kw_only=True)
class BoredomSettings:
    """Settings of `slatelab/Boredom-v0`."""

    num_items: int = 1000
    """N, items of the catalogue."""
    num_topics: int = 10
    """D, topics: the features of items and the tastes of users."""
    slate_size: int = 10
    """K, items shown at each step."""
    num_candidates: int = 1000
    """M, items on offer: the whole catalogue if it is num_items, else drawn anew at each step."""
    time_limit: int = 100
    """Slates after which a session is truncated; nobody leaves before."""
    observe_state: bool = False
    """Whether ``user`` ends with the current taste and the steps of boredom left, as in SARDINE's ideal state."""
    slope: float = 100.0
    """Steepness of relevance in the match of item and user; 10 in SARDINE's uncertain presets."""
    offset: float = 0.65
    """Match at which relevance is one half; 0.28 in the variant of GeMS."""
    boredom_type: str = "churn_and_return"
    """What one bored topic silences: ``churn_and_return`` the user, ``loss_of_interest`` the topic."""
    boredom_threshold: int = 5
    """Recent clicks on one main topic that make it boring; more than boredom_memory means never."""
    boredom_memory: int = 10
    """L, the latest clicks that count as recent."""
    boredom_window: int = 5
    """Steps, the current one included, whose clicks count as recent."""
    boredom_duration: int = 5
    """Steps that a topic stays boring."""
    influence: float = 1.0
    """omega, share of the taste that stays when items are clicked; 1 is no influence, 0.95 SARDINE's."""
    item_topics: tuple[int, int] = (2, 3)
    """Fewest and most topics of an item, all counts between as likely."""
    user_topics: tuple[int, int] = (3, 5)
    """Fewest and most topics of a user; the count is binomial around the middle, cut to this range."""
    catalog_seed: int = 0
    """Seed of the catalogue, which all users share."""
    choice_model: str = "position_based"
    """Which slots are clicked: any choice model; scores are log odds of relevance, against 0 for no click."""
    choice: ChoiceParameters = TOP_K_CHOICE
    """Parameters of the choice model; examination is the discount of a position, 0.85."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        check_sizes(self.slate_size, self.num_candidates, self.num_items)
        positive = ("num_topics", "time_limit", "boredom_threshold", "boredom_memory", "boredom_window")
        for name in (*positive, "boredom_duration"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; make it 1 or more")
        if not 0 < self.slope < float("inf"):
            raise UsageError(f"slope is {self.slope}; make it positive and finite")
        if not abs(self.offset) < float("inf"):
            raise UsageError(f"offset is {self.offset}; make it finite")
        if not 0 <= self.influence <= 1:
            raise UsageError(f"influence is {self.influence}; it is a share, from 0 to 1")
        if self.boredom_type not in BOREDOM_TYPES:
            raise unknown_name("boredom_type", self.boredom_type, BOREDOM_TYPES)
        for name in ("item_topics", "user_topics"):
            fewest, most = getattr(self, name)
            if not 1 <= fewest <= most <= self.num_topics:
                raise UsageError(
                    f"{name} is {(fewest, most)}; give the fewest and the most, from 1 to num_topics {self.num_topics}"
                )
        check_choice(self.choice_model, self.choice, 0.0)


@dataclass(frozen=True, kw_only=True)
class BoredomRerankSettings(BoredomSettings):
    """Settings of `slatelab/BoredomRerank-v0`: ten items to put in order, for ten steps."""

    num_items: int = 10
    """N, items of the catalogue."""
    num_candidates: int = 10
    """M, items on offer: the whole catalogue if it is num_items, else drawn anew at each step."""
    time_limit: int = 10
    """Slates after which a session is truncated; nobody leaves before."""
    slope: float = 5.0
    """Steepness of relevance in the match of item and user."""
    offset: float = 0.3
    """Match at which relevance is one half."""
    boredom_threshold: int = 4
    """Recent clicks on one main topic that make it boring; more than boredom_memory means never."""
    choice: ChoiceParameters = RERANK_CHOICE
    """Parameters of the choice model; examination is the discount of a position, 0.7."""


PRESETS: Mapping[str, BoredomSettings] = {
    "SingleItem-Static": BoredomSettings(slate_size=1, boredom_threshold=11),
    "SingleItem-BoredInf": BoredomSettings(slate_size=1, influence=0.95),
    "SingleItem-Uncertain": BoredomSettings(slate_size=1, boredom_threshold=11, slope=10.0),
    "SlateTopK-Bored": BoredomSettings(),
    "SlateTopK-BoredInf": BoredomSettings(influence=0.95),
    "SlateTopK-Uncertain": BoredomSettings(influence=0.95, slope=10.0),
    "SlateRerank-Static": BoredomRerankSettings(boredom_threshold=11),
    "SlateRerank-Bored": BoredomRerankSettings(),
}
"""SARDINE's environments as settings: ``Boredom(PRESETS["SlateTopK-BoredInf"])``."""
