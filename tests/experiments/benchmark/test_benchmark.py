"""The benchmark: what it leaves behind, what it repeats and what not, and what becomes of runs that go wrong."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Result
from small_benchmark import LEARNER, SMALL_BENCHMARK, WRONG_AGENTS, rows, tables, without_command
from test_training import summary

from envs.simulator import Simulator
from experiments import evaluation, training
from experiments.benchmark import kernels
from experiments.benchmark.record import read_record
from experiments.building import build_kernel
from experiments.checkpoint import load_checkpoint
from experiments.cli import main
from experiments.folder import RunFolder
from experiments.seeds import derive_seed
from experiments.sessions import play
from experiments.settings import RunSettings

Slatelab = Callable[..., Result]
SEED0 = "toy-Toy-v0--toy-ToyAgent--seed0"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished benchmark; tests copy it before they change it."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(SMALL_BENCHMARK) == 0
    return folder / "board"


@pytest.fixture
def board(made: Path, slatelab: Slatelab) -> Path:
    """Return a copy of it as ``board`` in the test's folder."""
    shutil.copytree(made, "board")
    return Path("board")


@pytest.fixture
def wrong(slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that benchmarks agents of ``wrong_agents`` beside the toy's."""
    Path("wrong_agents.py").write_text(WRONG_AGENTS)
    monkeypatch.syspath_prepend(Path.cwd())
    monkeypatch.delitem(sys.modules, "wrong_agents", raising=False)

    def run(*agents: str, seeds: int = 1) -> Result:
        named = [f"wrong_agents:{name}" for name in agents]
        return slatelab(*SMALL_BENCHMARK, "--agents", *named, LEARNER, "--seeds", seeds)

    return run


def test_a_folder_holds_the_runs_their_returns_and_two_tables(made: Path) -> None:
    cells = {f"toy-Toy-v0--{name}" for name in ("random--seed0", "cosine--seed0")}
    cells |= {f"toy-Toy-v0--toy-ToyAgent--seed{seed}" for seed in (0, 1)}
    names = {path.name for path in made.iterdir() if not path.name.startswith(".")}
    assert names == cells | {"returns", "results.csv", "scoreboard.md", "benchmark.json"}
    records = {path.stem for path in (made / "returns").iterdir()}
    assert records == cells | {"toy-Toy-v0--baselines"}


@pytest.mark.parametrize("agent", [LEARNER, "cosine"])
def test_a_cell_is_the_run_that_train_makes(agent: str, made: Path, slatelab: Slatelab, tmp_path: Path) -> None:
    flags = ["--env", "toy:Toy-v0", "--agent", agent, "--eval-users", "30", "--device", "cpu", "--out", "own"]
    steps = "512" if agent == LEARNER else "0"
    assert slatelab("train", *flags, "--steps", steps).code == 0
    cell = made / f"toy-Toy-v0--{agent.replace(':', '-')}--seed0"
    assert summary(cell) == summary(tmp_path / "own")
    assert (cell / "config.toml").read_text() == (tmp_path / "own" / "config.toml").read_text()
    assert {path.name for path in cell.iterdir()} == {path.name for path in (tmp_path / "own").iterdir()}
    if agent == LEARNER:
        (ours, _), (theirs, _) = (load_checkpoint(RunFolder(one).checkpoint) for one in (cell, tmp_path / "own"))
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_returns_are_kept_user_by_user(made: Path) -> None:
    record = read_record(made / "returns" / f"{SEED0}.safetensors")
    assert set(record.sessions) == {LEARNER, "myopic"}
    returns = record.sessions[LEARNER].totals["reward"]
    assert returns.shape == (30,)
    means = json.loads((made / SEED0 / "summary.json").read_text())["policies"][LEARNER]["return"]
    assert means["mean"] == pytest.approx(float(returns.mean()))


def test_baselines_and_fixed_policies_meet_the_panel_once(slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[int] = []
    real = play

    def count(*arguments: Any) -> Any:
        played.append(1)
        return real(*arguments)

    monkeypatch.setattr(evaluation, "play", count)
    assert slatelab(*SMALL_BENCHMARK).code == 0
    baselines, learners, twins = 5, 2, 2
    assert len(played) == baselines + learners + twins


def test_the_simulator_of_an_environment_is_built_once(slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def build(run: RunSettings) -> Simulator:
        built.append(run.train.env)
        return build_kernel(run)

    monkeypatch.setattr(kernels, "build_kernel", build)
    monkeypatch.setattr(training, "build_simulator", lambda run, kernel: kernel or pytest.fail("built again"))
    assert slatelab(*SMALL_BENCHMARK).code == 0
    assert built == ["toy:Toy-v0"]


def test_what_is_finished_is_not_repeated(slatelab: Slatelab, board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in board.rglob("*") if path.parent != board}
    monkeypatch.setattr("experiments.loop.step", lambda training: pytest.fail("trained again"))
    result = slatelab(*SMALL_BENCHMARK)
    assert result.code == 0
    assert "4 runs, of which 4 are finished" in result.err
    assert {path: path.stat().st_mtime_ns for path in board.rglob("*") if path.parent != board} == before


def test_more_seeds_and_agents_join_what_is_there(slatelab: Slatelab, board: Path) -> None:
    result = slatelab(*SMALL_BENCHMARK, "--agents", "popularity", LEARNER, "--seeds", "3")
    assert result.code == 0
    assert "4 runs, of which 2 are finished" in result.err
    assert rows().keys() == {
        *(("random", "0"), ("cosine", "0"), ("popularity", "0")),
        *((LEARNER, seed) for seed in "012"),
    }
    commands = Path("board/scoreboard.md").read_text().split("```")[1].splitlines()[1:]
    assert len(commands) == 2
    assert all(command.startswith("slatelab benchmark --envs toy:Toy-v0 --agents ") for command in commands)


def test_a_run_without_a_record_is_judged_without_training(
    slatelab: Slatelab, board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = without_command()
    (board / "returns" / f"{SEED0}.safetensors").unlink()
    (board / "toy-Toy-v0--toy-ToyAgent--seed1" / "summary.json").unlink()
    monkeypatch.setattr("experiments.loop.step", lambda training: pytest.fail("trained again"))
    assert slatelab(*SMALL_BENCHMARK).code == 0
    assert without_command() == before


def test_a_broken_record_is_made_anew(slatelab: Slatelab, board: Path) -> None:
    before = without_command()
    for name in (SEED0, "toy-Toy-v0--baselines"):
        (board / "returns" / f"{name}.safetensors").write_bytes(b"half of it")
    result = slatelab("benchmark", "--only-table", "--out", board)
    assert result.code == 0
    assert "is broken" in Path("board/scoreboard.md").read_text()
    assert rows()[LEARNER, "0"]["status"] == "unfinished"
    assert slatelab(*SMALL_BENCHMARK).code == 0
    assert without_command() == before


def test_only_table_makes_both_files_of_what_is_there(slatelab: Slatelab, board: Path) -> None:
    names = ("results.csv", "scoreboard.md")
    before = {name: (board / name).read_text() for name in names}
    for name in names:
        (board / name).unlink()
    assert slatelab("benchmark", "--only-table", "--out", board).code == 0
    assert {name: (board / name).read_text() for name in names} == before


def test_another_panel_is_met_without_training(
    slatelab: Slatelab, board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.loop.step", lambda training: pytest.fail("trained again"))
    assert slatelab(*SMALL_BENCHMARK, "--agents", LEARNER, "--seeds", "1", "--eval-users", "20").code == 0
    found = rows()
    assert found[LEARNER, "0"]["eval_users"] == "20"
    assert {found[key]["status"] for key in ((LEARNER, "1"), ("cosine", "0"))} == {"left out"}
    assert "20 test users" in Path("board/scoreboard.md").read_text()
    assert [row[0] for row in tables()[1] if row[0] == f"**{LEARNER}**"] == [f"**{LEARNER}**"]
    assert slatelab(*SMALL_BENCHMARK, "--eval-users", "20").code == 0
    assert {row["status"] for row in rows().values()} == {"done"}


def test_other_settings_are_refused_and_replaced_when_told(slatelab: Slatelab, board: Path) -> None:
    before = (board / "toy-Toy-v0--cosine--seed0" / "summary.json").stat().st_mtime_ns
    Path("my.toml").write_text('[agent."toy:ToyAgent"]\ndiscount = 0.5\n')
    changed = [*SMALL_BENCHMARK, "--config", "my.toml"]
    result = slatelab(*changed)
    assert result.code == 2
    assert "[agent] discount = 0.9, not 0.5" in result.sentence
    assert "--overwrite" in result.sentence
    old = rows()[LEARNER, "0"]["settings"]
    assert slatelab(*changed, "--overwrite").code == 0
    assert "discount = 0.5" in (board / SEED0 / "config.toml").read_text()
    assert rows()[LEARNER, "0"]["settings"] == rows()[LEARNER, "1"]["settings"] != old
    assert (board / "toy-Toy-v0--cosine--seed0" / "summary.json").stat().st_mtime_ns == before


def test_another_version_is_refused(slatelab: Slatelab, board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("benchmark.driver", "benchmark.cells"):
        monkeypatch.setattr(f"experiments.{module}.installed_version", lambda: "9.9.9")
    result = slatelab(*SMALL_BENCHMARK)
    assert result.code == 2
    assert "not 9.9.9" in result.sentence


def test_a_pair_that_does_not_fit_is_not_applicable(wrong: Callable[..., Result]) -> None:
    result = wrong("NeedsBudget", "Refuses", seeds=2)
    assert result.code == 0, result.err
    found = rows()
    for seed in "01":
        assert found["wrong_agents:NeedsBudget", seed]["status"] == "n/a"
        assert "needs the observation budget" in found["wrong_agents:NeedsBudget", seed]["reason"]
        assert "slates of 2 are too short" in found["wrong_agents:Refuses", seed]["reason"]
        assert found["wrong_agents:Refuses", seed]["return"] == ""
        assert found[LEARNER, seed]["status"] == "done"
    overall, arena = tables()
    assert [row[1:] for row in overall if "Refuses" in row[0]] == [["n/a", "0", "n/a"]]
    assert [row[3] for row in arena if "Refuses" in row[0]] == ["n/a"]
    assert "* n/a: wrong_agents:NeedsBudget: agent" in Path("board/scoreboard.md").read_text()


def test_a_run_that_fails_is_told_at_the_end_and_the_others_go_on(wrong: Callable[..., Result]) -> None:
    result = wrong("Raises")
    assert result.code == 1
    assert result.sentence.startswith("slatelab: 1 run(s) failed")
    assert "failed: toy-Toy-v0 · wrong_agents:Raises · seed 0: RuntimeError: the network has | no layers" in result.err
    assert "Traceback" in result.err
    found = rows()
    assert found["wrong_agents:Raises", "0"]["status"] == "failed"
    assert found["wrong_agents:Raises", "0"]["reason"] == "RuntimeError: the network has | no layers"
    assert found[LEARNER, "0"]["status"] == "done"


def test_an_agent_of_which_one_seed_fails_is_judged_by_the_others(wrong: Callable[..., Result]) -> None:
    broken = importlib.import_module("wrong_agents").BROKEN
    broken.add(derive_seed(1, "agent"))
    assert wrong("RaisesForSome", seeds=3).code == 1
    statuses = [rows()["wrong_agents:RaisesForSome", seed]["status"] for seed in "012"]
    assert statuses == ["done", "failed", "done"]
    assert [row[1] for row in tables()[1] if "RaisesForSome" in row[0]] == ["2"]
    assert (
        "* failed: wrong_agents:RaisesForSome, seed 1: the memory is not enough"
        in Path("board/scoreboard.md").read_text()
    )
    broken.clear()
    result = wrong("RaisesForSome", seeds=3)
    assert result.code == 0
    assert "6 runs, of which 5 are finished" in result.err
    assert rows()["wrong_agents:RaisesForSome", "1"]["status"] == "done"
    assert "failed" not in Path("board/scoreboard.md").read_text()
    assert json.loads(Path("board/benchmark.json").read_text())["cells"] == {}


@pytest.mark.parametrize(
    ("agent", "why"), [("Diverges", "train/loss is nan after"), ("ForgetsQuietly", "weight holds")]
)
def test_a_run_that_diverged_is_a_result(agent: str, why: str, wrong: Callable[..., Result]) -> None:
    assert wrong(agent).code == 0
    row = rows()[f"wrong_agents:{agent}", "0"]
    assert row["status"] == "diverged"
    assert why in row["reason"].split("; ")[0]
    assert float(row["return"]) > 0
    overall, arena = tables()
    assert next(found for found in overall if agent in found[0])[3].endswith("†")
    assert next(found for found in arena if agent in found[0])[3].endswith("†")
    assert next(found for found in arena if LEARNER in found[0])[3].endswith("]")


def test_seeds_trained_at_once_are_those_trained_one_by_one(slatelab: Slatelab) -> None:
    Path("small.toml").write_text(
        "[train]\nnum_users = 16\n[agent.slateq]\nrollout = 4\nminibatch = 16\nhidden = 8\nembedding = 2\n"
    )
    flags = [*SMALL_BENCHMARK, "--agents", "slateq", "--config", "small.toml", "--seeds", "3"]
    assert slatelab(*flags).code == 0
    assert slatelab(*flags, "--out", "together", "--seeds-at-once").code == 0
    assert rows("together").keys() == rows().keys()
    for key, row in rows("together").items():
        assert row["status"] == "done"
        assert float(row["return"]) == pytest.approx(float(rows()[key]["return"]), abs=0.2)
        folders = [Path(out, f"toy-Toy-v0--slateq--seed{key[1]}") for out in ("board", "together")]
        (ours, _), (theirs, _) = (load_checkpoint(RunFolder(folder).checkpoint) for folder in folders)
        for name, value in ours.items():
            if value.is_floating_point():
                torch.testing.assert_close(theirs[name], value, rtol=1e-3, atol=1e-4)
