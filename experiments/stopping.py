"""Ctrl-C as an event, for work that ends in an orderly way."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from experiments.progress import say


@contextlib.contextmanager
def stop_signal(message: str) -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event, so that what is in hand is finished; the second interrupts.

    An interrupt that is raised just anywhere can be lost: Python drops what is raised while it cleans up an object.

    Args:
        message: what is said at the first one.
    """
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        say(message)
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
