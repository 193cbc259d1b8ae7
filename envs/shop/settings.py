"""Settings of `slatelab/Shop-v0` and its negative control."""

from dataclasses import dataclass, fields

from encoders.errors import UsageError
from envs.candidates import SourceName
from envs.text.settings import TextDomainSettings


@dataclass(frozen=True, kw_only=True)
class ShopSettings(TextDomainSettings):
    """Settings of `slatelab/Shop-v0`."""

    profile_drift: float = 0.2
    perturbation: float = 0.3
    """Standard deviation of a drawn user's tastes around their persona's."""
    need_weight: float = 4.0
    """Purchase logit for a need of 1 in the product's category."""
    fancy_weight: float = 3.0
    """Purchase logit for one unit of cosine between what the user fancies and the kind of product."""
    hype_weight: float = 0.8
    """Purchase logit for one standard deviation of hype."""
    taste_weight: float = 1.0
    """Purchase logit for one unit of taste for the product's style."""
    trust_weight: float = 0.5
    """Purchase logit for one unit of trust."""
    no_click_logit: float = 4.5
    """Logit of buying nothing."""
    delivery: int = 3
    """Slates between a purchase and its delivery."""
    usual_satisfaction: float = 0.4
    """Satisfaction, before its bounds, with an ordinary product in a style of no taste."""
    quality_satisfaction: float = 0.5
    """Satisfaction, before its bounds, for one standard deviation of quality."""
    hype_satisfaction: float = 0.5
    """Satisfaction lost, before its bounds, for one standard deviation of hype."""
    taste_satisfaction: float = 0.5
    """Satisfaction, before its bounds, for one unit of taste for the style."""
    return_slope: float = 6.0
    """Slope of the logit of a return in satisfaction."""
    return_threshold: float = -0.7
    """Satisfaction at which half of the products are returned."""
    return_cost: float = 1.0
    """Reward taken back when a product is returned."""
    trust_decay: float = 0.7
    """Share of trust that stays after a delivery; the rest is the satisfaction with what was delivered."""
    trust_effect: float = 2.0
    """How strongly trust stretches patience; 0 gives a fixed horizon."""
    patience: float = 16.0
    """Slates a user without trust or distrust looks at."""
    fulfilment: float = 1.0
    """Share of a need that ends with a purchase in its category."""
    reopening: float = 0.5
    """Need that a return opens again."""
    follow_need: float = 0.8
    """Need that a product of satisfaction 1 opens in each of the categories that go with it."""
    new_need_chance: float = 0.15
    """Chance of a step to open a need of 1 in a category of the user's interests."""
    wear: float = 0.03
    """Share of what is owned that wears out in a step; a category in which the user owns one opens no need."""
    profile_turn: float = 0.6
    """How far a purchase turns the profile from the product to what goes with it."""
    profile_tiring: float = 0.2
    """How far a slate on which nothing is bought turns the profile away from what was shown."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be, before anything is loaded."""
        super().__post_init__()
        if self.delivery < 1:
            raise UsageError(f"delivery is {self.delivery}; make it 1 or more")
        self.check_shares("trust_decay", "fulfilment", "new_need_chance", "wear")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not abs(value) < float("inf"):
                raise UsageError(f"{field.name} is {value}; make it finite")
        self.check_not_negative("perturbation", "patience", "return_cost", "reopening", "follow_need")
        for name in ("profile_turn", "profile_tiring"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; make it 0 or more and less than 1")


@dataclass(frozen=True, kw_only=True)
class ShopMyopicSettings(ShopSettings):
    """Settings of `slatelab/ShopMyopic-v0`: a fixed horizon, needs and a view that stay, no returns, no trust."""

    candidate_source: SourceName = "random"
    return_cost: float = 0.0
    trust_decay: float = 1.0
    trust_weight: float = 0.0
    trust_effect: float = 0.0
    fulfilment: float = 0.0
    reopening: float = 0.0
    follow_need: float = 0.0
    new_need_chance: float = 0.0
    follows_session: bool = False
