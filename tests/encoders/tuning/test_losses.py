"""Losses against numbers computed by hand, and masks that keep likes out of the negatives."""

import math

import pytest
import torch

from encoders.tuning.losses import elsa, in_batch_mask, infonce, multi_hot, softmax

LOG2, LOG3 = math.log(2), math.log(3)
NO_MASK = torch.zeros((2, 2), dtype=torch.bool)


def test_multi_hot_leaves_padding_out() -> None:
    assert multi_hot(torch.tensor([[2, -1, 0], [-1, -1, -1]]), 3).tolist() == [[True, False, True], [False] * 3]


def test_infonce_is_what_is_computed_by_hand() -> None:
    scores = torch.tensor([[LOG3, 0.0], [0.0, 0.0]])
    # Row 0: 3 / (3 + 1); row 1: 1 / (1 + 1).
    expected = (math.log(4 / 3) + LOG2) / 2
    torch.testing.assert_close(infonce(scores, NO_MASK, torch.zeros(2)), torch.tensor(expected))


def test_infonce_takes_off_how_often_a_target_is_drawn() -> None:
    # Column 1 is drawn twice as often: its exp halves. Row 0: 1 / (1 + 1/2); row 1: (1/2) / (1 + 1/2).
    expected = (math.log(3 / 2) + LOG3) / 2
    loss = infonce(torch.zeros((2, 2)), NO_MASK, torch.tensor([0.0, LOG2]))
    torch.testing.assert_close(loss, torch.tensor(expected))


def test_masked_columns_are_no_negatives_of_infonce() -> None:
    scores = torch.tensor([[0.0, 50.0], [0.0, 0.0]])
    masked = torch.tensor([[False, True], [False, False]])
    torch.testing.assert_close(infonce(scores, masked, torch.zeros(2)), torch.tensor(LOG2 / 2))


def test_the_same_item_and_the_users_own_likes_are_no_negatives() -> None:
    own = multi_hot(torch.tensor([[7, 5], [7, -1], [3, -1]]), 8)
    columns = torch.tensor([7, 7, 3, 5])
    masked = in_batch_mask(columns[:3], columns, own)
    assert masked.tolist() == [
        [False, True, False, True],  # its own target stays; the same item again and the own like 5 go
        [True, False, False, False],
        [False, False, False, False],
    ]


def test_softmax_is_what_is_computed_by_hand() -> None:
    scores = torch.tensor([[LOG2, 0.0, 0.0], [0.0, 0.0, 0.0]])
    targets = torch.tensor([[True, False, False], [True, True, False]])
    masked = torch.zeros((2, 3), dtype=torch.bool)
    # Row 0: log 2, one target, weight 1. Row 1: log 3 each, two targets, weight 2^-1/2.
    weight = 2**-0.5
    expected = (LOG2 + weight * 2 * LOG3) / (1 + weight * 2)
    torch.testing.assert_close(softmax(scores, targets, masked), torch.tensor(expected))


def test_softmax_leaves_masked_items_out() -> None:
    scores = torch.tensor([[0.0, 50.0, 0.0]])
    targets, masked = torch.tensor([[True, False, False]]), torch.tensor([[False, True, False]])
    torch.testing.assert_close(softmax(scores, targets, masked), torch.tensor(LOG2))


def test_a_sampled_softmax_counts_each_drawn_item_for_those_not_drawn() -> None:
    scores, targets = torch.zeros((1, 2)), torch.tensor([[True, False]])
    # One negative stands for four: 1 / (1 + 4).
    loss = softmax(scores, targets, torch.zeros((1, 2), dtype=torch.bool), math.log(1 / 4))
    torch.testing.assert_close(loss, torch.tensor(math.log(5)))


def test_users_without_a_target_weigh_nothing() -> None:
    scores = torch.tensor([[0.0, 0.0], [9.0, 3.0]])
    targets = torch.tensor([[True, False], [False, False]])
    torch.testing.assert_close(softmax(scores, targets, NO_MASK), torch.tensor(LOG2))


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        # A A^T - I is zero off the diagonal and on it: nothing found, norm(0) = 0, so |(1, 0)|² = 1.
        ([[1.0, 0.0], [0.0, 1.0]], 1.0),
        # (1, 0) finds (0, 1): |(1, 0) - (0, 1)|² = 2.
        ([[1.0, 0.0], [1.0, 0.0]], 2.0),
    ],
)
def test_elsa_is_what_is_computed_by_hand(items: list[list[float]], expected: float) -> None:
    loss = elsa(torch.tensor(items), torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(loss, torch.tensor(expected))


def test_elsa_of_likes_that_find_each_other_is_zero() -> None:
    items = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(elsa(items, torch.tensor([[1.0, 1.0, 0.0]])), torch.tensor(0.0))
