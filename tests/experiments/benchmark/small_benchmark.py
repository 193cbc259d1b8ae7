"""What the tests of the benchmark share: a small command, its table read back, agents that go wrong."""

import csv
from pathlib import Path

SMALL_BENCHMARK = [
    *("benchmark", "--envs", "toy:Toy-v0", "--agents", "random", "cosine", "toy:ToyAgent", "--seeds", "2"),
    *("--steps", "512", "--eval-users", "30", "--device", "cpu", "--out", "board"),
]
TIMINGS = ("train_seconds", "steps_per_second")
LEARNER = "toy:ToyAgent"

WRONG_AGENTS = '''
"""Agents that go wrong, each in its own way."""

import os
import signal
import time

from toy import ToyAgent


class Raises(ToyAgent):
    def update(self, transition):
        raise RuntimeError("the network has | no\\nlayers")


BROKEN = set()


class RaisesForSome(ToyAgent):
    def __init__(self, spec, settings, *, seed, **named):
        super().__init__(spec, settings, seed=seed, **named)
        self.broken = seed in BROKEN

    def update(self, transition):
        if self.broken:
            raise MemoryError("too large")
        return super().update(transition)


class Diverges(ToyAgent):
    def update(self, transition):
        learnt = super().update(transition)
        self.weight_D = self.weight_D * float("nan")
        return {name: value * float("nan") for name, value in learnt.items()}


class ForgetsQuietly(ToyAgent):
    METRICS = ToyAgent.METRICS

    def update(self, transition):
        self.weight_D = self.weight_D * float("nan")
        return {}


class NeedsBudget(ToyAgent):
    NEEDS = ("budget",)


class Refuses(ToyAgent):
    def __init__(self, *arguments, **named):
        raise ValueError("slates of 2 are too short for it")


class Dies(ToyAgent):
    def update(self, transition):
        os.kill(os.getpid(), signal.SIGKILL)


class Stops(ToyAgent):
    """Slow where there is a variable $STOP; the first to take 20 steps presses Ctrl-C for that process."""

    count = 0

    def update(self, transition):
        self.count += self.settings.discount > 0
        if "STOP" in os.environ:
            time.sleep(0.01)
            if self.count == 20 and os.environ["STOP"] and not os.path.exists("stopped"):
                open("stopped", "w").close()
                os.kill(int(os.environ["STOP"]), signal.SIGINT)
        return super().update(transition)
'''
"""A module that a test writes into its folder as ``wrong_agents.py``."""


def rows(folder: Path | str = "board") -> dict[tuple[str, str], dict[str, str]]:
    """Return the rows of results.csv by agent and seed, without what tells seconds."""
    with Path(folder, "results.csv").open(newline="") as file:
        found = {(row["agent"], row["seed"]): row for row in csv.DictReader(file)}
    return {key: {name: cell for name, cell in row.items() if name not in TIMINGS} for key, row in found.items()}


def tables(folder: Path | str = "board") -> list[list[list[str]]]:
    """Return the tables of scoreboard.md, each as rows of cells without the line under the heads."""
    found: list[list[list[str]]] = []
    before = ""
    for line in Path(folder, "scoreboard.md").read_text().splitlines():
        if line.startswith("|"):
            if not before.startswith("|"):
                found.append([])
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            if not set("".join(cells)) <= {"-", ":"}:
                found[-1].append(cells)
        before = line
    return found


def without_command(folder: Path | str = "board") -> str:
    """Return scoreboard.md without the commands that made it."""
    return Path(folder, "scoreboard.md").read_text().split("```")[2]
