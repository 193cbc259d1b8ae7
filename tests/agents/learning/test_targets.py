"""The learning targets, computed by hand."""

import torch
from torch import Tensor

from agents.learning.targets import lambda_returns


def column(*values: float) -> Tensor:
    return torch.tensor(values).unsqueeze(1)


REWARDS, VALUES = column(1.0, 2.0, 4.0), column(10.0, 20.0, 40.0)


def returns(discounts: Tensor, last: list[bool], trace: float) -> list[float]:
    ends_TB = torch.tensor(last).unsqueeze(1)
    target_TB = lambda_returns(REWARDS, discounts, VALUES, ends_TB, trace)
    assert target_TB.shape == REWARDS.shape
    return target_TB[:, 0].tolist()


def test_lambda_zero_gives_one_step_targets() -> None:
    assert returns(column(0.5, 0.5, 0.5), [False] * 3, 0.0) == [6.0, 12.0, 24.0]


def test_lambda_one_sums_rewards_up_to_the_last_value() -> None:
    assert returns(column(0.5, 0.5, 0.5), [False] * 3, 1.0) == [1 + 0.5 * (2 + 0.5 * 24), 14.0, 24.0]


def test_lambda_between_mixes_value_and_return_at_every_step() -> None:
    second = 2 + 0.5 * (0.5 * 20 + 0.5 * 24)
    first = 1 + 0.5 * (0.5 * 10 + 0.5 * second)
    assert returns(column(0.5, 0.5, 0.5), [False] * 3, 0.5) == [first, second, 24.0]


def test_nothing_follows_where_the_user_left() -> None:
    assert returns(column(0.5, 0.0, 0.5), [False, True, False], 1.0) == [2.0, 2.0, 24.0]
    assert returns(column(0.5, 0.0, 0.5), [False, True, False], 0.0) == [6.0, 2.0, 24.0]


def test_a_truncated_session_takes_its_final_value_and_nothing_of_the_next_session() -> None:
    for trace in (0.0, 0.5, 1.0):
        first, second, third = returns(column(0.5, 0.5, 0.5), [False, True, False], trace)
        assert third == 24.0
        assert second == 2 + 0.5 * 20, "the next session has leaked in"
        assert first == 1 + 0.5 * ((1 - trace) * 10 + trace * second)


def test_users_do_not_mix() -> None:
    generator = torch.Generator().manual_seed(0)
    rewards, values = torch.rand((2, 5, 3), generator=generator)
    last = torch.rand((5, 3), generator=generator) < 0.3
    discounts = 0.9 * (torch.rand((5, 3), generator=generator) < 0.8)
    together = lambda_returns(rewards, discounts, values, last, 0.7)
    for user in range(3):
        one = slice(user, user + 1)
        alone = lambda_returns(rewards[:, one], discounts[:, one], values[:, one], last[:, one], 0.7)
        assert torch.equal(alone, together[:, one])
