"""How much faster FAISS finds the ten nearest of many vectors than exact search, and how many of them it finds.

    python benchmarks/retrieval.py

Vectors are clustered unit vectors, as catalogues are: `CLUSTERS` centres N(0, 1), an item a centre plus N(0, 1) noise
times `NOISE`, to unit length; queries are drawn in the same way. One thread; the median of `TURNS` turns, in which all
search the same queries one after the other; the ratio is of the same run.
"""

import argparse
import time

import numpy as np
import torch

from encoders.retrieval.ann import FaissIndex, FaissSettings, load_faiss
from encoders.retrieval.exact import ExactIndex

WIDTH = 64
CLUSTERS = 1_000
NOISE = 0.5
QUERIES = 256
TURNS = 3
K = 10
SETTINGS = (
    FaissSettings(kind="flat"),
    FaissSettings(kind="ivf", probes=8),
    FaissSettings(kind="ivf", probes=32),
    FaissSettings(kind="ivf", probes=128),
    FaissSettings(kind="hnsw", search_effort=64),
    FaissSettings(kind="hnsw", search_effort=256),
)


def drawn(number: int, generator: np.random.Generator, centres: np.ndarray) -> np.ndarray:
    """Return clustered unit vectors, float32 (number, `WIDTH`)."""
    rows = centres[generator.integers(len(centres), size=number)]
    rows = rows + NOISE * generator.standard_normal(rows.shape, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def measured(index: ExactIndex | FaissIndex, queries: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what is found, and the milliseconds a query of the median turn."""
    seconds = []
    for _ in range(TURNS):
        start = time.perf_counter()
        found, _ = index.search(queries, K)
        seconds.append(time.perf_counter() - start)
    return found, 1e3 * float(np.median(seconds)) / len(queries)


def main() -> None:
    """Print a table for each number of vectors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", default=["flat", "ivf", "hnsw"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    load_faiss().omp_set_num_threads(1)
    for size in asked.sizes:
        generator = np.random.default_rng(0)
        centres = generator.standard_normal((CLUSTERS, WIDTH), dtype=np.float32)
        vectors, queries = drawn(size, generator, centres), drawn(QUERIES, generator, centres)
        exact, exact_ms = measured(ExactIndex(vectors), queries)
        print(f"\n| {size:,} vectors | recall@{K} | ms a query | times faster | build, s |\n|---|---:|---:|---:|---:|")
        print(f"| exact | 1.000 | {exact_ms:.2f} | 1.0 | |", flush=True)
        built: dict[str, FaissIndex] = {}
        for settings in SETTINGS:
            if settings.kind not in asked.kinds:
                continue
            start = time.perf_counter()
            fresh = settings.kind not in built
            index = built.setdefault(settings.kind, built.get(settings.kind) or FaissIndex(vectors, settings=settings))
            build = f"{time.perf_counter() - start:.0f}" if fresh else ""
            index.settings = settings
            found, ms = measured(index, queries)
            recall = np.mean([np.isin(one, other).mean() for one, other in zip(exact, found, strict=True)])
            effort = {"ivf": f", {settings.probes} probes", "hnsw": f", effort {settings.search_effort}"}
            name = f"FAISS {settings.kind}{effort.get(settings.kind, '')}"
            print(f"| {name} | {recall:.3f} | {ms:.2f} | {exact_ms / ms:.1f} | {build} |", flush=True)


if __name__ == "__main__":
    main()
