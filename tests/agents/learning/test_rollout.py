"""Rollouts and minibatches."""

import pytest
import torch

from agents.learning.rollout import Rollout, minibatches
from agents.streams import Streams


def step(number: int) -> dict[str, torch.Tensor]:
    return {"a": torch.tensor([10 * number, 10 * number + 1]), "b": torch.full((2, 3), float(number))}


def test_steps_come_back_in_order_and_the_rollout_starts_over() -> None:
    rollout = Rollout(3)
    for number in range(3):
        assert not rollout.full
        rollout.add(step(number))
    assert rollout.full
    taken = rollout.take()
    assert taken["a"].tolist() == [[0, 1], [10, 11], [20, 21]]
    assert taken["b"].shape == (3, 2, 3)
    assert not rollout.full
    assert rollout.size == 0
    rollout.add(step(7))
    assert rollout.state_dict()["a"].tolist() == [[70, 71]]


@pytest.mark.parametrize("held", [0, 1, 2])
def test_a_partial_rollout_goes_on_where_it_was(held: int) -> None:
    ours, theirs = Rollout(3), Rollout(3)
    theirs.add(step(9))
    for number in range(held):
        ours.add(step(number))
    theirs.load_state_dict(ours.state_dict())
    for number in range(held, 3):
        ours.add(step(number))
        theirs.add(step(number))
    assert theirs.full
    assert theirs.take()["a"].tolist() == ours.take()["a"].tolist() == [[0, 1], [10, 11], [20, 21]]


def test_a_saved_state_does_not_change_with_the_rollout() -> None:
    rollout = Rollout(2)
    rollout.add(step(0))
    saved = rollout.state_dict()
    rollout.add(step(1))
    rollout.take()
    rollout.add(step(5))
    assert saved["a"].tolist() == [[0, 1]]


def test_a_longer_rollout_is_refused() -> None:
    long = Rollout(5)
    for number in range(4):
        long.add(step(number))
    with pytest.raises(ValueError, match="holds 4 steps, this agent learns after 3"):
        Rollout(3).load_state_dict(long.state_dict())


def test_a_rollout_of_other_columns_is_refused_when_the_next_step_comes() -> None:
    loaded = Rollout(3)
    loaded.load_state_dict({"a": torch.zeros(1, 2, dtype=torch.int64), "b": torch.zeros(1, 2, 4)})
    with pytest.raises(ValueError, match=r"rollout.b\" is torch.float32 \(2, 4\), expected torch.float32 \(2, 3\)"):
        loaded.add(step(1))


def test_columns_of_two_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"longer|shorter"):
        Rollout(5).load_state_dict({"a": torch.zeros(1, 2), "b": torch.zeros(2, 2)})


def test_a_rollout_of_one_step_holds_nothing_between_steps() -> None:
    rollout = Rollout(1)
    rollout.load_state_dict(Rollout(1).state_dict())
    rollout.add(step(3))
    assert rollout.full


def test_minibatches_hand_out_every_row_once_and_keep_columns_together() -> None:
    columns = {"a": torch.arange(10), "b": torch.arange(10) * 2.0}
    batches = list(minibatches(columns, 4, Streams(0, torch.device("cpu"))))
    assert [len(batch["a"]) for batch in batches] == [4, 4, 2]
    order = torch.cat([batch["a"] for batch in batches])
    assert sorted(order.tolist()) == list(range(10))
    assert order.tolist() != list(range(10))
    assert torch.equal(torch.cat([batch["b"] for batch in batches]), order * 2.0)
