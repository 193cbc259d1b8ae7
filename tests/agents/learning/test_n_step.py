"""n-step returns, and the window that makes rows of them: computed by hand, across ends and truncations."""

import pytest
import torch
from torch import Tensor

from agents.learning.step_window import StepWindow
from agents.learning.targets import n_step_return
from envs.interface import Tensors

GAMMA = 0.5


def column(*values: float) -> Tensor:
    return torch.tensor(values).unsqueeze(1)


def earned(discounts: Tensor, *last: bool) -> tuple[float, float, int]:
    parts = n_step_return(column(1.0, 2.0, 4.0), discounts, torch.tensor(last).unsqueeze(1))
    reward, discount, stop = (float(part[0]) for part in parts)
    return reward, discount, int(stop)


def test_rewards_are_summed_up_to_the_nth_step() -> None:
    assert earned(column(0.5, 0.5, 0.5), False, False, False) == (1 + 0.5 * 2 + 0.25 * 4, 0.125, 2)


def test_one_step_is_its_own_return() -> None:
    reward_B, discount_B, stop_B = n_step_return(column(3.0), column(0.9), torch.tensor([[False]]))
    assert (float(reward_B), float(stop_B)) == (3.0, 0.0)
    assert float(discount_B) == pytest.approx(0.9)


def test_after_the_user_left_nothing_is_earned_and_nothing_follows() -> None:
    assert earned(column(0.5, 0.0, 0.5), False, True, False) == (2.0, 0.0, 1)
    assert earned(column(0.0, 0.5, 0.5), True, False, False) == (1.0, 0.0, 0)


def test_a_truncated_session_bootstraps_there_and_takes_nothing_of_the_next() -> None:
    assert earned(column(0.5, 0.5, 0.5), False, True, False) == (2.0, 0.25, 1)
    assert earned(column(0.5, 0.5, 0.5), True, True, True) == (1.0, 0.5, 0)
    assert earned(column(0.5, 0.5, 0.5), False, False, True) == (3.0, 0.125, 2)


def test_users_do_not_mix() -> None:
    generator = torch.Generator().manual_seed(0)
    rewards = torch.rand((4, 6), generator=generator)
    last = torch.rand((4, 6), generator=generator) < 0.3
    discounts = 0.9 * (torch.rand((4, 6), generator=generator) < 0.8)
    together = n_step_return(rewards, discounts, last)
    for user in range(6):
        one = slice(user, user + 1)
        alone = n_step_return(rewards[:, one], discounts[:, one], last[:, one])
        for part, own in zip(together, alone, strict=True):
            torch.testing.assert_close(part[one], own)


def step(number: int, last: tuple[bool, bool] = (False, False)) -> Tensors:
    """Return a step of two users; what is seen before it is its number, what is seen after it the number + 0.5."""
    return {
        "user": torch.tensor([[number], [10 + number]]).float(),
        "reward": torch.tensor([1.0, 2.0]) * 2**number,
        "discount": torch.full((2,), GAMMA),
        "last": torch.tensor(last),
        "next.user": torch.tensor([[number + 0.5], [10.5 + number]]),
    }


def test_each_step_comes_out_once_and_in_order() -> None:
    window = StepWindow(3)
    rows = [window.add(step(number)) for number in range(6)]
    assert rows[:2] == [None, None]
    told = [row for row in rows if row is not None]
    assert [row["user"][0].item() for row in told] == [0, 1, 2, 3]
    assert [row["next.user"][1].item() for row in told] == [12.5, 13.5, 14.5, 15.5]
    assert [row["reward"].tolist() for row in told[:2]] == [[3.0, 6.0], [6.0, 12.0]]
    assert all("last" not in row for row in told)


def test_each_user_stops_at_the_end_of_their_own_session() -> None:
    window = StepWindow(3)
    rows = [window.add(step(number, last=(number == 1, False))) for number in range(4)]
    first, second = rows[2], rows[3]
    assert first is not None
    assert second is not None
    assert first["reward"].tolist() == [1 + 0.5 * 2, 2 + 0.5 * 4 + 0.25 * 8]
    assert first["discount"].tolist() == [0.25, 0.125]
    assert first["next.user"][:, 0].tolist() == [1.5, 12.5], "the first user's session ended after step 1"
    assert second["reward"].tolist() == [2.0, 4 + 0.5 * 8 + 0.25 * 16]
    assert second["next.user"][:, 0].tolist() == [1.5, 13.5]


def test_a_window_of_one_holds_nothing_back() -> None:
    window = StepWindow(1)
    row = window.add(step(4))
    assert row is not None
    assert row["next.user"][:, 0].tolist() == [4.5, 14.5]
    assert window.state_dict().keys() == {"held"}


@pytest.mark.parametrize("held", [0, 1, 2])
def test_a_saved_window_goes_on_where_it_was(held: int) -> None:
    ours, theirs = StepWindow(3), StepWindow(3)
    theirs.add(step(9))
    for number in range(held):
        ours.add(step(number))
    theirs.load_state_dict(ours.state_dict(), torch.device("cpu"), begun=held == 2)
    for number in range(held, 5):
        one, other = ours.add(step(number)), theirs.add(step(number))
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.keys() == other.keys()
            assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_window_of_another_length_is_refused() -> None:
    long = StepWindow(4)
    for number in range(3):
        long.add(step(number))
    with pytest.raises(ValueError, match="holds 3 steps back, this agent 2; load it"):
        StepWindow(3).load_state_dict(long.state_dict(), torch.device("cpu"), begun=True)
    with pytest.raises(ValueError, match="holds 0 steps back, this agent 2; load it"):
        StepWindow(3).load_state_dict(StepWindow(1).state_dict(), torch.device("cpu"), begun=True)
