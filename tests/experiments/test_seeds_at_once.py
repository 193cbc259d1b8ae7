"""Seeds trained at once leave the folders that they would leave one by one."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from encoders.errors import UsageError
from envs.simulator import Simulator
from experiments import loop, starting
from experiments.building import build_simulator
from experiments.checkpoint import load_checkpoint
from experiments.config import resolve
from experiments.folder import RunFolder
from experiments.run import load
from experiments.settings import RunSettings
from experiments.training import Training

SEEDS = (4, 0, 9)
TIMES = 2
"""Columns of metrics.csv, the last, that tell seconds."""


def settings(seed: int, agent: str = "slateq", **more: Any) -> RunSettings:
    train = {"env": "toy:Toy-v0", "agent": agent, "device": "cpu", "seed": seed, "steps": 600, "num_users": 12}
    small = {"rollout": 4, "minibatch": 16, "hidden": 8, "embedding": 2}
    return resolve({"train": train | {"log_every": 60, "eval_users": 20} | more, "agent": small})


def at_once(parent: Path, simulator: Simulator, **more: Any) -> list[RunFolder]:
    folders = [RunFolder(parent / f"seed{seed}") for seed in SEEDS]
    with starting.start_seeds([settings(seed, **more) for seed in SEEDS], folders, kernel=simulator):
        return folders


def rows(folder: RunFolder) -> list[list[str]]:
    with folder.metrics.open() as file:
        return [row[:-TIMES] for row in csv.reader(file)]


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return build_simulator(settings(0))


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> list[RunFolder]:
    torch.set_num_threads(1)
    return at_once(tmp_path_factory.mktemp("together"), simulator)


def assert_like_alone(folder: RunFolder, own: RunFolder) -> None:
    """Compare checkpoints and metrics of a seed trained in company and alone."""
    (ours, our_header), (theirs, their_header) = (load_checkpoint(one.checkpoint) for one in (folder, own))
    assert our_header.step_count == their_header.step_count == 50
    assert our_header.settings["train"]["seed"] == their_header.settings["train"]["seed"]
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-5)
    our_rows, their_rows = rows(folder), rows(own)
    assert our_rows[0] == their_rows[0]
    assert len(our_rows) == len(their_rows) > 5
    for one, other in zip(our_rows[1:], their_rows[1:], strict=True):
        assert [cell == "" for cell in one] == [cell == "" for cell in other]
        assert [float(cell) for cell in one if cell] == pytest.approx(
            [float(cell) for cell in other if cell], rel=1e-3, abs=1e-4
        )


@pytest.mark.parametrize("index", range(len(SEEDS)))
def test_a_folder_is_what_the_seed_alone_would_leave(index: int, together: list[RunFolder], tmp_path: Path) -> None:
    own = RunFolder(tmp_path / "alone")
    with starting.start(settings(SEEDS[index]), own):
        assert_like_alone(together[index], own)


def test_a_folder_can_be_loaded_evaluated_and_is_finished(together: list[RunFolder], simulator: Simulator) -> None:
    run = load(together[1].path, trust=True)
    assert run.training.step_count == run.settings.train.num_steps
    assert run.settings.train.seed == 0
    assert run.evaluate().policies["slateq"]["return"].n == 20


def test_a_seed_of_a_stopped_training_goes_on_alone(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, stopped = loop.step, 31

    def step(training: Training) -> None:
        if training.step_count == stopped and len(training.runs) > 1:
            raise KeyboardInterrupt
        real(training)

    monkeypatch.setattr(loop, "step", step)
    with pytest.raises(KeyboardInterrupt):
        at_once(tmp_path, simulator, checkpoint_seconds=0.0)
    folder, own = RunFolder(tmp_path / "seed9"), RunFolder(tmp_path / "alone")
    assert load_checkpoint(folder.checkpoint)[1].step_count == stopped
    with starting.resume(settings(9, checkpoint_seconds=0.0), folder), starting.start(settings(9), own):
        pass
    (ours, _), (theirs, _) = (load_checkpoint(one.checkpoint) for one in (folder, own))
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-5)


def test_an_agent_that_cannot_is_refused_before_a_folder_is_made(tmp_path: Path, simulator: Simulator) -> None:
    folders = [RunFolder(tmp_path / str(seed)) for seed in SEEDS]
    runs = [dataclasses.replace(settings(seed), agent=None) for seed in SEEDS]
    runs = [dataclasses.replace(run, train=dataclasses.replace(run.train, agent="toy:ToyAgent")) for run in runs]
    with (
        pytest.raises(UsageError, match="cannot train several seeds at once"),
        starting.start_seeds(runs, folders, kernel=simulator),
    ):
        pass
    assert not any(folder.path.exists() for folder in folders)
