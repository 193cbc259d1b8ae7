"""The rows of training metrics, against sums done by hand."""

import pytest
import torch

from envs.interface import Transition
from experiments.config import resolve
from experiments.loop import step
from experiments.tracking.monitor import CTR, LENGTH, RETURN, REWARD, SESSIONS, Monitor
from experiments.training import Training

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


def _end(monitor: Monitor, *last: bool, reward: float = 1.0) -> None:
    """Add a step after which some sessions end."""
    users = len(last)
    monitor.add(_step(torch.zeros(users, 2, 2), torch.full((users,), reward), torch.tensor(last)), NOTHING, NOTHING)


def test_nothing_but_first_sessions_counts_until_all_of_them_have_ended() -> None:
    monitor = Monitor(2, torch.device("cpu"))
    for _ in range(4):
        _end(monitor, True, False)
        assert not {RETURN, LENGTH, SESSIONS} & monitor.row().keys()
    _end(monitor, False, True)
    row = monitor.row()
    # The first user's session of one slate, and the second's of five.
    assert (row[SESSIONS], row[LENGTH], row[RETURN]) == (2.0, 3.0, 3.0)


def test_means_wait_for_as_many_sessions_as_there_are_users() -> None:
    monitor = _monitor()
    assert monitor.row()[SESSIONS] == 2
    _end(monitor, False, True, reward=5.0)
    assert not {RETURN, LENGTH, SESSIONS} & monitor.row().keys()
    _end(monitor, True, True, reward=4.0)
    row = monitor.row()
    # Returns 2 + 5, 5 + 4 and 4, after 2, 2 and 1 slates.
    assert (row[SESSIONS], row[RETURN], row[LENGTH]) == (3.0, pytest.approx(20 / 3), pytest.approx(5 / 3))


def test_row_without_ended_sessions_has_no_mean_return() -> None:
    monitor = Monitor(1, torch.device("cpu"))
    _end(monitor, False)
    assert monitor.row().keys() == {CTR, REWARD}
    assert monitor.row() == {}


@pytest.mark.parametrize("tiring", [0.0, 0.3])
def test_policy_that_learns_nothing_has_a_flat_curve(tiring: float) -> None:
    table = {"env": "toy:Toy-v0", "agent": "random", "device": "cpu", "num_users": 400}
    training = Training([resolve({"train": table, "env": {"tiring": tiring, "time_limit": 500}})])
    lengths = []
    for _ in range(60):
        for _ in range(5):
            step(training)
        row = training.monitor.row()
        lengths += [row[LENGTH]] if LENGTH in row else []
    # Users leave at 0.05 + tiring / 2 a slate; a mean over 400 sessions and more has a deviation of a twentieth of it.
    assert len(lengths) > 5
    assert lengths == [pytest.approx(1 / (0.05 + tiring / 2), rel=0.2)] * len(lengths)


def test_state_of_an_earlier_version_goes_on_with_its_users() -> None:
    monitor, old = Monitor(2, torch.device("cpu")), {"return": torch.ones(2), "length": torch.ones(2)}
    monitor.load_state_dict(old)
    _end(monitor, True, True)
    assert monitor.row()[RETURN] == 2.0


def test_metric_of_some_steps_is_averaged_over_those() -> None:
    monitor = Monitor(2, torch.device("cpu"))
    quiet = _step(torch.zeros(2, 2, 2), torch.zeros(2), torch.tensor([False, False]))
    for loss in (None, 2.0, 4.0):
        learnt = NOTHING if loss is None else {"train/loss": torch.tensor(loss)}
        monitor.add(quiet, {"bait": torch.tensor([0.0, 1.0])}, learnt)
    row = monitor.row()
    assert (row["train/loss"], row["rec/bait"]) == (3.0, 0.5)


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
