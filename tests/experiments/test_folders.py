"""Run folders: one process at a time, and nothing deleted that no run made."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy
from command_line import SHORT, Result

import experiments
from encoders.errors import UsageError
from experiments import creation, starting
from experiments.config import resolve
from experiments.folder import default_folder
from experiments.locking import locked

Slatelab = Callable[..., Result]
AT_WORK = "another slatelab is at work in run; wait until it ends, or stop it"


class Killed(BaseException):
    """What a kill does: nothing that comes after it is done."""


def names(folder: Path | str = ".") -> set[str]:
    """Return what lies in a folder."""
    return {path.name for path in Path(folder).iterdir()}


@pytest.mark.parametrize("flags", [["--out", "run"], ["--out", "run", "--overwrite"], ["--resume", "run"]])
def test_second_process_in_a_run_is_refused_and_changes_nothing(
    flags: list[str], slatelab: Slatelab, finished: Path
) -> None:
    shutil.copytree(finished, "run")
    Path("run/summary.json").unlink()
    before = {path: path.stat().st_mtime_ns for path in Path("run").rglob("*")}
    settings = [] if "--resume" in flags else SHORT
    with locked(Path("run"), ""):
        result = slatelab("train", *settings, *flags)
    assert (result.code, result.sentence) == (2, f"slatelab: {AT_WORK}")
    assert {path: path.stat().st_mtime_ns for path in Path("run").rglob("*")} == before
    assert names() == {"run"}


def test_evaluation_does_not_write_where_a_process_is_at_work(slatelab: Slatelab, finished: Path) -> None:
    shutil.copytree(finished, "run")
    with locked(Path("run"), ""):
        assert slatelab("evaluate", "run").sentence == f"slatelab: {AT_WORK}"
    assert slatelab("evaluate", "run").code == 0


@pytest.mark.parametrize("begin", ["anew", "over another", "again"])
def test_folder_is_held_from_its_first_file_to_its_summary(
    begin: str, slatelab: Slatelab, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []

    def look(where: str) -> None:
        with contextlib.suppress(UsageError), locked(Path("run"), ""):
            raise AssertionError(f"nobody holds the folder at {where}")
        held.append(where)

    def watched(cls: Any, name: str) -> None:
        real = getattr(cls, name)

        def method(*arguments: Any, **named: Any) -> Any:
            look(name)
            return real(*arguments, **named)

        monkeypatch.setattr(cls, name, method)

    from experiments.folder import RunFolder
    from experiments.run import Run

    if begin != "anew":
        shutil.copytree(finished, "run")
        Path("run/summary.json").unlink()
    watched(toy.ToyAgent, "act")
    watched(Run, "evaluate")
    watched(RunFolder, "write_summary")
    flags = {"anew": [*SHORT, "--out", "run"], "over another": [*SHORT, "--out", "run", "--overwrite"]}
    assert slatelab("train", *flags.get(begin, ["--resume", "run"])).code == 0
    assert set(held) == {"act", "evaluate", "write_summary"}
    with locked(Path("run"), "free again"):
        pass


@pytest.fixture
def note_while_building(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put a note into the run's folder while the catalogue is loaded."""
    real = starting.Training

    def build(*arguments: Any) -> Any:
        Path("run").mkdir(exist_ok=True)
        Path("run/note.txt").write_text("precious")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(starting, "Training", build)
        yield


@pytest.mark.usefixtures("note_while_building")
def test_note_that_is_put_where_a_run_begins_stays(slatelab: Slatelab) -> None:
    result = slatelab("train", *SHORT, "--out", "run")
    assert result.code == 2
    assert "the run folder run exists" in result.sentence
    assert Path("run/note.txt").read_text() == "precious"
    assert (names(), names("run")) == ({"run"}, {"note.txt"})


@pytest.mark.usefixtures("note_while_building")
def test_note_that_is_put_into_a_run_to_be_overwritten_stays_and_so_does_the_run(
    slatelab: Slatelab, finished: Path
) -> None:
    shutil.copytree(finished, "run")
    result = slatelab("train", *SHORT, "--out", "run", "--overwrite")
    assert result.code == 2
    assert "holds what no run made (note.txt)" in result.sentence
    assert (names(), names("run")) == ({"run"}, names(finished) | {"note.txt"})


def test_note_of_the_last_moment_stays_too(slatelab: Slatelab, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(finished, "run")
    real = creation._beside

    def beside(place: Path, suffix: str) -> Path:
        if suffix == "old":
            (place / "note.txt").write_text("precious")
        return real(place, suffix)

    monkeypatch.setattr(creation, "_beside", beside)
    assert slatelab("train", *SHORT, "--out", "run", "--overwrite").code == 2
    assert (names(), names("run")) == ({"run"}, names(finished) | {"note.txt"})


def test_two_that_begin_at_once_do_not_share_a_folder(slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch) -> None:
    real = starting.Training

    def build(*arguments: Any) -> Any:
        monkeypatch.setattr(starting, "Training", real)
        assert slatelab("train", *SHORT, "--out", "run").code == 0
        return real(*arguments)

    monkeypatch.setattr(starting, "Training", build)
    assert slatelab("train", *SHORT, "--seed", "1", "--out", "run").code == 2
    assert "seed = 0" in Path("run/config.toml").read_text()
    assert names() == {"run"}


def kill(*arguments: Any, **named: Any) -> None:
    """Be killed."""
    raise Killed


@pytest.mark.parametrize("cure", [["--resume", "run"], [*SHORT, "--out", "run", "--overwrite"]])
def test_overwriting_that_is_killed_while_deleting_leaves_what_both_cures_take(
    cure: list[str], slatelab: Slatelab, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, "run")
    with monkeypatch.context() as patch:
        patch.setattr(creation, "_delete_former", kill)
        with pytest.raises(Killed):
            slatelab("train", *SHORT, "--out", "run", "--overwrite")
    assert len(names()) == 2
    assert names("run") == {"config.toml"}
    assert slatelab("train", *cure).code == 0
    assert names() == {"run"}
    assert names("run") == names(finished)


def test_overwriting_that_is_killed_while_moving_can_be_repeated(
    slatelab: Slatelab, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, "run")
    again = ["train", *SHORT, "--out", "run", "--overwrite"]
    with monkeypatch.context() as patch:
        patch.setattr(creation, "_move_into_place", kill)
        with pytest.raises(Killed):
            slatelab(*again)
    assert slatelab(*again).code == 0
    assert names() == {"run"}


def test_name_of_a_folder_tells_settings_apart(slatelab: Slatelab) -> None:
    pair = {"env": "toy:Toy-v0", "agent": "toy:ToyAgent"}
    usual = default_folder(resolve({"train": pair | {"seed": 3}})).path
    assert usual == Path("runs/toy-Toy-v0--toy-ToyAgent--seed3")
    placed = default_folder(resolve({"train": pair | {"seed": 3, "device": "cpu", "checkpoint_seconds": 1.0}})).path
    assert placed == usual
    others = [
        {"agent": {"discount": 0.5}},
        {"agent": {"discount": 0.25}},
        {"agent": {"exploration": {"rate": 0.5}}},
        {"env": {"tiring": 0.5}},
        {"train": {"steps": 9}},
        {"train": {"eval_users": 9}},
    ]
    made = [default_folder(resolve({"train": pair | {"seed": 3}}, other)).path for other in others]
    assert len({usual, *made}) == len(others) + 1
    for path in made:
        assert path.name.startswith(f"{usual.name}--")
    for discount in ("0.5", "0.25"):
        assert slatelab("train", *SHORT, "--agent.discount", discount).code == 0
    assert len(names("runs")) == 2


def test_run_without_steps_leaves_a_checkpoint(slatelab: Slatelab) -> None:
    assert slatelab("train", *SHORT, "--steps", "0", "--out", "run").code == 0
    assert slatelab("evaluate", "run", "--users", "5").code == 0
    assert experiments.load("run", trust=True).training.user_steps == 0


def test_folder_one_is_in_is_refused(slatelab: Slatelab) -> None:
    result = slatelab("train", *SHORT, "--out", ".")
    assert result.code == 2
    assert "the folder you are in" in result.sentence
    assert not names()
