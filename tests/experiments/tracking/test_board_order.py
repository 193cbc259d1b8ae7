"""What a resumed run writes to TensorBoard is read after what the run wrote before, however soon it goes on."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.tracking.tensorboard import Board


def test_a_run_resumed_within_the_second_keeps_what_came_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pid, resume_at, steps in ((22581, None, (480, 960, 1440)), (22577, 1000, (1440, 1920))):
        monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
        board = Board(tmp_path, resume_at)
        for step in steps:
            board.scalars(step, {"train/loss": float(step + pid)})
        board.close()
    shown = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0}).Reload().Scalars("train/loss")
    assert [(event.step, event.value - event.step) for event in shown] == [
        (480, 22581),
        (960, 22581),
        (1440, 22577),
        (1920, 22577),
    ]
