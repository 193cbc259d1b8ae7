"""A file that somebody else wrote runs no code of theirs, unless one says so."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import SHORT, Result

import experiments
from encoders.errors import UsageError
from experiments.trust import foreign

Slatelab = Callable[..., Result]
SIZES = SHORT[-6:]
TYPED = ["--env", "toy:Toy-v0", "--agent", "evil:ToyAgent"]
EVIL = """
from pathlib import Path

from toy import Toy, ToyAgent

Path("ran").write_text("")
"""


@pytest.fixture
def shared(slatelab: Slatelab, finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run whose agent is code in the working folder."""
    Path("evil.py").write_text(EVIL)
    monkeypatch.delitem(sys.modules, "evil", raising=False)
    shutil.copytree(finished, "run")
    config = Path("run/config.toml")
    config.write_text(config.read_text().replace("toy:ToyAgent", "evil:ToyAgent"))
    Path("run/summary.json").unlink()
    return Path("run")


def assert_not_run(result: Result, kind: str = "agent", name: str = "evil:ToyAgent") -> None:
    """Check that a command was refused with the reason, and that nothing was imported."""
    assert result.code == 2
    assert f'names the {kind} "{name}", which is none of slatelab\'s' in result.sentence
    assert "add --trust, in Python trust=True" in result.sentence
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--resume", "run"],
        ["train", "--config", "run/config.toml", "--out", "other"],
    ],
)
def test_shared_run_is_refused_before_anything_is_imported(
    command: list[str], slatelab: Slatelab, shared: Path
) -> None:
    assert_not_run(slatelab(*command, "--env", "toy:Toy-v0", trust=False))
    assert_not_run(slatelab(*command, trust=False), "env", "toy:Toy-v0")
    assert_not_run(slatelab(*command, "--env", "toy:Toy-v0", "--help", trust=False))


def test_shared_run_is_not_evaluated_before_it_is_trusted(slatelab: Slatelab, shared: Path) -> None:
    assert_not_run(slatelab("evaluate", "run", trust=False), "env", "toy:Toy-v0")


def test_flag_of_trust_lets_it_run(slatelab: Slatelab, shared: Path) -> None:
    command = ["train", "--config", "run/config.toml", "--trust", *SIZES, "--out", "other"]
    assert slatelab(*command).code == 0
    assert Path("ran").exists()
    assert slatelab("evaluate", "other", "--trust", trust=False).code == 0


def test_what_is_typed_needs_no_flag(slatelab: Slatelab, shared: Path) -> None:
    assert slatelab("train", "--config", "run/config.toml", *TYPED, *SIZES, "--out", "other").code == 0
    Path("other/summary.json").unlink()
    assert slatelab("train", "--resume", "other", *TYPED, trust=False).code == 0


def test_name_that_what_is_typed_replaces_is_no_matter(slatelab: Slatelab, shared: Path) -> None:
    replaced = ["--env", "toy:Toy-v0", "--agent", "cosine", "--steps", "0", "--eval-users", "9", "--out", "other"]
    Path("theirs.toml").write_text('[train]\nagent = "evil:ToyAgent"\n')
    assert slatelab("train", "--config", "theirs.toml", *replaced).code == 0
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("content", "kind", "name"),
    [
        ('[train]\nenv = "evil:Toy-v0"\n', "env", "evil:Toy-v0"),
        ('[env]\nencoder = "evil:Encoder"\n', "encoder", "evil:Encoder"),
        ('[train]\nagent = "evil:ToyAgent"\n', "agent", "evil:ToyAgent"),
    ],
)
@pytest.mark.usefixtures("shared")
def test_every_name_of_a_configuration_is_looked_at(content: str, kind: str, name: str, slatelab: Slatelab) -> None:
    Path("theirs.toml").write_text(content)
    assert_not_run(slatelab("train", "--config", "theirs.toml"), kind, name)
    with pytest.raises(UsageError, match=f'names the {kind} "{name}"'):
        experiments.train(settings="theirs.toml")
    assert not Path("ran").exists()


@pytest.mark.parametrize("table", ["env", "env.InterestEvolution-v0"])
@pytest.mark.usefixtures("shared")
def test_benchmark_imports_no_encoder_of_its_configuration(table: str, slatelab: Slatelab) -> None:
    Path("theirs.toml").write_text(f'[{table}]\nencoder = "evil:Encoder"\n')
    result = slatelab("benchmark", "--agents", "random", "--envs", "InterestEvolution-v0", "--config", "theirs.toml")
    assert_not_run(result, "encoder", "evil:Encoder")


def test_loading_in_python_asks_for_trust(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path.cwd())
    with pytest.raises(UsageError, match=r'names the env "toy:Toy-v0".* in Python trust=True'):
        experiments.load(shared)
    assert not Path("ran").exists()
    with pytest.raises(UsageError, match='made with agent "toy:ToyAgent", not "evil:ToyAgent"'):
        experiments.load(shared, trust=True)


@pytest.mark.parametrize("command", [["report", "."], ["benchmark", "--only-table", "--out", "."]])
def test_tables_of_runs_import_nothing(command: list[str], slatelab: Slatelab, finished: Path, shared: Path) -> None:
    shutil.copy(finished / "summary.json", shared)
    slatelab(*command)
    assert not Path("ran").exists()


def test_a_checkpoint_that_names_another_agent_is_refused_without_importing_it(
    slatelab: Slatelab, shared: Path
) -> None:
    config = Path("run/config.toml")
    config.write_text(config.read_text().replace("evil:ToyAgent", "cosine").partition("[agent]")[0])
    assert 'made with agent "toy:ToyAgent", not "cosine"' in slatelab("evaluate", "run").sentence
    assert not Path("ran").exists()


def test_run_that_is_stopped_says_how_to_go_on_with_code_that_was_typed(
    slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.run.evaluation.evaluate", interrupt)
    assert slatelab("train", *SHORT, "--out", "run").sentence.endswith("slatelab train --resume run --trust")
    ours = ["--env", "InterestEvolution-v0", "--agent", "random", "--device", "cpu", "--steps", "0"]
    assert slatelab("train", *ours, "--out", "ours").sentence.endswith("slatelab train --resume ours")


def test_folder_with_a_colon_in_its_name_is_no_code(tmp_path: Path) -> None:
    folder = tmp_path / "models:tuned"
    assert list(foreign({"env": {"encoder": str(folder)}})) == [("encoder", str(folder))]
    folder.mkdir()
    assert not list(foreign({"env": {"encoder": str(folder)}}))
    assert not list(foreign({"train": {"env": "slatelab/Movies-v0", "agent": "slateq"}, "env": {"encoder": "minilm"}}))
