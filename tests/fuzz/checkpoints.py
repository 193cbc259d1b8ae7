"""The checkpoint and the other files of a run, damaged."""

import functools
import json
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Any

from cases import Case
from mutations import damaged

from encoders.errors import Failure, UsageError
from experiments import load
from experiments.cli import main

STATE = "checkpoint/state.safetensors"


@functools.cache
def _run() -> Path:
    """Return the folder of a finished small run; it goes away with the process."""
    _folders.append(tempfile.TemporaryDirectory())
    folder = Path(_folders[-1].name) / "run"
    names = ["--env", "toy:Toy-v0", "--agent", "toy:ToyAgent", "--device", "cpu"]
    assert main(["train", *names, "--steps", "64", "--num-users", "8", "--eval-users", "4", "--out", str(folder)]) == 0
    return folder


_folders: list[tempfile.TemporaryDirectory[str]] = []


def checkpoints(case: Case) -> None:
    """A run whose files are damaged is refused by `load`, `evaluate` and `--resume`, or goes on soundly."""
    rng = case.rng
    run = case.folder / "run"
    shutil.copytree(_run(), run)
    path = run / rng.choice((STATE, STATE, STATE, "config.toml", "metrics.csv", "summary.json"))
    content = path.read_bytes()
    if path.name == "state.safetensors" and rng.random() < 0.5:
        content = _other_header(content, case)
    else:
        content = damaged(content, rng)
    path.write_bytes(content)
    case.note(f"{path.name} damaged")
    how = rng.choice(("load", "evaluate", "resume", "report"))
    if how == "resume":
        (run / "summary.json").unlink(missing_ok=True)
        case.command(["train", "--resume", "run"])
    elif how == "evaluate":
        case.command(["evaluate", "run", "--users", "4"])
    elif how == "report":
        case.command(["report", "run"])
    else:
        loaded = case.attempt(lambda: load(run))
        if not isinstance(loaded, UsageError | Failure):
            state = loaded.agent.state_dict()
            assert path.name != "state.safetensors" or all(value.isfinite().all() for value in state.values())


def _other_header(content: bytes, case: Case) -> bytes:
    """Return a safetensors file with something else in its header."""
    rng = case.rng
    (length,) = struct.unpack("<Q", content[:8])
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    told: Any = json.loads(header["__metadata__"]["slatelab"])
    strange = (None, -5, 2.5, "seven", [], {}, True, float("nan"), 10**30)
    what = rng.choice(("told", "told", "tensor", "metadata", "length"))
    if what == "told":
        name = rng.choice([*sorted(told), "more"])
        told = rng.choice(
            ([], None, {**told, name: rng.choice(strange)}, {key: told[key] for key in told if key != name})
        )
        case.note(f"header {name}: {str(told)[-200:]}")
        header["__metadata__"]["slatelab"] = json.dumps(told)
    elif what == "tensor":
        name = rng.choice(sorted(set(header) - {"__metadata__"}))
        entry = header.pop(name)
        case.note(f"tensor {name}: {entry}")
        changed = rng.choice(
            (
                {"dtype": "F64"},
                {"dtype": "I32"},
                {"shape": [1]},
                {"shape": [*entry["shape"], 1]},
                {"data_offsets": [0, 4]},
            )
        )
        header[rng.choice((name, f"{name}s", "more"))] = {**entry, **rng.choice(({}, changed))}
    elif what == "metadata":
        header["__metadata__"] = rng.choice(({}, {"slatelab": ""}, {"slatelab": "{"}, {"other": "x"}))
    raw = json.dumps(header).encode()
    size = len(raw) if what != "length" else rng.choice((0, 1, 2**63 - 1, len(content)))
    return struct.pack("<Q", size) + raw + content[8 + length :]
