"""The Plackett-Luce distribution over slates against enumeration, and the top-K correction by hand."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from agents.learning.plackett_luce import (
    entropy,
    item_log_probabilities,
    log_shown_chance,
    sample_slate,
    slot_log_probabilities,
    top_k_multiplier,
)
from agents.streams import Streams

WEIGHTS = (1.0, 2.0, 3.0, 4.0)
LOGITS_1M = torch.tensor([WEIGHTS]).log()


def streams(*seeds: int) -> Streams:
    return Streams(list(seeds) or 0, torch.device("cpu"))


def ordered_slates(candidates: int, slate_size: int) -> Tensor:
    return torch.tensor(list(itertools.permutations(range(candidates), slate_size)))


def chances(logits_M: Tensor, slates_NK: Tensor) -> Tensor:
    return slot_log_probabilities(logits_M.expand(len(slates_NK), -1), slates_NK).sum(dim=1).exp()


def test_a_slates_slots_have_the_chances_computed_by_hand() -> None:
    log_probs = slot_log_probabilities(LOGITS_1M, torch.tensor([[3, 0, 1]]))
    # 4 of 1 + 2 + 3 + 4, then 1 of 1 + 2 + 3, then 2 of 2 + 3.
    torch.testing.assert_close(log_probs.exp(), torch.tensor([[4 / 10, 1 / 6, 2 / 5]]))


def test_order_matters() -> None:
    first, second = chances(LOGITS_1M, torch.tensor([[3, 0], [0, 3]])).tolist()
    assert first == pytest.approx(4 / 10 * 1 / 6)
    assert second == pytest.approx(1 / 10 * 4 / 9)


@pytest.mark.parametrize("slate_size", [1, 2, 3, 4])
@pytest.mark.parametrize("spread", [0.0, 1.0, 5.0])
def test_the_chances_of_all_ordered_slates_sum_to_one(slate_size: int, spread: float) -> None:
    logits_1M = spread * torch.randn((1, 4), generator=torch.Generator().manual_seed(1))
    slates_NK = ordered_slates(4, slate_size)
    assert len(slates_NK) == math.perm(4, slate_size)
    assert float(chances(logits_1M, slates_NK).sum()) == pytest.approx(1.0, abs=1e-5)


def test_a_number_added_to_all_logits_changes_no_chance() -> None:
    slates_NK = ordered_slates(4, 2)
    torch.testing.assert_close(chances(LOGITS_1M + 30.0, slates_NK), chances(LOGITS_1M, slates_NK))


def test_what_one_item_leaves_to_the_others_is_exact_however_little_it_is() -> None:
    logits_1M = torch.tensor([[100.0, 0.0, math.log(3.0)]])
    log_probs = slot_log_probabilities(logits_1M, torch.tensor([[0, 2]]))
    torch.testing.assert_close(log_probs, torch.tensor([[0.0, math.log(3 / 4)]]))


@pytest.mark.parametrize("slate_size", [1, 3, 4])
def test_gradients_are_finite_where_logits_are_far_apart(slate_size: int) -> None:
    logits_1M = torch.tensor([[300.0, 0.0, -300.0, 150.0]], requires_grad=True)
    slot_log_probabilities(logits_1M, torch.tensor([[2, 0, 3, 1]])[:, :slate_size]).sum().backward()
    assert logits_1M.grad is not None
    assert logits_1M.grad.isfinite().all()
    assert float(logits_1M.grad.sum()) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("slate_size", [1, 2, 4])
def test_slates_are_drawn_as_often_as_their_chance_says(slate_size: int) -> None:
    draws = 40_000
    slates_BK = sample_slate(LOGITS_1M.expand(draws, -1), slate_size, streams(3))
    expected_N = chances(LOGITS_1M, ordered_slates(4, slate_size))
    matches_BN = (slates_BK.unsqueeze(1) == ordered_slates(4, slate_size)).all(dim=2).float()
    error_N = (expected_N * (1 - expected_N) / draws).sqrt()
    assert ((matches_BN.mean(dim=0) - expected_N).abs() < 4.5 * error_N).all()
    assert (matches_BN.sum(dim=1) == 1).all()


def test_each_seed_draws_what_it_draws_alone() -> None:
    logits_BM = torch.randn((6, 5), generator=torch.Generator().manual_seed(0))
    both = sample_slate(logits_BM, 3, streams(4, 9))
    assert torch.equal(both[3:], sample_slate(logits_BM[3:], 3, streams(9)))


def test_the_score_functions_mean_is_the_gradient_of_the_expected_reward() -> None:
    """A bandit whose slates can be enumerated: rewards depend on the pair and on its order."""
    slates_NK = ordered_slates(4, 2)
    reward_N = torch.randn(len(slates_NK), generator=torch.Generator().manual_seed(5))
    logits_M = LOGITS_1M[0].clone().requires_grad_()
    (exact_M,) = torch.autograd.grad((chances(logits_M, slates_NK) * reward_N).sum(), logits_M)
    draws = 60_000
    slates_BK = sample_slate(LOGITS_1M.expand(draws, -1), 2, streams(1))
    drawn_B = (slates_BK.unsqueeze(1) == slates_NK).all(dim=2).float().argmax(dim=1)
    logits_BM = LOGITS_1M.repeat(draws, 1).requires_grad_()
    log_prob_B = slot_log_probabilities(logits_BM, slates_BK).sum(dim=1)
    (each_BM,) = torch.autograd.grad((reward_N[drawn_B] * log_prob_B).sum(), logits_BM)
    assert ((each_BM.mean(dim=0) - exact_M).abs() < 4.5 * each_BM.std(dim=0) / draws**0.5).all()
    assert float(exact_M.abs().max()) > 0.05


def test_an_items_log_probability_is_that_of_one_draw() -> None:
    log_probs = item_log_probabilities(LOGITS_1M, torch.tensor([[3, 0]]))
    torch.testing.assert_close(log_probs.exp(), torch.tensor([[0.4, 0.1]]))


def test_entropy_is_that_of_one_draw_in_nats() -> None:
    logits_BM = torch.tensor([[0.0, 0.0, 0.0, 0.0], [math.log(2.0), 0.0, 0.0, -torch.inf], [500.0, 0.0, 0.0, 0.0]])
    logits_BM[1, 3] = -200.0
    expected = torch.tensor([math.log(4.0), 1.5 * math.log(2.0), 0.0])
    torch.testing.assert_close(entropy(logits_BM), expected)


def test_the_chance_to_be_shown_by_hand() -> None:
    log_pi = torch.tensor([0.5, 1.0, 0.1]).log()
    torch.testing.assert_close(log_shown_chance(log_pi, 3).exp(), torch.tensor([0.875, 1.0, 0.271]))
    torch.testing.assert_close(log_shown_chance(log_pi, 1), log_pi)


@pytest.mark.parametrize("log_pi", [-10.0, -19.9, -20.1, -80.0, -500.0])
def test_a_rare_item_is_shown_k_times_as_often_as_it_is_drawn(log_pi: float) -> None:
    assert float(log_shown_chance(torch.tensor(log_pi), 4)) == pytest.approx(log_pi + math.log(4), abs=2e-4)


def test_the_multiplier_by_hand() -> None:
    log_pi = torch.tensor([0.5, 0.1, 1.0, 0.0]).log()
    torch.testing.assert_close(top_k_multiplier(log_pi, 3), torch.tensor([0.75, 2.43, 0.0, 3.0]))
    torch.testing.assert_close(top_k_multiplier(log_pi, 1), torch.ones(4))


@pytest.mark.parametrize("slate_size", [1, 2, 7])
def test_the_multiplier_is_the_derivative_of_the_chance_to_be_shown(slate_size: int) -> None:
    pi = torch.tensor([0.02, 0.3, 0.8], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(log_shown_chance(pi.log(), slate_size).exp().sum(), pi)
    torch.testing.assert_close(top_k_multiplier(pi.detach().log(), slate_size), slope)
