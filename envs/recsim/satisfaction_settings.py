"""Settings of the environments about long-term satisfaction."""

from dataclasses import dataclass

from encoders.errors import UsageError
from envs.simulator import check_sizes


@dataclass(frozen=True, kw_only=True)
class LongTermSatisfactionSettings:
    """Settings of `slatelab/LongTermSatisfaction-v0`."""

    num_candidates: int = 10
    """M, documents offered at each step, drawn anew."""
    slate_size: int = 1
    """K, documents shown at each step; the user consumes the first."""
    time_budget: int = 60
    """Slates after which the user leaves."""
    time_limit: int = 1000
    """Slates after which a session is truncated."""
    memory_discount: float = 0.7
    """beta, share of the net positive exposure that stays after a step."""
    sensitivity: float = 0.01
    """s, slope of satisfaction in the net positive exposure."""
    innovation_deviation: float = 0.05
    """eta, standard deviation of the noise of net positive exposure."""
    choc_mean: float = 5.0
    """mu_c, log engagement with pure clickbait at full satisfaction."""
    choc_deviation: float = 1.0
    """sigma_c, standard deviation of log engagement with pure clickbait."""
    kale_mean: float = 4.0
    """mu_k, log engagement with what is no clickbait, at full satisfaction."""
    kale_deviation: float = 1.0
    """sigma_k, standard deviation of log engagement with what is no clickbait."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        check_sizes(self.slate_size, self.num_candidates, self.num_candidates)
        for name in ("time_budget", "time_limit"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; make it 1 or more")
        if not 0 <= self.memory_discount < 1:
            raise UsageError(f"memory_discount is {self.memory_discount}; make it 0 or more and less than 1")
        for name in ("innovation_deviation", "choc_deviation", "kale_deviation"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name} is {getattr(self, name)}; make it finite and not negative")


@dataclass(frozen=True, kw_only=True)
class LongTermSatisfactionHardSettings(LongTermSatisfactionSettings):
    """Settings of `slatelab/LongTermSatisfactionHard-v0`: satisfaction that moves, and kale that engages less."""

    memory_discount: float = 0.8
    sensitivity: float = 0.6
    kale_mean: float = 3.0
