"""The replay ring."""

import pytest
import torch

from agents.learning.replay import Replay
from agents.streams import Streams


def filled(capacity: int, *sizes: int, seed: int = 0) -> Replay:
    replay = Replay(capacity, Streams(seed, torch.device("cpu")))
    start = 0
    for size in sizes:
        numbers = torch.arange(start, start + size)
        replay.add({"n": numbers, "twice": numbers.float().unsqueeze(1) * 2})
        start += size
    return replay


def held(replay: Replay) -> set[int]:
    return set(replay.state_dict()["rows.n"].flatten().tolist())


def test_the_oldest_rows_go_first() -> None:
    assert held(filled(5, 3)) == {0, 1, 2}
    assert held(filled(5, 3, 3)) == {1, 2, 3, 4, 5}
    assert held(filled(5, 3, 3, 3)) == {4, 5, 6, 7, 8}
    assert held(filled(4, 4, 4)) == {4, 5, 6, 7}


def test_only_rows_that_are_held_are_drawn_uniformly_and_whole() -> None:
    replay = filled(8, 3)
    assert set(replay.sample(200)["n"].tolist()) == {0, 1, 2}
    replay = filled(8, 3, 3, 3)
    sample = replay.sample(8000)
    counts = sample["n"].bincount(minlength=9)
    assert counts[0] == 0
    assert (counts[1:] - 1000).abs().max() < 150
    assert torch.equal(sample["twice"][:, 0], sample["n"] * 2.0)


def test_more_rows_than_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a replay of 2 rows cannot take 3 at once"):
        filled(2, 3)


@pytest.mark.parametrize("sizes", [(), (3,), (3, 3), (3, 3, 3), (5, 5)])
def test_a_saved_ring_goes_on_to_the_bit(sizes: tuple[int, ...]) -> None:
    ours, theirs = filled(5, *sizes), filled(5, 2)
    saved = {name: value.clone() for name, value in ours.state_dict().items()}
    theirs.load_state_dict(saved)
    theirs.streams.restore(ours.streams.state())
    for replay in (ours, theirs):
        replay.add({"n": torch.tensor([90, 91]), "twice": torch.zeros(2, 1)})
    assert len(ours) == len(theirs)
    assert torch.equal(ours.sample(50)["n"], theirs.sample(50)["n"])
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())


def test_a_saved_state_does_not_change_with_the_ring() -> None:
    replay = filled(3, 3)
    saved = replay.state_dict()
    replay.add({"n": torch.tensor([7, 8, 9]), "twice": torch.zeros(3, 1)})
    assert saved["rows.n"].tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("capacity", [4, 8])
def test_a_ring_of_another_size_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match=f"holds 5 rows, which does not fit one of {capacity}"):
        Replay(capacity, Streams(0, torch.device("cpu"))).load_state_dict(filled(5, 3, 3, 3).state_dict())
