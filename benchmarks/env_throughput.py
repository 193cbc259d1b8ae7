"""Measure user-steps a second of our environments beside the simulators they were written after, on one core.

    python benchmarks/env_throughput.py [--peers-dir FOLDER] [--users 1 64 4096] [--encoder tiny]

RecSim's interest evolution (M 10, K 3) and SARDINE's SlateTopK-Bored run in an environment of their own, which the
first run installs. Every contender is a process of its own; in each turn all of them are measured one after the other,
so that a busy machine slows all, and a rate is the median of the turns. Slates are random and made before; sessions
begin and end all the time, and that counts.
"""

import argparse
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from json_lines import Worker
from workers import default_peers_dir, start_peers, use_one_core

FEWER_PAGE_FAULTS = {
    "MALLOC_TRIM_THRESHOLD_": str(2**29),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
USERS = (1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 32_768, 65_536)
FILM_USERS = (1, 64, 512, 2_048)
CATALOGUES = (1_000, 10_000, 100_000)
CATALOGUE_USERS = 256

Call = tuple[Worker, dict[str, Any]]


class Pair(NamedTuple):
    """One of ours and the simulator it was written after."""

    ours: str
    peer: str
    peer_name: str
    target: float


PAIRS = (
    Pair("InterestEvolution-v0", "interest_evolution", "RecSim's interest evolution", 300),
    Pair("Boredom-v0", "sardine", "SARDINE's SlateTopK-Bored", 100),
)


def turns_of(calls: dict[str, Call], turns: int) -> dict[str, float]:
    """Return the median of what each call answers; in every turn all are asked, after one that does not count."""
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(turns + 1):
        for name, (worker, call) in calls.items():
            rate = worker.ask(**call)
            if turn:
                rates[name].append(rate)
    return {name: statistics.median(measured) for name, measured in rates.items()}


def growth_table(pair: Pair, users: list[int], peers: Worker, turns: int, seconds: float) -> None:
    """Print rates and memory as the number of users grows, and whether the best is as fast as it has to be."""
    peer_call: Call = peers, {"call": "speed", "env": pair.peer, "seconds": seconds}
    print(f"\n## {pair.ours}, batched, beside {pair.peer_name}\n")
    print(
        "| users | user-steps/s | peer, steps/s | ratio | state + observation, bytes/user | peak growth, bytes/user |"
    )
    print("|---:|---:|---:|---:|---:|---:|", flush=True)
    ratios: dict[int, float] = {}
    for number in users:
        with Worker("throughput_worker", variables=FEWER_PAGE_FAULTS) as ours:
            ours.ask("make", name=pair.ours, users=number)
            run: Call = ours, {"call": "run", "contender": "batched", "seconds": seconds}
            rates = turns_of({"ours": run, "peer": peer_call}, turns)
            held = ours.ask("memory")
        ratios[number] = rates["ours"] / rates["peer"]
        print(
            f"| {number:,} | {rates['ours']:,.0f} | {rates['peer']:,.0f} | {ratios[number]:,.1f} "
            f"| {held['tensors'] / number:,.0f} | {held['growth'] / number:,.0f} |",
            flush=True,
        )
    best = max(ratios, key=lambda number: ratios[number])
    verdict = "met" if ratios[best] >= pair.target else "missed"
    print(f"\nBest batch, {best:,} users: {ratios[best]:,.0f} × {pair.peer_name}; {pair.target:,.0f} × is {verdict}.")
    print("The same batch once more:\n")
    variants_table(pair, best, peer_call, turns, seconds)


def variants_table(pair: Pair, users: int, peer_call: Call, turns: int, seconds: float) -> None:
    """Print what the allocator's thresholds cost the best batch, and what sessions that end at any time do."""
    kinds: dict[str, tuple[dict[str, str], bool]] = {
        "as above": (FEWER_PAGE_FAULTS, True),
        "allocator as it comes": ({}, True),
        "all sessions begun together": (FEWER_PAGE_FAULTS, False),
    }
    with ExitStack() as stack:
        calls = {"peer": peer_call}
        for kind, (variables, spread_out) in kinds.items():
            worker = stack.enter_context(Worker("throughput_worker", variables=variables))
            worker.ask("make", name=pair.ours, users=users, spread_out=spread_out)
            calls[kind] = worker, {"call": "run", "contender": "batched", "seconds": seconds}
        rates = turns_of(calls, turns)
    for kind in kinds:
        print(
            f"* {kind}: {rates[kind]:,.0f} user-steps/s, {rates[kind] / rates['peer']:,.0f} × the peer in these turns"
        )


def single_table(pairs: list[Pair], peers: Worker, turns: int, seconds: float) -> None:
    """Print the speed of one user behind `gym.make`."""
    print("\n## One user, `gym.make`\n")
    print("| environment | steps/s | peer, steps/s | ratio |")
    print("|---|---:|---:|---:|", flush=True)
    for pair in pairs:
        with Worker("throughput_worker", variables=FEWER_PAGE_FAULTS) as ours:
            ours.ask("make_single", name=pair.ours)
            run: Call = ours, {"call": "run", "contender": "single", "seconds": seconds}
            rates = turns_of(
                {"ours": run, "peer": (peers, {"call": "speed", "env": pair.peer, "seconds": seconds})}, turns
            )
        ratio = rates["ours"] / rates["peer"]
        print(f"| {pair.ours} | {rates['ours']:,.0f} | {rates['peer']:,.0f} | {ratio:.2f} |", flush=True)


def films_row(ours: Worker, turns: int, seconds: float, *more: str) -> dict[str, float]:
    """Return the rates of the films, of their retrieval alone, and of more contenders."""
    ours.ask("make_retrieval")
    names = ("batched", "retrieval", *more)
    return turns_of({name: (ours, {"call": "run", "contender": name, "seconds": seconds}) for name in names}, turns)


def films_table(encoder: str, turns: int, seconds: float) -> None:
    """Print Movies-v0 beside its roofline: the retrieval alone."""
    print(f"\n## Movies-v0, encoder {encoder}\n")
    print("| users | user-steps/s | retrieval alone | share of that | with arrays | state + observation, bytes/user |")
    print("|---:|---:|---:|---:|---:|---:|", flush=True)
    settings = {"encoder": encoder}
    for users in FILM_USERS:
        with Worker("throughput_worker", variables=FEWER_PAGE_FAULTS) as ours:
            ours.ask("make", name="Movies-v0", users=users, settings=settings)
            ours.ask("make_arrays", name="Movies-v0", users=users, settings=settings)
            rates, held = films_row(ours, turns, seconds, "arrays"), ours.ask("memory")
        print(
            f"| {users:,} | {rates['batched']:,.0f} | {rates['retrieval']:,.0f} "
            f"| {rates['batched'] / rates['retrieval']:.0%} | {rates['arrays']:,.0f} "
            f"| {held['tensors'] / users:,.0f} |",
            flush=True,
        )
    with Worker("throughput_worker", variables=FEWER_PAGE_FAULTS) as ours:
        ours.ask("make_single", name="Movies-v0", settings=settings)
        rates = turns_of({"single": (ours, {"call": "run", "contender": "single", "seconds": seconds})}, turns)
    print(f"\nOne user, `gym.make`: {rates['single']:,.0f} steps/s.")


def catalogue_table(turns: int, seconds: float) -> None:
    """Print the dynamics of Movies-v0 on made-up catalogues."""
    print(f"\n## Movies-v0 with retrieval in the loop, {CATALOGUE_USERS} users, made-up films with random vectors\n")
    print("| films | user-steps/s | retrieval alone | share of that | state + observation, bytes/user |")
    print("|---:|---:|---:|---:|---:|", flush=True)
    settings = {"encoder": "synthetic_films:RandomVectors", "min_ratings": 0}
    for size in CATALOGUES:
        with (
            tempfile.TemporaryDirectory() as cache,
            Worker("throughput_worker", variables=FEWER_PAGE_FAULTS | {"SLATELAB_CACHE": cache}) as ours,
        ):
            ours.ask("make", name=f"SyntheticFilms{size}-v0", users=CATALOGUE_USERS, settings=settings)
            rates, held = films_row(ours, turns, seconds), ours.ask("memory")
        print(
            f"| {size:,} | {rates['batched']:,.0f} | {rates['retrieval']:,.0f} "
            f"| {rates['batched'] / rates['retrieval']:.0%} | {held['tensors'] / CATALOGUE_USERS:,.0f} |",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", default=["interest", "boredom", "single", "films", "catalogues"])
    parser.add_argument("--users", type=int, nargs="*", default=list(USERS))
    parser.add_argument("--turns", type=int, default=5, help="measurements of each rate (default 5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement (default 0.5)")
    parser.add_argument("--encoder", default="minilm", help="of Movies-v0 (default minilm)")
    parser.add_argument("--peers-dir", type=Path, default=default_peers_dir(), help="where the peers are installed")
    options = parser.parse_args()
    print(f"{use_one_core()}; medians of {options.turns} turns of {options.seconds} s")
    with Worker("throughput_worker") as ours:
        print(f"ours: {ours.ask('versions')}")
    thresholds = " ".join(f"{name}={value}" for name, value in FEWER_PAGE_FAULTS.items())
    print(f"ours, unless said otherwise, with {thresholds} (glibc keeps freed memory, in huge pages)")
    print("state + observation: bytes of their tensors, what users share counted once")
    print("peak growth: of the process' peak resident memory over that with one user, temporaries included")
    turns, seconds = options.turns, options.seconds
    chosen = [pair for pair, part in zip(PAIRS, ("interest", "boredom"), strict=True) if part in options.parts]
    if chosen or "single" in options.parts:
        with start_peers(options.peers_dir) as peers:
            for pair in chosen:
                growth_table(pair, options.users, peers, turns, seconds)
            if "single" in options.parts:
                single_table(list(PAIRS), peers, turns, seconds)
    if "films" in options.parts:
        films_table(options.encoder, turns, seconds)
    if "catalogues" in options.parts:
        catalogue_table(turns, seconds)


if __name__ == "__main__":
    main()
