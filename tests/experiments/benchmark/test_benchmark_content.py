"""A benchmark knows data by content: other data are refused, and never stand beside what was earned on the old."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import Result
from small_benchmark import rows
from small_shop import SMALL_SHOP, write_shop

from experiments.benchmark import kernels
from experiments.cli import main

Slatelab = Callable[..., Result]
COMMAND = [
    *("benchmark", "--envs", "Ratings-v0", "--agents", "cosine", "linucb", "--seeds", "1", "--steps", "64"),
    *("--eval-users", "10", "--device", "cpu", "--config", "small.toml", "--out", "board"),
]
CELLS = ("Ratings-v0--cosine--seed0", "Ratings-v0--linucb--seed0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `shop`, `small.toml` and a finished `board`."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("made")
    write_shop(folder / "shop")
    (folder / "small.toml").write_text(f"[train]\nnum_users = 16\n{SMALL_SHOP}")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main([*COMMAND, "--data", "shop"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def board(made: Path, slatelab: Slatelab) -> Path:
    """Return a copy of it, in the test's folder, whose runs point to the original data."""
    shutil.copytree(made, Path.cwd(), dirs_exist_ok=True)
    return Path("board")


def test_a_moved_folder_is_the_same(slatelab: Slatelab, board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("shop").rename("moved")
    monkeypatch.setattr("experiments.loop.step", lambda training: pytest.fail("trained again"))
    result = slatelab(*COMMAND, "--data", "moved")
    assert result.code == 0, result.err
    assert "2 runs, of which 2 are finished" in result.err
    assert {row["status"] for row in rows().values()} == {"done"}


def test_a_run_of_a_moved_folder_is_judged_on_it(slatelab: Slatelab, board: Path) -> None:
    before = rows()
    Path("shop").rename("moved")
    (board / "returns" / f"{CELLS[1]}.safetensors").unlink()
    result = slatelab(*COMMAND, "--data", "moved")
    assert result.code == 0, result.err
    assert "2 runs, of which 1 are finished" in result.err
    assert {key: row["return"] for key, row in rows().items()} == {key: row["return"] for key, row in before.items()}
    assert {row["status"] for row in rows().values()} == {"done"}


def test_other_data_under_the_same_path_are_refused(slatelab: Slatelab, board: Path) -> None:
    shutil.rmtree("shop")
    write_shop(Path("shop"), stars="54321")
    before = (board / "scoreboard.md").read_text()
    result = slatelab(*COMMAND, "--data", "shop")
    assert result.code == 2
    assert f"{CELLS[0]} was made with other data, texts or another encoder than are there now" in result.sentence
    assert "--overwrite" in result.sentence
    assert (board / "scoreboard.md").read_text() == before


def test_scores_on_old_and_new_data_never_stand_side_by_side(slatelab: Slatelab, board: Path) -> None:
    shutil.rmtree("shop")
    write_shop(Path("shop"), stars="54321")
    old = {agent: row["return"] for (agent, _), row in rows().items()}
    assert slatelab(*COMMAND, "--data", "shop", "--agents", "linucb", "--overwrite").code == 0
    found = {agent: row for (agent, _), row in rows().items()}
    assert (found["linucb"]["status"], found["cosine"]["status"]) == ("done", "left out")
    assert "the baselines met an environment of other data" in found["cosine"]["reason"]
    assert found["linucb"]["return"] != old["linucb"]
    assert slatelab(*COMMAND, "--data", "shop", "--overwrite").code == 0
    assert {row["status"] for row in rows().values()} == {"done"}


def test_another_encoder_is_refused(slatelab: Slatelab, board: Path) -> None:
    Path("small.toml").write_text(Path("small.toml").read_text().replace("tiny", "random"))
    result = slatelab(*COMMAND, "--data", "shop")
    assert (result.code, "another encoder" in result.sentence) == (2, True)


def test_data_that_change_meanwhile_fail_the_run(
    slatelab: Slatelab, board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (board / "returns" / f"{CELLS[1]}.safetensors").unlink()
    before, looked = rows(), []

    def change(simulator: object) -> str:
        looked.append(simulator)
        return "as it was" if len(looked) == 1 else "other"

    monkeypatch.setattr(kernels, "fingerprint_of", change)
    monkeypatch.setattr("experiments.benchmark.driver._made_of", lambda cell: (None, ""))
    result = slatelab(*COMMAND, "--data", "shop")
    assert result.code == 1
    assert "data, texts or encoder changed while the benchmark was at work" in result.err
    assert rows()["cosine", "0"] == before["cosine", "0"]


def test_data_that_are_not_there_are_told_before_anything_runs(slatelab: Slatelab, board: Path) -> None:
    shutil.rmtree("shop")
    result = slatelab(*COMMAND, "--data", "shop")
    assert (result.code, "shop is not a folder" in result.sentence) == (2, True)
    assert {row["status"] for row in rows().values()} == {"done"}


def test_an_environment_that_breaks_is_a_failure_of_its_runs_alone(
    slatelab: Slatelab, board: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run: object) -> None:
        raise RuntimeError("the lamp is out")

    monkeypatch.setattr(kernels, "build_kernel", broken)
    result = slatelab(*COMMAND, "--data", made / "shop")
    assert (result.code, "the baselines failed: RuntimeError: the lamp is out" in result.err) == (1, True)
    assert {row["status"] for row in rows().values()} == {"done"}
