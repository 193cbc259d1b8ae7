"""Do the jobs of a benchmark in this process, or in several side by side."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from encoders.errors import Failure
from experiments.benchmark.bench import Bench
from experiments.benchmark.jobs import Job, Outcome, Tell
from experiments.benchmark.kernels import Kernels
from experiments.benchmark.worker_process import READY, work
from experiments.stopping import stop_signal

Ended = Callable[[Job, Sequence[Outcome]], None]
PATIENCE = 0.2
"""Seconds until it is seen that somebody asked to stop."""


class Queue:
    """Jobs in order; those of an environment wait for its baselines, and go with them if they fail."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._waiting = list(jobs)
        self._awaited = {job.arena for job in jobs if job.baselines}

    def __len__(self) -> int:
        """Return how many jobs nobody has taken."""
        return len(self._waiting)

    def take(self, kernel_key: str | None) -> Job | None:
        """Return the next job that can be done, in the environment whose simulator is built if there is one."""
        ready = [job for job in self._waiting if job.baselines or job.arena not in self._awaited]
        if not ready:
            return None
        job = next((job for job in ready if job.kernel_key == kernel_key), ready[0])
        self._waiting.remove(job)
        return job

    def end(self, job: Job, outcomes: Sequence[Outcome], ended: Ended) -> None:
        """Pass on how a job ended."""
        ended(job, outcomes)
        if not job.baselines:
            return
        self._awaited.discard(job.arena)
        if outcomes[0].status == "failed":
            lost = [other for other in self._waiting if other.arena == job.arena]
            self._waiting = [other for other in self._waiting if other.arena != job.arena]
            for other in lost:
                ended(other, other.failed(f"the baselines failed: {outcomes[0].text}"))


def one_by_one(jobs: Sequence[Job], kernels: Kernels, tell: Tell, ended: Ended) -> None:
    """Do the jobs in this process."""
    bench, queue = Bench(tell, kernels), Queue(jobs)
    key = None
    while (job := queue.take(key)) is not None:
        queue.end(job, bench.do(job), ended)
        key = job.kernel_key


def side_by_side(jobs: Sequence[Job], workers: int, tell: Tell, ended: Ended) -> None:
    """Do the jobs in processes of their own, each with one torch thread.

    After Ctrl-C each finishes the step in hand and writes its checkpoint; after a second one all end at once.
    """
    queue, workers = Queue(jobs), min(workers, len(jobs))
    crew = [_Worker() for _ in range(workers)]
    try:
        with stop_signal("stopping: checkpoints are being written (Ctrl-C again stops at once)") as stopped:
            while len(queue) or any(worker.job for worker in crew):
                if stopped.is_set():
                    _stop(crew)
                    raise KeyboardInterrupt
                for worker in crew:
                    if worker.idle and (job := queue.take(worker.kernel_key)) is not None:
                        worker.give(job)
                for worker in _with_news(crew):
                    _hear(worker, queue, tell, ended)
                crew = [worker for worker in crew if not worker.dead]
                crew += [_Worker() for _ in range(min(workers - len(crew), len(queue)))]
    finally:
        for worker in crew:
            worker.process.kill()
            worker.process.join()


def _hear(worker: "_Worker", queue: Queue, tell: Tell, ended: Ended) -> None:
    """Take one message of a worker, or notice its death."""
    job = worker.job
    message = worker.receive()
    if isinstance(message, str):
        tell(message)
    elif job is not None and (message is not None or worker.dead):
        code = worker.process.exitcode
        reason = f"its process was killed (exit code {code}); was there too little memory?"
        queue.end(job, job.failed(reason) if message is None else message, ended)


def _stop(crew: "list[_Worker]") -> None:
    """Let every worker write its checkpoint."""
    busy = [worker for worker in crew if worker.job is not None and not worker.dead]
    for worker in busy:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.process.pid or 0, signal.SIGINT)
    while busy := [worker for worker in busy if worker.job is not None and not worker.dead]:
        for worker in _with_news(busy):
            worker.receive()


def _with_news(crew: "list[_Worker]") -> "list[_Worker]":
    """Wait, a short while, until a worker says something or dies."""
    ready = wait([worker.connection for worker in crew], timeout=PATIENCE)
    return [worker for worker in crew if worker.connection in ready]


class _Worker:
    """A process that does one job at a time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=work, args=(theirs,))
        self.process.start()
        theirs.close()
        self.ready = self.dead = False
        self.job: Job | None = None
        self.kernel_key: str | None = None

    @property
    def idle(self) -> bool:
        return self.ready and self.job is None and not self.dead

    def give(self, job: Job) -> None:
        self.job, self.kernel_key = job, job.kernel_key
        # A process that has died meanwhile is noticed when it is listened to.
        with contextlib.suppress(OSError):
            self.connection.send(job)

    def receive(self) -> Any:
        """Return a line, the outcomes of the job, or None if there is no news but that it is ready or dead."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            if not self.ready:
                raise Failure("a process of the benchmark could not start; try it with --workers 1") from None
            self.dead = True
            return None
        if message == READY:
            self.ready = True
            return None
        if not isinstance(message, str):
            self.job = None
        return message
