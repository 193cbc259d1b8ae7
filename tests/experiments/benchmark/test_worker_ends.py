"""A process of a benchmark does not outlive it, from its first moment on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FIRST = """
import multiprocessing
from experiments.benchmark.worker_process import stand_apart

def learn(connection):
    stand_apart()
    connection.send("at work")
    while True:
        pass

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    connection, theirs = context.Pipe()
    worker = context.Process(target=learn, args=(theirs,))
    worker.start()
    connection.recv()
    print(worker.pid, flush=True)
    worker.join()
"""
"""A process that starts one that never looks up, as one of a benchmark's, and tells its number."""


def alive(pid: int) -> bool:
    """Return whether a process is at work (one that ended may wait to be collected)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_nothing_that_takes_seconds_is_imported_before_it_stands_apart() -> None:
    code = "import sys, experiments.benchmark.worker_process; print('torch' in sys.modules, 'numpy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "False"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_first(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(FIRST)
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.Popen([sys.executable, "first.py"], cwd=tmp_path, env=variables, stdout=subprocess.PIPE)
    assert first.stdout is not None
    with first, first.stdout:
        worker = int(first.stdout.readline())
        assert alive(worker)
        first.send_signal(how)
        first.wait()
        deadline = time.monotonic() + 10
        while alive(worker) and time.monotonic() < deadline:
            time.sleep(0.01)
        left = alive(worker)
        if left:
            os.kill(worker, signal.SIGKILL)
        assert not left
