"""What is wrong with a checkpoint is told in a sentence; what is damaged is never gone on with."""

import contextlib
import dataclasses
import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch
from command_line import Result
from torch import Tensor

from encoders.errors import Failure, UsageError
from envs.interface import Tensors
from experiments.building import build_kernel
from experiments.checkpoint import load_checkpoint, save_checkpoint
from experiments.config import read_tables, resolve
from experiments.folder import RunFolder
from experiments.sealed import write_sealed
from experiments.starting import restore

Slatelab = Callable[..., Result]


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> RunFolder:
    """Return a copy of a finished run."""
    shutil.copytree(finished, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def rewrite(folder: RunFolder, change: Callable[[Tensors, dict[str, Any]], Any]) -> None:
    """Change tensors and header of a checkpoint, with a checksum that fits; a header may be returned."""
    tensors, header = load_checkpoint(folder.checkpoint)
    entries = dataclasses.asdict(header)
    changed = change(tensors, entries)
    write_sealed(folder.checkpoint, entries if changed is None else changed, tensors)


def test_no_flipped_bit_is_gone_on_with(folder: RunFolder) -> None:
    content = folder.checkpoint.read_bytes()
    chosen, header = random.Random(0), 8 + int.from_bytes(content[:8], "little")
    for end in (8, header, len(content)):
        for _ in range(60):
            flipped = bytearray(content)
            flipped[chosen.randrange(end)] ^= 1 << chosen.randrange(8)
            folder.checkpoint.write_bytes(flipped)
            with pytest.raises((Failure, UsageError), match=r"state\.safetensors (is broken|was written by)"):
                load_checkpoint(folder.checkpoint)


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_cut_checkpoint_is_a_failure(folder: RunFolder, length: int) -> None:
    folder.checkpoint.write_bytes(folder.checkpoint.read_bytes()[:length])
    with pytest.raises(Failure, match="is broken"):
        load_checkpoint(folder.checkpoint)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors, header: [header], "its header is no table"),
        (lambda tensors, header: "text", "its header is no table"),
        (lambda tensors, header: header | {"extra": 1}, 'its header has a "extra", which is not known'),
        *(
            (lambda tensors, header, name=name: {key: header[key] for key in header if key != name}, f'has no "{name}"')
            for name in ("settings", "step_count", "train_seconds", "version")
        ),
        *(
            (lambda tensors, header, value=value: header | {"step_count": value}, f"says step_count = {told}")
            for value, told in (("125", '"125"'), (-5, "-5"), (1.5, "1.5"), (True, "true"), (None, "null"))
        ),
        (lambda tensors, header: header | {"train_seconds": float("nan")}, "says train_seconds = null"),
        (lambda tensors, header: header | {"settings": [1]}, r"says settings = \[1\]"),
        (lambda tensors, header: header | {"settings": {"train": {}}}, "says settings = "),
        (lambda tensors, header: header | {"version": 3}, "says version = 3"),
        *(
            (lambda tensors, header, spec=spec: header | {"spec": spec}, "says spec = ")
            for spec in ([], {}, {"slate_size": 3}, 5)
        ),
        (lambda tensors, header: header | {"spec": header["spec"] | {"slate_size": "3"}}, "says spec = "),
        (lambda tensors, header: header | {"spec": header["spec"] | {"shapes": {"user": 3}}}, "says spec = "),
        (lambda tensors, header: header | {"step_count": 126}, "says that 126 of 125 steps are done"),
    ],
)
def test_header_of_another_form_is_a_failure(
    slatelab: Slatelab, folder: RunFolder, change: Callable[..., Any], words: str
) -> None:
    rewrite(folder, change)
    with pytest.raises(Failure, match=words):
        restored(folder)
    result = slatelab("evaluate", folder.path)
    assert result.code == 1
    assert "start the run anew with --overwrite" in result.sentence
    assert "Traceback" not in result.err


def test_header_of_another_format_says_which_version_wrote_it(folder: RunFolder) -> None:
    rewrite(folder, lambda tensors, header: header | {"format": 9, "version": "7.0", "extra": 1})
    with pytest.raises(UsageError, match=r"written by slatelab 7\.0 in format 9"):
        load_checkpoint(folder.checkpoint)


CHANGES: dict[str, Callable[[Tensor], Tensor | None]] = {
    "missing": lambda value: None,
    "short": lambda value: value[:-1] if value.dim() else torch.stack([value, value]),
    "of another type": lambda value: value.double() if value.dtype != torch.float64 else value.float(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_entries_of_another_form_are_refused_in_every_part(folder: RunFolder, change: str) -> None:
    whole, header = load_checkpoint(folder.checkpoint)
    assert {name.partition(".")[0] for name in whole} == {"agent", "companion", "env", "monitor"}
    passed = []
    for name in whole:
        if name.endswith(".weight") and change != "missing":
            continue  # (the toy agent takes any)
        tensors = dict(whole)
        value = CHANGES[change](tensors.pop(name))
        if value is not None:
            tensors[name] = value
        save_checkpoint(folder.checkpoint, tensors, header)
        with contextlib.suppress(UsageError):
            restored(folder)
            passed.append(name)
    # (What an earlier version did not save is there anew.)
    sums = (name for name in whole if name.startswith("monitor.sum.rollout/"))
    of_earlier = {"env.candidate_generator", "monitor.first", *sums}
    assert set(passed) <= (of_earlier if change == "missing" else set())
    assert ("env.candidate_generator" in passed) == (change == "missing")


@pytest.mark.parametrize("name", ["agent.more", "env.more", "env.state.more", "monitor.more", "more.weight", "more"])
def test_entries_that_nothing_takes_are_refused(folder: RunFolder, name: str) -> None:
    rewrite(folder, lambda tensors, header: tensors.update({name: torch.zeros(3)}))
    with pytest.raises(UsageError, match=f'"{name}" is (not known here|no part of such a run)'):
        restored(folder)


@pytest.mark.parametrize("command", [("evaluate", "--users", 4), ("train", "--resume")])
def test_what_is_not_a_number_is_told(slatelab: Slatelab, folder: RunFolder, command: tuple[Any, ...]) -> None:
    def diverge(tensors: Tensors, header: dict[str, Any]) -> None:
        tensors["agent.weight"].fill_(torch.nan)

    rewrite(folder, diverge)
    (folder.path / "summary.json").unlink()
    assert re.search(
        r"has diverged: (agent\.)?weight holds what is not a number in its checkpoint",
        slatelab(*command, folder.path).err,
    )


def test_checkpoint_of_before_checksums_is_gone_on_with_and_told(
    slatelab: Slatelab, finished: Path, folder: RunFolder
) -> None:
    tensors, header = load_checkpoint(folder.checkpoint)
    old = {name: value for name, value in dataclasses.asdict(header).items() if name != "fingerprint"}
    safetensors.torch.save_file(tensors, folder.checkpoint, metadata={"slatelab": json.dumps(old)})
    (folder.path / "summary.json").unlink()
    result = slatelab("train", "--resume", folder.path)
    assert result.code == 0
    assert "before checkpoints had a checksum" in result.err
    ours, theirs = (json.loads((path / "summary.json").read_text()) for path in (folder.path, finished))
    assert ours["policies"] == theirs["policies"]


def restored(folder: RunFolder) -> None:
    """Build the run as its checkpoint has it."""
    run = resolve(read_tables(folder.config))
    restore(run, folder, build_kernel(run))
