"""Settings that make every simulator quick to build, and a folder of ratings for those that read one."""

import dataclasses
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from encoders.registry import load_object


def small_settings(simulator_path: str) -> dict[str, Any]:
    """Return the settings that make a simulator quick to build: the tiny encoder, if it reads text; a folder's path."""
    fields = dataclasses.fields(load_object("environment", simulator_path).Settings)
    settings = {"encoder": "tiny", "data": rated_shop()}
    return {name: value for name, value in settings.items() if any(field.name == name for field in fields)}


@functools.cache
def rated_shop() -> str:
    """Return a folder of atomic files, 80 items and 60 raters who like one genre, that goes away with the process."""
    _folders.append(tempfile.TemporaryDirectory())
    write_shop(Path(_folders[-1].name))
    return _folders[-1].name


_folders: list[tempfile.TemporaryDirectory[str]] = []


def write_shop(folder: Path, scale: Callable[[int], float] = float, genres: bool = True) -> None:
    """Write ratings, 1 to 5 before they are scaled, as atomic files."""
    rng = np.random.default_rng(0)
    names = ("Home", "Garden", "Kitchen")
    items = [
        f"i{item}\t{' '.join(rng.choice(['red', 'old', 'tiny', 'lamp', 'bowl'], 3))} {item}\t{names[item % 3]}"
        for item in range(80)
    ]
    head = "item_id:token\ttitle:token_seq\tgenre:token_seq"
    lines = [head, *items]
    (folder / "shop.item").write_text("\n".join(line if genres else line.rsplit("\t", 1)[0] for line in lines) + "\n")
    rated = [
        f"u{user}\ti{item}\t{scale(int(rng.integers(1, 4)) + 2 * (item % 3 == user % 3))}\t{rng.integers(10**9)}"
        for user in range(60)
        for item in rng.permutation(80)[:30]
    ]
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (folder / "shop.inter").write_text("\n".join([head, *rated]) + "\n")
