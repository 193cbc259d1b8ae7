"""A run knows its data by their content: they are found from anywhere, may be moved, and may not be exchanged."""

import json
import os
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Result
from small_shop import write_shop

from encoders.errors import UsageError
from envs.movies_settings import MoviesSettings
from experiments import load
from experiments.checkpoint import read_header
from experiments.cli import main
from experiments.config import resolve
from experiments.folder import RunFolder
from experiments.starting import resume


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `shop` and, trained from within `work` on `../shop`, a `run`."""
    home = tmp_path_factory.mktemp("home")
    write_shop(home / "shop")
    (home / "work").mkdir()
    flags = ["--env", "slatelab/Ratings-v0", "--env.data", "../shop", "--encoder", "tiny", "--env.num-features", "4"]
    flags += ["--env.num-candidates", "12", "--env.num-exploration", "4", "--env.slate-size", "3"]
    flags += ["--agent", "linucb", "--steps", "64", "--num-users", "16", "--eval-users", "10", "--device", "cpu"]
    before = Path.cwd()
    os.chdir(home / "work")
    try:
        assert main(["train", *flags, "--out", str(home / "run")]) == 0
    finally:
        os.chdir(before)
    return home


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of `trained` whose run still points to the data of the original."""
    shutil.copytree(trained / "run", tmp_path / "run")
    return tmp_path


def _move(trained: Path, home: Path, stars: str = "12345") -> Path:
    """Let the run point to data that are gone, and return where such data are now."""
    config = home / "run" / "config.toml"
    config.write_text(config.read_text().replace(str(trained / "shop"), str(home / "gone")))
    write_shop(home / "shop", stars)
    return home / "shop"


def test_data_are_found_from_another_working_directory(
    slatelab: Callable[..., Result], trained: Path, home: Path
) -> None:
    assert tomllib.loads((home / "run" / "config.toml").read_text())["env"]["data"] == str(trained / "shop")
    assert slatelab("evaluate", home / "run").code == 0
    assert len(read_header(RunFolder(home / "run").checkpoint).fingerprint) == 16


def test_a_moved_folder_is_named_anew(slatelab: Callable[..., Result], trained: Path, home: Path) -> None:
    before = json.loads((home / "run" / "summary.json").read_text())["policies"]
    moved = _move(trained, home)
    refused = slatelab("evaluate", home / "run")
    assert (refused.code, "gone is not a folder" in refused.sentence, "--data" in refused.sentence) == (2, True, True)
    assert slatelab("evaluate", home / "run", "--data", moved).code == 0
    assert json.loads((home / "run" / "summary.json").read_text())["policies"] == before
    assert load(home / "run", data=moved).settings.env.data == str(moved)
    with pytest.raises(UsageError, match="gone is not a folder"):
        load(home / "run").evaluate()


def test_a_run_that_goes_on_remembers_where_its_data_are(trained: Path, home: Path) -> None:
    moved, folder = _move(trained, home), RunFolder(home / "run")
    run = resolve(tomllib.loads(folder.config.read_text()), {"env": {"data": str(moved)}})
    with resume(run, folder):
        pass
    assert tomllib.loads(folder.config.read_text())["env"]["data"] == str(moved)
    assert load(folder.path).settings == run


def test_other_data_are_refused(slatelab: Callable[..., Result], trained: Path, home: Path) -> None:
    other = _move(trained, home, stars="54321")
    refused = slatelab("evaluate", home / "run", "--data", other)
    assert refused.code == 2
    assert "was made with other data, texts or another encoder than are there now (fingerprint" in refused.sentence
    assert "Traceback" not in refused.err


def test_another_encoder_is_refused(slatelab: Callable[..., Result], home: Path) -> None:
    refused = slatelab("evaluate", home / "run", "--encoder", "random")
    assert (refused.code, "another encoder" in refused.sentence) == (2, True)


def test_other_settings_are_refused_as_ever(slatelab: Callable[..., Result], home: Path) -> None:
    config = home / "run" / "config.toml"
    config.write_text(config.read_text().replace("patience = 20.0", "patience = 21.0"))
    refused = slatelab("evaluate", home / "run")
    assert (refused.code, "patience = 20.0, not 21.0" in refused.sentence) == (2, True)


def test_a_folder_of_an_encoder_is_named_from_the_root_and_a_name_is_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "st" / "tuned").mkdir(parents=True)
    (tmp_path / "minilm").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert MoviesSettings(encoder="../st/tuned").encoder == str(tmp_path / "st" / "tuned")
    monkeypatch.chdir(tmp_path)
    assert MoviesSettings(encoder="minilm").encoder == "minilm"
    assert MoviesSettings(encoder="BAAI/bge-small-en-v1.5").encoder == "BAAI/bge-small-en-v1.5"
