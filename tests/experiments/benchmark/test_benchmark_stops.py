"""A benchmark that is killed, interrupted, or shared by several processes ends with the same table."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import Result
from small_benchmark import LEARNER, SMALL_BENCHMARK, WRONG_AGENTS, rows, without_command

from experiments import creation
from experiments.checkpoint import read_header
from experiments.cli import main
from experiments.folder import RunFolder

Slatelab = Callable[..., Result]
ROOT = Path(__file__).resolve().parents[3]
STOPS = "wrong_agents:Stops"
COMMAND = [*SMALL_BENCHMARK, "--agents", "random", LEARNER, STOPS, "--steps", "1600", "--config", "often.toml"]
"""Five runs; those that learn take 100 steps, with a checkpoint after each."""


def prepare(folder: Path) -> None:
    """Put the agents and the configuration into a folder."""
    (folder / "wrong_agents.py").write_text(WRONG_AGENTS)
    (folder / "often.toml").write_text("[train]\nnum_users = 16\ncheckpoint_seconds = 0.0\n")


def stopped(folder: Path) -> RunFolder:
    """Return the folder of the run that is stopped."""
    return RunFolder(folder / "board" / "toy-Toy-v0--wrong_agents-Stops--seed0")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a benchmark that nobody stopped."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("unbroken")
    prepare(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        patch.delitem(sys.modules, "wrong_agents", raising=False)
        assert main(COMMAND) == 0
    return folder / "board"


def assert_same(folder: Path, other: Path) -> None:
    """Compare the results of two benchmarks, to the last digit."""
    assert rows(folder) == rows(other)
    assert without_command(folder) == without_command(other)
    assert {row["status"] for row in rows(folder).values()} == {"done"}


def test_killed_benchmark_ends_its_processes_and_goes_on_to_the_same_table(
    slatelab: Slatelab, unbroken: Path, tmp_path: Path
) -> None:
    prepare(tmp_path)
    variables = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OMP_NUM_THREADS": "1", "STOP": ""}
    command = [sys.executable, "-m", "experiments", *COMMAND, "--workers", "2"]
    with (tmp_path / "err").open("w") as err:
        process = subprocess.Popen(command, env={**os.environ, **variables}, cwd=tmp_path, stderr=err)
    wait_for_checkpoint(tmp_path, process)
    process.kill()
    process.wait()
    time.sleep(0.3)
    before = read_header(stopped(tmp_path).checkpoint).step_count
    time.sleep(0.3)
    assert read_header(stopped(tmp_path).checkpoint).step_count == before < 100
    result = slatelab(*COMMAND)
    assert result.code == 0
    assert f"{STOPS} · seed 0: going on after {before * 16:,} user-steps" in result.err
    assert_same(tmp_path / "board", unbroken)


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the slow run has begun."""
    deadline = time.monotonic() + 90
    while not stopped(folder).checkpoint.is_file():
        assert process.poll() is None, (folder / "err").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_interrupted_benchmark_saves_says_how_to_go_on_and_does(
    workers: str, slatelab: Slatelab, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "wrong_agents", raising=False)
    monkeypatch.setenv("STOP", str(os.getpid()))
    result = slatelab(*COMMAND, "--workers", workers)
    assert result.code == 130
    assert result.sentence == "slatelab: interrupted; repeat the command to go on"
    assert "Traceback" not in result.err
    assert 20 <= read_header(stopped(tmp_path).checkpoint).step_count < 100
    assert rows()["random", "0"]["status"] == "done"
    assert rows()[STOPS, "0"]["status"] == "unfinished"
    monkeypatch.delenv("STOP")
    finished = Path("board", "toy-Toy-v0--random--seed0", "summary.json")
    before = finished.stat().st_mtime_ns
    result = slatelab(*COMMAND, "--workers", workers)
    assert result.code == 0, result.err
    assert "going on after" in result.err
    assert_same(tmp_path / "board", unbroken)
    assert finished.stat().st_mtime_ns == before


def test_process_that_is_killed_costs_its_run_alone(slatelab: Slatelab, tmp_path: Path) -> None:
    prepare(tmp_path)
    agents = ["--agents", "wrong_agents:Dies", "wrong_agents:Raises", LEARNER, "--seeds", "1"]
    result = slatelab(*SMALL_BENCHMARK, *agents, "--workers", "2")
    assert result.code == 1
    assert "2 run(s) failed" in result.sentence
    found = rows()
    assert "its process was killed (exit code -9)" in found["wrong_agents:Dies", "0"]["reason"]
    assert found["wrong_agents:Raises", "0"]["reason"].startswith("RuntimeError")
    assert found[LEARNER, "0"]["status"] == "done"


def test_cells_of_an_environment_whose_baselines_fail_are_not_trained(
    slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch
) -> None:
    import toy

    def lost(simulator: object, state: object) -> None:
        raise RuntimeError("the oracle is silent")

    monkeypatch.setattr(toy.Toy, "POLICIES", {"near_oracle": lost})
    result = slatelab(*SMALL_BENCHMARK)
    assert result.code == 1
    assert "4 run(s) failed" in result.sentence
    assert rows()[LEARNER, "0"]["reason"] == "the baselines failed: RuntimeError: the oracle is silent"
    assert not list(Path("board").glob("toy-*"))


def test_cell_that_was_killed_while_it_was_replaced_stops_no_benchmark(
    slatelab: Slatelab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """A kill."""

    def kill(place: Path) -> None:
        raise Killed

    Path("other.toml").write_text("[agent]\ndiscount = 0.5\n")
    command = [*SMALL_BENCHMARK, "--agents", LEARNER, "--seeds", "1"]
    assert slatelab(*command).code == 0
    replaced = [*command, "--config", "other.toml", "--overwrite"]
    with monkeypatch.context() as patch:
        patch.setattr(creation, "_delete_former", kill)
        with pytest.raises(Killed):
            slatelab(*replaced)
    assert slatelab("benchmark", "--only-table", "--out", "board").code == 0
    assert slatelab(*replaced).code == 0
    assert rows()[LEARNER, "0"]["status"] == "done"
    cells = {path.name for path in (tmp_path / "board").iterdir() if path.is_dir()}
    assert cells == {"toy-Toy-v0--toy-ToyAgent--seed0", "returns"}
