"""What a benchmark knows beside its records: the commands that made it, and the cells that have none and why."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.cache import write_atomically
from encoders.errors import Failure
from experiments.plain import to_json

if TYPE_CHECKING:
    from experiments.benchmark.cells import Cell


@dataclass(kw_only=True)
class Notes:
    """Kept in ``benchmark.json``, which the first process alone writes, after every change."""

    path: Path
    commands: list[str] = field(default_factory=list)
    """The command lines, each once, in the order of their first use."""
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name of a cell to what is known of it, with its ``status`` (``n/a`` or ``failed``) and ``reason``."""

    @classmethod
    def read(cls, out: Path) -> "Notes":
        """Read the notes in a benchmark's folder; there may be none yet.

        Raises:
            Failure: they are broken.
        """
        path = out / "benchmark.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(path=path, commands=list(content["commands"]), cells=dict(content["cells"]))
        except FileNotFoundError:
            return cls(path=path)
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(f"{path} is broken ({error}); delete it and repeat slatelab benchmark") from error

    def add_command(self, command: str) -> None:
        """Note a command line."""
        if command not in self.commands:
            self.commands.append(command)
        self._write()

    def put(self, cell: "Cell", status: str, reason: str) -> None:
        """Note why a cell has no record."""
        self.cells[cell.name] = {**cell.about(), "status": status, "reason": reason}
        self._write()

    def drop(self, cell: "Cell") -> None:
        """Forget a note, since the cell has a record now."""
        if self.cells.pop(cell.name, None) is not None:
            self._write()

    def _write(self) -> None:
        content = {name: value for name, value in asdict(self).items() if name != "path"}
        write_atomically(self.path, (to_json(content, indent=2) + "\n").encode())
