"""Settings with which an environment or agent is quick to build and soon learns, and a small folder of ratings."""

import atexit
import dataclasses
import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

AGENT = {
    "rollout": 4,
    "minibatch": 32,
    "hidden": 16,
    "embedding": 4,
    "warmup": 3,
    "state_clusters": 1,
    "item_clusters": 24,
    "features": 4,
    "topics": 3,
    "neighbours": 3,
    "n_steps": 4,
    "batch_size": 32,
    "n_epochs": 2,
    "epochs": 2,
    "net_arch": (16,),
    "buffer_size": 400,
    "gradient_steps": 2,
    "target_update_interval": 64,
}
"""Small values for settings of an agent of these names."""


def small_agent(settings: type[Any]) -> dict[str, Any]:
    """Return small values for the settings that an agent's dataclass has, where they are of the same type."""
    defaults = _defaults(settings)
    return {name: value for name, value in AGENT.items() if isinstance(defaults.get(name, ...), type(value) | None)}


def small_environment(settings: type[Any]) -> dict[str, Any]:
    """Return the tiny encoder for an environment that reads text, and a folder for one that reads ratings."""
    defaults = _defaults(settings)
    small: dict[str, Any] = {"encoder": "tiny"} if isinstance(defaults.get("encoder"), str) else {}
    return small | ({"data": rated_shop()} if isinstance(defaults.get("data"), str) else {})


def _defaults(settings: type[Any]) -> dict[str, Any]:
    return {field.name: field.default for field in dataclasses.fields(settings)}


@functools.cache
def rated_shop() -> str:
    """Return a folder of atomic files, 80 items and 60 raters who like one genre, that goes away with the process."""
    folder = tempfile.mkdtemp(prefix="slatelab-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_shop(Path(folder))
    return folder


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
