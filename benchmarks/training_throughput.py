"""Print user-steps per second of training on Movies-v0 beside the environment alone, for each learning agent.

    python benchmarks/training_throughput.py [--encoder tiny] [--threads 2] [--users 512]

The ratio to the environment alone (random slates, nothing learnt) says what acting and learning cost. "with twin" is
what `slatelab train` does by default: a myopic twin learns from the same steps. The contenders take turns, so that a
busy machine slows all of them; figures are medians over the turns.
"""

import argparse
import statistics
import time

import torch

from experiments.config import resolve
from experiments.loop import step
from experiments.training import Training


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--users", type=int, default=512)
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    contenders = [("random", False), ("qlearning", False), ("dqn", False), ("slateq", False), ("slateq", True)]
    trainings = {
        f"{agent}{' with twin' if twin else ''}": build(agent, twin, arguments.users, arguments.encoder)
        for agent, twin in contenders
    }
    rates: dict[str, list[float]] = {name: [] for name in trainings}
    for turn in range(arguments.turns + 1):
        for name, training in trainings.items():
            began = time.perf_counter()
            for _ in range(32):
                step(training)
            if turn:  # the first warms up
                rates[name].append(32 * arguments.users / (time.perf_counter() - began))
    setting = f"{arguments.users} users, {arguments.threads} thread(s)"
    print(f"Movies-v0, {setting}, median of {arguments.turns} turns of 32 steps")
    alone = statistics.median(rates["random"])
    for name, measured in rates.items():
        rate = statistics.median(measured)
        print(f"{name:<18} {rate:>9,.0f} user-steps/s  {rate / alone:>5.0%} of the environment alone")


def build(agent: str, twin: bool, users: int, encoder: str) -> Training:
    """Return a training at its first step."""
    table = {"agent": agent, "num_users": users, "myopic_companion": twin, "device": "cpu", "steps": 10_000_000}
    run = resolve({"train": table, "env": {"encoder": encoder}})
    return Training([run])


if __name__ == "__main__":
    main()
