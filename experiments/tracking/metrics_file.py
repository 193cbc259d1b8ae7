"""metrics.csv: one row of training metrics at a time, safe against a kill."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from encoders.cache import write_atomically
from encoders.errors import Failure
from encoders.files import cure
from experiments.tracking.metrics import STEP


class MetricsFile:
    """Append rows to metrics.csv; what was not measured in a row is left empty.

    Args:
        path: of the file.
        names: columns after the first, which counts user-steps.
        resume_at: keep the rows up to this many user-steps; None begins anew.
    """

    def __init__(self, path: Path, names: Sequence[str], resume_at: int | None = None) -> None:
        self.path = path
        self.names = list(names)
        rows = [] if resume_at is None else _read(path)[1]
        kept = [row for row in rows if len(row) == len(self.names) + 1 and int(row[0]) <= (resume_at or 0)]
        write_atomically(path, "".join([_line([STEP, *self.names]), *map(_line, kept)]).encode())

    def sync(self) -> None:
        """Bring what was written to the disk, so that no checkpoint is there without the rows before it."""
        with self.path.open("r+b") as file:
            os.fsync(file.fileno())

    def write(self, user_steps: int, row: Mapping[str, float]) -> None:
        """Append a row, at once in the file.

        Raises:
            Failure: a full disk, or the run's folder was removed meanwhile.
        """
        cells = [str(user_steps), *(repr(row[name]) if name in row else "" for name in self.names)]
        try:
            # Not "a", which would begin a file without its first line where the folder was removed and made again.
            with self.path.open("r+", encoding="utf-8", newline="") as file:
                file.seek(0, os.SEEK_END)
                file.write(_line(cells))
        except OSError as error:
            raise Failure(f"cannot write {self.path}: {error.strerror}; {cure(error)}") from error


def read_rows(path: Path) -> list[dict[str, float]]:
    """Return the rows of a metrics.csv by name, each without what was not measured; none where there is no file.

    Raises:
        Failure: it is no such file.
    """
    heads, rows = _read(path)
    try:
        return [{name: float(cell) for name, cell in zip(heads, row, strict=True) if cell} for row in rows]
    except ValueError as error:
        raise _broken(path, str(error)) from error


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the names and the rows of a file, without a last one that a kill cut off."""
    if not path.is_file():
        return [STEP], []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            heads, *rows = [*csv.reader(file)] or [[STEP]]
    except UnicodeDecodeError as error:
        raise _broken(path, "it is no UTF-8 text") from error
    except csv.Error as error:
        raise _broken(path, str(error)) from error
    if heads[:1] != [STEP]:
        raise _broken(path, f"its first column is not {STEP}")
    return heads, [row for row in rows if len(row) == len(heads) and row[0].isdigit()]


def _broken(path: Path, why: str) -> Failure:
    return Failure(f"{path} is broken: {why}; delete it, which costs the learning curve so far and nothing else")


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
