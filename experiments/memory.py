"""Say that memory fell short in one sentence, with the size and the setting to lower."""

import contextlib
import re
from collections.abc import Iterator

from encoders.errors import Failure
from experiments import config
from experiments.settings import RunSettings

_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "Storage size calculation overflowed")
"""What torch says on a CPU, on CUDA and on MPS."""
_SIZE = re.compile(r"llocate ([\d.,]+\d) ?([KMGTP]i?B|bytes)")
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


@contextlib.contextmanager
def enough_memory(need: RunSettings | int) -> Iterator[None]:
    """Do something that needs as much memory as the settings of a run, or a number of test users, say.

    Args:
        need: the settings, or the number.

    Raises:
        Failure: it was too much.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = shortage(error)
        if told is None:
            raise
        names = [f"the number of test users ({need:,})"] if isinstance(need, int) else _to_lower(need)
        raise Failure(f"{told}: lower {' or '.join(names)}") from error


def shortage(error: BaseException) -> str | None:
    """Return how memory fell short, in words; None where an error says something else."""
    text = str(error)
    if not isinstance(error, MemoryError) and not any(words in text for words in _WORDS):
        return None
    where = "the GPU's memory" if "CUDA" in text else "the memory"
    found = _SIZE.search(text)
    return f"{where} is not enough" + ("" if found is None else f" ({_size(*found.groups())} more were asked for)")


def _size(number: str, unit: str) -> str:
    value, place = float(number.replace(",", "")), _UNITS.index(unit)
    while value >= 1024 and place + 1 < len(_UNITS):
        value, place = value / 1024, place + 1
    return f"{value:,.4g} {_UNITS[place]}"


def _to_lower(run: RunSettings) -> list[str]:
    """Return the setting that was raised most above what it is by itself, and how many users are met in parallel."""
    usual = config.resolve({"train": {"env": run.train.env, "agent": run.train.agent}})
    users = (run.train.num_users / usual.train.num_users, f"--num-users ({run.train.num_users:,})")
    raised = [
        (value / max(default, 1), f"--{part}.{name.replace('_', '-')} ({value:,})")
        for part in ("env", "agent")
        for name, value in vars(getattr(run, part)).items()
        if type(value) is type(default := getattr(getattr(usual, part), name)) is int and "seed" not in name
    ]
    most = max([(1.0, ""), *raised])
    return [most[1], users[1]] if most[0] > max(1.0, users[0]) else [users[1]]
