"""What a message advises works, typed as it is printed."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import SHORT, SMALL, Result

Slatelab = Callable[..., Result]
RUN = "my run"
"""A path that has to be quoted."""


def said(pattern: str, text: str) -> str:
    """Return what a message says of a pattern's group."""
    found = re.search(pattern, text)
    assert found is not None, text
    return found.group(1)


def test_cures_for_a_folder_that_exists(slatelab: Slatelab, finished: Path) -> None:
    shutil.copytree(finished, RUN)
    Path(RUN, "summary.json").unlink()
    sentence = slatelab("train", *SMALL, "--out", RUN).sentence
    assert slatelab("train", *shlex.split(said(r"go on with (--resume '.*'),", sentence))).code == 0
    for cure in (["--out", RUN, said(r"with (--overwrite)", sentence)], [said(r"(--out)$", sentence), "other"]):
        assert slatelab("train", *SHORT, *cure).code == 0


def test_cure_for_a_checkpoint_that_is_broken(slatelab: Slatelab, finished: Path) -> None:
    shutil.copytree(finished, RUN)
    Path(RUN, "summary.json").unlink()
    Path(RUN, "checkpoint", "state.safetensors").write_bytes(b"half")
    sentence = slatelab("train", "--resume", RUN).sentence
    assert slatelab("train", *SHORT, "--out", RUN, said(r"anew with (--overwrite)", sentence)).code == 0


def test_cure_for_settings_that_are_not_those_of_the_checkpoint(slatelab: Slatelab, finished: Path) -> None:
    shutil.copytree(finished, RUN)
    Path(RUN, "summary.json").unlink()
    for flag in (["--agent", "cosine"], ["--seed", "5"], ["--agent.discount", "0.5"]):
        assert "resume it without" in slatelab("train", "--resume", RUN, *flag).sentence
    assert slatelab("train", "--resume", RUN).code == 0


@pytest.mark.parametrize(
    ("missing", "command", "pattern"),
    [
        (["checkpoint"], ["evaluate", RUN], r"with slatelab (train --resume '.*')"),
        (["summary.json"], ["report", ".", "--out", "page"], r"with slatelab (train --resume '.*')"),
        (["broken summary"], ["report", ".", "--out", "page"], r"anew with slatelab (evaluate '.*')"),
    ],
)
def test_cures_for_a_run_that_lacks_something(
    missing: list[str], command: list[str], pattern: str, slatelab: Slatelab, finished: Path
) -> None:
    shutil.copytree(finished, RUN)
    if missing == ["broken summary"]:
        Path(RUN, "summary.json").write_text("{")
    else:
        Path(RUN, "summary.json").unlink()
    if missing == ["checkpoint"]:
        shutil.rmtree(Path(RUN, "checkpoint"))
    failed = slatelab(*command)
    assert failed.code
    assert slatelab(*shlex.split(said(pattern, failed.err))).code == 0
    assert slatelab(*command).code == 0


def test_cure_for_an_evaluation_that_was_interrupted(slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("experiments.run.evaluation.evaluate", interrupt)
        sentence = slatelab("train", *SHORT, "--out", RUN).sentence
    assert slatelab(*shlex.split(said(r"slatelab (train --resume '.*')", sentence))).code == 0
    assert "is finished" in slatelab("train", "--resume", RUN).sentence


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe time", "it is no UTF-8 text"),
        (b"step,loss\n1,2\n", "its first column is not time/total_timesteps"),
        (b"time/total_timesteps,train/loss\n160,high\n", "could not convert string to float: 'high'"),
    ],
)
def test_cure_for_metrics_that_cannot_be_read(content: bytes, why: str, slatelab: Slatelab, finished: Path) -> None:
    shutil.copytree(finished, RUN)
    metrics = Path(RUN, "metrics.csv")
    metrics.write_bytes(content)
    for command in (["report", ".", "--out", "page"], ["evaluate", RUN]):
        failed = slatelab(*command)
        assert (failed.code, f"metrics.csv is broken: {why}; delete it" in failed.sentence) == (1, True), failed.err
    metrics.unlink()
    assert slatelab("evaluate", RUN).code == 0
    assert slatelab("report", ".", "--out", "page").code == 0
    Path(RUN, "summary.json").unlink()
    assert slatelab("train", "--resume", RUN).code == 0


def test_resuming_a_run_whose_metrics_cannot_be_read_says_so(slatelab: Slatelab, finished: Path) -> None:
    shutil.copytree(finished, RUN)
    Path(RUN, "summary.json").unlink()
    Path(RUN, "metrics.csv").write_bytes(b"\xff\xfe time")
    assert "it is no UTF-8 text; delete it" in slatelab("train", "--resume", RUN).sentence
