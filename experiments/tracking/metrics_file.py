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
        kept = [] if resume_at is None else _rows_until(path, resume_at, len(self.names) + 1)
        write_atomically(path, "".join([_line([STEP, *self.names]), *map(_line, kept)]).encode())

    def write(self, user_steps: int, row: Mapping[str, float]) -> None:
        """Append a row, at once on disk.

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


def _rows_until(path: Path, user_steps: int, width: int) -> list[list[str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    # The last line may be cut off by a kill, but then it lies after the checkpoint.
    return [row for row in rows if len(row) == width and row[0].isdigit() and int(row[0]) <= user_steps]


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
