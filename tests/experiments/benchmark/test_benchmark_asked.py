"""What may be asked of a benchmark: names, settings and folders, and the sentence for what cannot be."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Result
from small_benchmark import LEARNER, SMALL_BENCHMARK

from encoders.errors import UsageError
from envs import ENVIRONMENTS
from experiments import config
from experiments.benchmark.plan import plan
from experiments.benchmark.settings import BenchmarkSettings
from experiments.locking import locked

Slatelab = Callable[..., Result]
ROOT = Path(__file__).resolve().parents[3]
TOY: dict[str, Any] = {
    **{"envs": ("toy:Toy-v0",), "agents": (LEARNER, "cosine")},
    **{"seeds": 2, "eval_users": 30, "device": "cpu"},
}


@pytest.mark.parametrize("page", ["README.md", "docs/benchmark.md"])
def test_commands_of_the_pages_can_be_run(page: str, slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[BenchmarkSettings] = []

    def take(settings: BenchmarkSettings, command: str) -> int:
        asked.append(settings)
        return 0

    monkeypatch.setattr("experiments.verbs.benchmark._benchmark", take)
    lines = re.findall(r"^slatelab (benchmark .*)$", (ROOT / page).read_text(), re.MULTILINE)
    for line in lines:
        assert slatelab(*line.split()).code == 0
    assert asked
    # Only the table is made of a folder that may hold anything; the others have a plan.
    assert all(settings.only_table or plan(settings) for settings in asked)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--agents", "slatq"], ['unknown agent "slatq"', 'did you mean "slateq"']),
        (["--agents", "toy:Nobody"], ['has no "Nobody"']),
        (["--envs", "slatelab/Mvies-v0"], ["unknown environment", 'did you mean "slatelab/Movies-v0"']),
        (["--envs", "Ratings-v0"], ["slatelab/Ratings-v0 needs your data; give --data FOLDER"]),
        (["--data", "films"], ["--data is for slatelab/Ratings-v0", "leave --data out"]),
        (["--seeds", "0"], ["seeds is 0; it has to be at least 1"]),
        (["--workers", "0"], ["workers is 0"]),
        (["--eval-users", "1"], ["eval_users is 1"]),
        (["--steps", "-1"], ["steps is -1"]),
        (["--device", "tpu9"], ['device "tpu9" cannot be used']),
        (["--config", "none.toml"], ["there is no configuration file none.toml"]),
        (["--only-table"], ["there is no benchmark folder board"]),
    ],
)
def test_mistake_gets_one_sentence_and_leaves_nothing(
    slatelab: Slatelab, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    result = slatelab(*SMALL_BENCHMARK, *arguments)
    assert result.code == 2, result.err
    assert result.sentence.startswith("slatelab: ")
    for word in words:
        assert word in result.sentence
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[train]\nseed = 3\n", ["[train] seed is decided by --seeds"]),
        ("[train]\neval_users = 3\n", ["decided by --eval-users"]),
        ("[train]\nstesp = 3\n", ['unknown setting "stesp"']),
        ("[agent]\ndiscount = 0.5\n", ['random in toy:Toy-v0: [agent] unknown setting "discount"']),
        ('[agent."toy:ToyAgent"]\ndiscount = 2\n', ["toy:ToyAgent in toy:Toy-v0: [agent] discount is 2.0"]),
        ('[agent."toy:ToyAgnt"]\ndiscount = 0.5\n', ['unknown setting "toy:ToyAgnt"']),
        ('[env."toy:Toy-v0"]\ntirng = 1\n', ['[env] unknown setting "tirng"', 'did you mean "tiring"']),
    ],
)
def test_mistake_in_the_configuration_is_named(slatelab: Slatelab, content: str, words: list[str]) -> None:
    Path("my.toml").write_text(content)
    result = slatelab(*SMALL_BENCHMARK, "--config", "my.toml")
    assert result.code == 2
    for word in words:
        assert word in result.sentence
    assert not Path("board").exists()


def test_folder_that_is_a_run_or_a_file_is_refused(slatelab: Slatelab, finished: Path) -> None:
    shutil.copytree(finished, "board")
    result = slatelab(*SMALL_BENCHMARK)
    assert result.code == 2
    assert "board is a run folder" in result.sentence
    Path("file").write_text("precious")
    assert "file is a file" in slatelab(*SMALL_BENCHMARK, "--out", "file").sentence
    assert Path("file").read_text() == "precious"


def test_folder_of_a_cell_that_is_no_run_is_left_alone(slatelab: Slatelab) -> None:
    home = Path("board", "toy-Toy-v0--cosine--seed0")
    home.mkdir(parents=True)
    (home / "thesis.tex").write_text("precious")
    result = slatelab(*SMALL_BENCHMARK)
    assert result.code == 2
    assert str(home) in result.sentence
    assert slatelab(*SMALL_BENCHMARK, "--overwrite").code == 2
    assert (home / "thesis.tex").read_text() == "precious"


def test_folder_in_which_another_benchmark_is_at_work_is_refused(slatelab: Slatelab) -> None:
    Path("board").mkdir()
    with locked(Path("board"), "at work"):
        result = slatelab(*SMALL_BENCHMARK)
    assert result.code == 2
    assert "another slatelab benchmark is at work in board" in result.sentence
    assert slatelab(*SMALL_BENCHMARK).code == 0


def test_only_table_of_an_empty_folder_says_how_to_fill_it(slatelab: Slatelab) -> None:
    Path("board").mkdir()
    result = slatelab("benchmark", "--only-table", "--out", "board")
    assert result.code == 2
    assert "slatelab benchmark --out board makes some" in result.sentence


def test_without_names_it_is_every_agent_in_every_environment_that_needs_no_data() -> None:
    from agents import AGENTS

    cells = plan(BenchmarkSettings(seeds=1))
    envs = dict.fromkeys(cell.run.train.env for cell in cells)
    assert list(envs) == [env for env in ENVIRONMENTS if env != "slatelab/Ratings-v0"]
    assert {cell.run.train.agent for cell in cells} <= set(AGENTS)
    assert {"random", "slateq", "dqn"} <= {cell.run.train.agent for cell in cells}


def test_data_brings_in_the_environment_for_it(tmp_path: Path) -> None:
    cells = plan(BenchmarkSettings(agents=("cosine",), data=tmp_path))
    ratings = [cell for cell in cells if cell.run.train.env == "slatelab/Ratings-v0"]
    assert [cell.run.env.data for cell in ratings] == [str(tmp_path)]


def test_steps_are_those_of_the_pair_unless_said(tmp_path: Path) -> None:
    pair: dict[str, Any] = {"agents": ("slateq", "cosine"), "envs": ("Movies-v0",), "seeds": 1}
    preset = config.preset_tables("slatelab/Movies-v0", "slateq")["train"]["steps"]
    assert [cell.run.train.steps for cell in plan(BenchmarkSettings(**pair))] == [preset, 0]
    assert [cell.run.train.steps for cell in plan(BenchmarkSettings(**pair, steps=70))] == [70, 0]
    assert plan(BenchmarkSettings(**pair))[0].run.agent.discount == 0.99


def test_seeds_are_counted_from_zero_and_a_fixed_policy_has_one() -> None:
    cells = plan(BenchmarkSettings(**TOY))
    assert [cell.name for cell in cells] == [
        "toy-Toy-v0--toy-ToyAgent--seed0",
        "toy-Toy-v0--toy-ToyAgent--seed1",
        "toy-Toy-v0--cosine--seed0",
    ]
    assert len({cell.variant for cell in cells}) == 2
    assert len({cell.panel_key for cell in cells}) == 1


def test_configuration_holds_for_all_or_for_the_one_it_names(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(
        "[train]\nnum_users = 7\n[env]\ntime_limit = 9\n"
        '[env."toy:Toy-v0"]\ntiring = 0.5\n[env.Movies-v0]\nslate_size = 3\n'
        '[agent."toy:ToyAgent".exploration]\nrate = 0.25\n[agent.slateq]\ndiscount = 0.5\n'
    )
    cells = plan(BenchmarkSettings(**TOY, config=tmp_path / "my.toml", myopic_companion=False))
    assert {cell.run.train.num_users for cell in cells} == {7}
    assert {(cell.run.env.time_limit, cell.run.env.tiring) for cell in cells} == {(9, 0.5)}
    assert cells[0].run.agent.exploration.rate == 0.25
    assert not cells[0].run.train.myopic_companion


def test_environment_that_a_preset_changes_for_one_agent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = {"env": {"tiring": 0.1}}
    monkeypatch.setattr(config, "preset_tables", lambda env, agent: preset if agent == "cosine" else {})
    with pytest.raises(UsageError, match=r"toy:ToyAgent and cosine .* \[env\] tiring = 0.6, not 0.1"):
        plan(BenchmarkSettings(**TOY))


def test_two_cells_of_one_folder_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.config.short_name", lambda name: "same")
    with pytest.raises(UsageError, match="would share the folder"):
        plan(BenchmarkSettings(**TOY))


def test_agent_that_is_not_installed_is_left_out_unless_asked_for(
    slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import agents

    Path("needs_more.py").write_text("import no_such_package_at_all\n")
    monkeypatch.syspath_prepend(Path.cwd())
    monkeypatch.setattr(agents, "AGENTS", {"cosine": agents.AGENTS["cosine"], "lost": "needs_more:Lost"})
    assert [cell.run.train.agent for cell in plan(BenchmarkSettings(envs=("toy:Toy-v0",)))] == ["cosine"]
    assert 'left out: agent "lost" needs the package "no_such_package_at_all"' in capsys.readouterr().err
    result = slatelab(*SMALL_BENCHMARK, "--agents", "lost")
    assert result.code == 1
    assert "which is not installed" in result.sentence


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--steps", "36000000"],
            "4 runs, of which 0 are finished, in board: about 2.0 h with 1 worker,",
        ),
        (
            ["--agents", "sb3_ppo", "--steps", "3600000"],
            "2 runs, of which 0 are finished, in board: about 2.0 h",
        ),
    ],
)
def test_how_many_runs_and_how_long_they_take_is_said_before_the_first(
    slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch, flags: list[str], words: str
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.benchmark.driver.one_by_one", stop)
    result = slatelab(*SMALL_BENCHMARK, *flags)
    assert result.code == 130
    assert result.err.startswith(words)
