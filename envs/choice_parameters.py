"""Parameters of the choice models, all in one place so that the models can be swapped by name."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ChoiceParameters:
    """Parameters of the choice models; each model reads those it knows."""

    min_score: float = 0.0
    """c, taken off every score: by multinomial_proportional (also off the no-click mass) and proportional_cascade."""
    attention: float = 0.65
    """beta, chance that a user who reaches a slot considers it, which no click exceeds: by the cascades."""
    score_scaling: float = 0.05
    """sigma, click chance for one unit of weight: by the cascades."""
    examination: float = 0.85
    """epsilon, the share of users who go on to look at the next slot: by position_based and user_browsing."""
    continuation: float = 0.5
    """lambda, chance to go on after a click: by dependent_click."""

    def __post_init__(self) -> None:
        """Refuse chances outside [0, 1]."""
        for name in ("attention", "examination", "continuation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a chance, from 0 to 1")
        if not 0 < self.score_scaling < float("inf"):
            raise ValueError(f"score_scaling is {self.score_scaling}; make it positive and finite")
        if not abs(self.min_score) < float("inf"):
            raise ValueError(f"min_score is {self.min_score}; make it finite")
