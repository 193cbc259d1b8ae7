"""What a process of a benchmark does from its first moment on: it stands apart before it imports what takes seconds."""

import contextlib
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection, wait

READY = "ready"


def work(connection: Connection) -> None:
    """Do what comes through the connection until it is closed."""
    stand_apart()
    import torch

    from experiments.benchmark.bench import Bench
    from experiments.benchmark.kernels import Kernels

    torch.set_num_threads(1)
    bench = Bench(connection.send, Kernels())
    with contextlib.suppress(KeyboardInterrupt, EOFError, BrokenPipeError):
        connection.send(READY)
        while True:
            connection.send(bench.do(connection.recv()))


def stand_apart() -> None:
    """Leave Ctrl-C to the first process, and do not outlive it, however it ends."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    first = multiprocessing.parent_process()
    if first is not None:
        threading.Thread(target=_end_with, args=(first.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
