"""A run that is killed goes on to the same result, to the bit."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import SMALL, Result
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_training import rows, summary
from torch.utils.tensorboard import SummaryWriter

from experiments.checkpoint import load_checkpoint
from experiments.folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
LONG = [*SMALL, "--steps", "16000", "--checkpoint-seconds", "0", "--log-every", "480"]


def start(folder: Path) -> subprocess.Popen[str]:
    """Start a run in another process."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "experiments", "train", *LONG, "--out", str(folder)]
    return subprocess.Popen(command, env=environment, cwd=folder.parent, stderr=subprocess.PIPE, text=True)


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a run has trained for a moment."""
    deadline = time.monotonic() + 60
    while not RunFolder(folder).checkpoint.is_file():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.4)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that nobody killed."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    assert start(folder).wait(timeout=120) == 0
    return folder


def assert_equal(folder: Path, other: Path) -> None:
    """Compare weights, simulator state, metrics and summary of two runs, to the bit."""
    assert summary(folder) == summary(other)
    assert rows(folder) == rows(other)
    (ours, ours_header), (theirs, theirs_header) = (load_checkpoint(RunFolder(f).checkpoint) for f in (folder, other))
    assert ours_header.step_count == theirs_header.step_count
    assert ours.keys() == theirs.keys()
    assert any(name.startswith("env.state.") for name in ours)
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_killed_run_goes_on_to_the_same_result(slatelab: Callable[..., Result], unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(folder)
    wait_for_checkpoint(folder, process)
    assert "another slatelab is at work" in slatelab("train", "--resume", folder).sentence
    process.send_signal(signal.SIGKILL)
    process.wait()
    step_count = load_checkpoint(RunFolder(folder).checkpoint)[1].step_count
    assert 0 < step_count < 1000
    assert not (folder / "summary.json").exists()
    # What the killed process may have begun to write.
    (folder / "checkpoint" / ".state.safetensors.1-ab.part").write_bytes(b"half")
    with (folder / "metrics.csv").open("a") as file:
        file.write("15999,9.9\n16000,1.")
    with SummaryWriter(str(folder / "tensorboard")) as board:
        board.add_scalar("rollout/ep_rew_mean", 9.9, 15999)
    result = slatelab("train", "--resume", folder)
    assert result.code == 0
    assert f"going on after {step_count * 16:,}" in result.err
    assert_equal(folder, unbroken)
    assert points(folder) == points(unbroken)
    assert [path.name for path in (folder / "checkpoint").iterdir()] == ["state.safetensors"]


def test_interrupted_run_saves_says_how_to_go_on_and_does(
    slatelab: Callable[..., Result], unbroken: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = start(folder)
    wait_for_checkpoint(folder, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"slatelab train --resume {folder}" in err.strip().splitlines()[-1]
    assert "Traceback" not in err
    assert slatelab("train", "--resume", folder).code == 0
    assert_equal(folder, unbroken)


def test_run_killed_before_its_first_checkpoint_begins_anew(
    slatelab: Callable[..., Result], finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(finished / "config.toml", folder)
    assert slatelab("train", "--resume", folder).code == 0
    assert_equal(folder, finished)


def test_run_killed_in_evaluation_is_evaluated(slatelab: Callable[..., Result], finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    before = points(tmp_path / "run")
    assert slatelab("train", "--resume", "run").code == 0
    assert_equal(tmp_path / "run", finished)
    assert points(tmp_path / "run") == before


def points(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard shows of a run, but seconds: steps and values of each tag, no step twice."""
    board = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    found = {tag: [(event.step, event.value) for event in board.Scalars(tag)] for tag in board.Tags()["scalars"]}
    assert any(tag.startswith("eval/") for tag in found)
    for tag, events in found.items():
        assert len({step for step, _ in events}) == len(events), tag
    return {tag: events for tag, events in found.items() if not tag.startswith("time/")}


def test_finished_run_says_so(slatelab: Callable[..., Result], finished: Path) -> None:
    result = slatelab("train", "--resume", finished)
    assert result.code == 0
    assert "is finished" in result.sentence
