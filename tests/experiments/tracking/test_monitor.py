"""The rows of training metrics, against sums done by hand."""

import pytest
import torch

from envs.interface import Transition
from experiments.tracking.monitor import CTR, LENGTH, RETURN, REWARD, SESSIONS, Monitor

NOTHING: dict[str, torch.Tensor] = {}


def _step(response: torch.Tensor, reward: torch.Tensor, last: torch.Tensor) -> Transition:
    return Transition(
        observation={},
        slate=torch.zeros(0),
        response=response,
        reward=reward,
        discount=torch.zeros(0),
        last=last,
        next_observation={},
    )


def _monitor() -> Monitor:
    monitor = Monitor(2, torch.device("cpu"))
    click_BKR = torch.tensor([[[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    monitor.add(_step(click_BKR, torch.tensor([1.0, 0.0]), torch.tensor([False, True])), NOTHING, NOTHING)
    monitor.add(_step(click_BKR, torch.tensor([3.0, 2.0]), torch.tensor([True, False])), NOTHING, NOTHING)
    return monitor


def test_row_holds_means_over_ended_sessions_and_over_slates() -> None:
    row = _monitor().row()
    # Sessions: user 2 ended after one slate with 0, user 1 after two with 4.
    assert row[RETURN] == pytest.approx(2.0)
    assert row[LENGTH] == pytest.approx(1.5)
    assert row[SESSIONS] == 2
    assert row[CTR] == pytest.approx(0.5)
    assert row[REWARD] == pytest.approx(6 / 4)


def test_session_that_goes_on_counts_in_the_row_in_which_it_ends() -> None:
    monitor = _monitor()
    monitor.row()
    later = _step(torch.zeros(2, 2, 2), torch.tensor([5.0, 5.0]), torch.tensor([False, True]))
    monitor.add(later, NOTHING, NOTHING)
    row = monitor.row()
    assert row[RETURN] == pytest.approx(7.0)
    assert row[LENGTH] == pytest.approx(2.0)


def test_row_without_ended_sessions_has_no_mean_return() -> None:
    monitor = Monitor(1, torch.device("cpu"))
    monitor.add(_step(torch.zeros(1, 2, 2), torch.zeros(1), torch.tensor([False])), NOTHING, NOTHING)
    assert RETURN not in monitor.row()
    assert monitor.row() == {}


def test_metric_of_some_steps_is_averaged_over_those() -> None:
    monitor = Monitor(2, torch.device("cpu"))
    step = _step(torch.zeros(2, 2, 2), torch.zeros(2), torch.tensor([False, False]))
    for loss in (None, 2.0, 4.0):
        learnt = NOTHING if loss is None else {"train/loss": torch.tensor(loss)}
        monitor.add(step, {"bait": torch.tensor([0.0, 1.0])}, learnt)
    row = monitor.row()
    assert (row["train/loss"], row["rec/bait"], row[SESSIONS]) == (3.0, 0.5, 0.0)


def test_saved_sums_go_on_as_they_were() -> None:
    first, second = _monitor(), Monitor(2, torch.device("cpu"))
    second.load_state_dict(first.state_dict())
    assert second.row() == first.row()


def test_the_rows_of_two_seeds_are_those_of_each_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    both, alone = Monitor(3, torch.device("cpu"), seeds=2), [Monitor(3, torch.device("cpu")) for _ in range(2)]
    for _ in range(4):
        response, reward = torch.rand((6, 2, 2), generator=generator), torch.rand(6, generator=generator)
        last = torch.rand(6, generator=generator) < 0.4
        learnt = {"train/loss": reward[:2], "train/learning_rate": torch.tensor(0.5)}
        both.add(_step(response, reward, last), {"bait": reward}, learnt)
        for index, monitor in enumerate(alone):
            rows = slice(3 * index, 3 * index + 3)
            own = {"train/loss": reward[index], "train/learning_rate": torch.tensor(0.5)}
            monitor.add(_step(response[rows], reward[rows], last[rows]), {"bait": reward[rows]}, own)
            split, alone_state = both.seed_state(index), monitor.state_dict()
            assert split.keys() == alone_state.keys()
            assert all(torch.equal(split[name], value) for name, value in alone_state.items())
    expected = [monitor.row() for monitor in alone]
    assert both.rows() == [pytest.approx(row) for row in expected]
    assert both.rows() == [{}, {}]
