"""``slatelab dashboard``."""

import contextlib
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from encoders.errors import Failure, UsageError
from experiments.folder import find_runs

HOST = "127.0.0.1"
LAST_PORT = 65_535


@dataclass(frozen=True, kw_only=True)
class DashboardFlags:
    """Show runs in TensorBoard, on this machine only, until Ctrl-C."""

    runs: tyro.conf.Positional[tuple[Path, ...]] = (Path("runs"),)
    """Run folders, or folders of run folders."""
    port: int = 6006
    """Port to serve on; 0 is any that is free."""


def main(arguments: Sequence[str]) -> int:
    """Serve TensorBoard until Ctrl-C."""
    flags = tyro.cli(DashboardFlags, prog="slatelab dashboard", args=list(arguments))
    if not 0 <= flags.port <= LAST_PORT:
        raise UsageError(f"--port is {flags.port}; it has to be from 0 to {LAST_PORT}")
    boards = find_boards(flags.runs)
    with tempfile.TemporaryDirectory(prefix="slatelab-") as folder, contextlib.suppress(KeyboardInterrupt):
        link_boards(boards, Path(folder))
        address = serve(Path(folder), flags.port)
        print(f"TensorBoard with {len(boards)} run(s) at {address} (Ctrl-C ends it)", flush=True)
        threading.Event().wait()
    return 0


def find_boards(runs: Sequence[Path]) -> dict[str, Path]:
    """Return the TensorBoard folders of runs, by the name of the run.

    Raises:
        UsageError: a folder does not exist, or there is no run in it.
    """
    boards: dict[str, Path] = {}
    for folder in find_runs(runs):
        if folder.tensorboard.is_dir():
            name = folder.path.name
            count = sum(other == name or other.startswith(f"{name} (") for other in boards)
            boards[f"{name} ({count + 1})" if count else name] = folder.tensorboard
    if not boards:
        raise UsageError(f"{runs[0]} holds no run with a tensorboard folder; slatelab train makes one")
    return boards


def link_boards(boards: Mapping[str, Path], folder: Path) -> None:
    """Gather the boards in one folder, by name: TensorBoard's projector knows no list of folders."""
    for name, board in boards.items():
        (folder / name).symlink_to(board, target_is_directory=True)


def serve(folder: Path, port: int) -> str:
    """Start TensorBoard in a thread of this process and return its address.

    Raises:
        Failure: it cannot listen on that port.
    """
    from tensorboard import program

    server = program.TensorBoard()
    server.configure(logdir=str(folder), host=HOST, port=port)
    try:
        address: str = server.launch()
    except program.TensorBoardServerException as error:
        raise Failure(f"TensorBoard cannot start: {error}; choose another --port") from error
    return address
