"""What a stage leaves on disk, and what it cost: a finished stage is read, not repeated."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from experiments.pipeline.metrics import Floats
from experiments.progress import say
from experiments.sealed import read_sealed, write_sealed

FORMAT = 1


@dataclass(kw_only=True)
class Cost:
    """What a stage cost."""

    seconds: float = 0.0
    """Wall time."""
    peak_memory_mib: float = 0.0
    """The most memory that the process held meanwhile; where the system cannot tell, the most until then."""
    parameters: int = 0
    """Numbers trained by descent."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a rung did on a task."""

    choice: Mapping[str, Any]
    """Settings that were chosen, plain values."""
    value: float
    """nDCG@100 of the choice on the inner task."""
    coverage: float
    """Share of the ranked items in somebody's first 10."""
    cost: Cost
    """Of choosing, fitting and judging."""
    built_on: Mapping[str, str]
    """Rungs that were climbed before, and what was chosen for them, as far as this one looks at them."""
    values: Mapping[str, Floats]
    """Metric to its value for each user (T,)."""


def write_result(path: Path, result: Result) -> None:
    """Replace a result; a kill at any moment leaves the old one or the new one.

    Raises:
        Failure: a full disk.
    """
    header = {**asdict(result), "format": FORMAT}
    values = header.pop("values")
    write_sealed(path, header, {name: torch.from_numpy(value_T) for name, value_T in values.items()})


def read_result(path: Path) -> Result | None:
    """Return a result; None where there is none, or, said in a sentence, where it is broken."""
    try:
        header, tensors, _ = read_sealed(path)
        if header.pop("format") != FORMAT:
            raise ValueError("another version wrote it")
        cost = Cost(**header.pop("cost"))
        return Result(**header, cost=cost, values={name: value.numpy() for name, value in tensors.items()})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        say(f"{path} is broken ({error}); this stage is done anew")
        return None


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure the cost of a block; it is filled in when the block ends."""
    cost, start = Cost(), time.monotonic()
    _forget_peak()
    yield cost
    cost.seconds, cost.peak_memory_mib = time.monotonic() - start, _peak_mib()


def _forget_peak() -> None:
    """Let the peak of this process' memory begin anew, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mib() -> float:
    try:
        status = Path("/proc/self/status").read_text()
        return float(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError, ValueError):
        pass
    try:
        import resource
    except ImportError:  # (there is none on Windows)
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
