"""Print user-steps per second of Movies-v0, batched and one at a time, beside its roofline: the retrieval alone.

    python benchmarks/environment_throughput.py [--encoder tiny] [--threads 1]

Every step of every user needs a cosine search over the whole catalogue. The roofline is that search written as one
matrix product and one `topk`; the ratio to it says what choice, transition, rewards and observations cost.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import gymnasium as gym
import torch

import envs


def median_seconds(step: Callable[[], object], repeats: int) -> float:
    """Return the median duration of a call, after one that does not count."""
    step()
    durations = []
    for _ in range(repeats):
        began = time.perf_counter()
        step()
        durations.append(time.perf_counter() - began)
    return statistics.median(durations)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--users", type=int, nargs="*", default=[1, 64, 512, 2048])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(
        f"{envs.ENVIRONMENTS['slatelab/Movies-v0']}, {arguments.threads} thread(s), random slates, medians of 30 steps"
    )
    print(f"{'users':>6} {'user-steps/s':>13} {'retrieval alone':>16} {'share':>6} {'numpy API':>10}")
    for users in arguments.users:
        print(row(users, arguments.encoder), flush=True)
    single = gym.make("slatelab/Movies-v0", encoder=arguments.encoder)
    single.reset(seed=0)
    seconds = median_seconds(lambda: single.step(single.action_space.sample()), 200)
    print(f"gym.make, one user: {1 / seconds:,.0f} steps/s")


def row(users: int, encoder: str) -> str:
    """Return one line of the table."""
    make = {"num_envs": users, "encoder": encoder, "device": "cpu"}
    env = gym.make_vec("slatelab/Movies-v0", as_tensors=True, **make)
    env.reset(seed=0)
    spec, generator = env.simulator.spec, torch.Generator().manual_seed(0)

    def slates() -> torch.Tensor:
        return torch.rand(users, spec.num_candidates, generator=generator).topk(spec.slate_size).indices

    vectors_ND, profile_BD, seen_BN = env.simulator.films.vectors, env.state["profile"], env.state["seen"]

    def retrieve() -> torch.Tensor:
        return (profile_BD @ vectors_ND.T).masked_fill(seen_BN, -2).topk(spec.num_candidates).indices

    seconds, roofline = median_seconds(lambda: env.step(slates()), 30), median_seconds(retrieve, 30)
    arrays = gym.make_vec("slatelab/Movies-v0", **make)
    arrays.reset(seed=0)
    in_numpy = median_seconds(lambda: arrays.step(slates().numpy()), 30)
    return (
        f"{users:>6} {users / seconds:>13,.0f} {users / roofline:>16,.0f} {roofline / seconds:>6.0%} "
        f"{users / in_numpy:>10,.0f}"
    )


if __name__ == "__main__":
    main()
