"""What a command prints: it reaches anybody who can read it, and nobody's absence fails a command."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import pytest
from command_line import SMALL

from experiments.cli import VERBS, main
from experiments.output import steady_output

ROOT = Path(__file__).resolve().parents[2]


def narrow(encoding: str) -> TextIO:
    """Return a stream that can write no character outside an encoding."""
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


@contextlib.contextmanager
def left() -> Iterator[TextIO]:
    """Yield a pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        yield stream


@pytest.fixture
def stdout(monkeypatch: pytest.MonkeyPatch) -> Callable[[TextIO | None], None]:
    """Return a function that replaces standard output and error."""

    def replace(stream: TextIO | None) -> None:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)

    return replace


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("arguments", [["--help"], ["list"], *([verb, "--help"] for verb in VERBS)], ids=" ".join)
def test_help_is_spelled_where_a_character_cannot_be_written(
    stdout: Callable[[TextIO | None], None], encoding: str, arguments: list[str]
) -> None:
    stream = narrow(encoding)
    stdout(stream)
    assert main(arguments) == 0
    stream.seek(0)
    assert "?" not in stream.read().replace("?\n", "")  # one question is asked in earnest


@pytest.mark.parametrize("kind", ["narrow", "left", "closed"])
def test_a_finished_run_does_not_fail_for_its_output(
    stdout: Callable[[TextIO | None], None], tmp_path: Path, kind: str
) -> None:
    with left() as gone:
        stdout({"narrow": narrow("ascii"), "left": gone, "closed": None}[kind])
        assert main(["train", *SMALL, "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "summary.json").is_file()


def test_odd_characters_are_spelled_and_unknown_ones_are_question_marks(
    stdout: Callable[[TextIO | None], None],
) -> None:
    stream = narrow("ascii")
    stdout(stream)
    with steady_output():
        print("agent − policy … 3 · 4 ╭─╮ 膳")
    stream.seek(0)
    assert stream.read() == "agent - policy ... 3 - 4 +-+ ?\n"


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "| head -c 1"])
def test_help_ends_with_0_whoever_reads(redirection: str) -> None:
    command = f"set -o pipefail; {sys.executable} -m experiments train --help {redirection}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_full_disk_behind_the_output_is_a_failure() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    command = f"{sys.executable} -m experiments list > /dev/full"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
