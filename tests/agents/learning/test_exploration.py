"""Exploration: its schedule, and a coin for every user."""

import pytest
import torch

from agents.learning.exploration import EpsilonSchedule, epsilon_greedy
from agents.streams import Streams

GREEDY = torch.tensor([[0, 1, 2]]).expand(4000, 3)


def explored(epsilon: float, seed: int = 0) -> torch.Tensor:
    return epsilon_greedy(GREEDY, 50, epsilon, Streams(seed, torch.device("cpu")))


def test_every_user_has_a_coin_of_their_own() -> None:
    shares = [float((explored(0.3, seed) != GREEDY).any(dim=1).float().mean()) for seed in range(5)]
    # One coin for the batch would give shares of 0 and 1; 4,000 coins have a standard deviation of 0.007.
    assert all(abs(share - 0.3) < 0.03 for share in shares)


def test_a_user_explores_with_the_whole_slate_or_not_at_all() -> None:
    other = explored(0.5) != GREEDY
    moved = other[other.any(dim=1)]
    assert moved.float().mean() > 0.95


def test_zero_never_explores_and_one_always_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Streams, "uniform", lambda self, *size: torch.zeros(size))  # the lowest coin there is
        last = GREEDY + 47
        assert torch.equal(epsilon_greedy(last, 50, 0.0, Streams(0, torch.device("cpu"))), last)
    counts = explored(1.0).flatten().bincount(minlength=50)
    assert counts.min() > 150, "240 are expected of each"
    assert counts.max() < 330


def test_random_slates_repeat_nothing() -> None:
    ordered = explored(1.0).sort(dim=1).values
    assert (ordered[:, 1:] > ordered[:, :-1]).all()
    assert explored(1.0).dtype == torch.int64


def test_exploration_depends_on_the_generator_alone() -> None:
    torch.manual_seed(1)
    first = explored(0.5)
    torch.manual_seed(2)
    assert torch.equal(first, explored(0.5))


def test_the_schedule_falls_on_a_line_and_then_stays() -> None:
    schedule = EpsilonSchedule(start=1.0, end=0.2, fraction=0.5)
    assert [schedule(progress) for progress in (0.0, 0.25, 0.5, 0.75, 1.0)] == pytest.approx([1.0, 0.6, 0.2, 0.2, 0.2])
    assert EpsilonSchedule(start=1.0, end=0.2, fraction=0.0)(0.0) == 0.2


@pytest.mark.parametrize("setting", [{"start": 1.5}, {"end": -0.1}, {"fraction": 2.0}, {"start": float("nan")}])
def test_a_share_outside_zero_and_one_is_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(setting))} of the exploration is .* \[0, 1\]"):
        EpsilonSchedule(**setting)
