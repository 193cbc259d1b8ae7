"""What the tests of `experiments` share: the command line in this process, and a run of the toy."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import SMALL, Result

from experiments.cli import main


@pytest.fixture
def slatelab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Return a function that runs a command line in an empty folder; the toy's runs are trusted unless it is told."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments: str | Path, trust: bool = True) -> Result:
        capsys.readouterr()
        if trust and (arguments[0] == "evaluate" or "--resume" in arguments):
            arguments = (*arguments, "--trust")
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one finished small run; tests copy it before they change it."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert main(["train", *SMALL, "--out", str(folder)]) == 0
    return folder
