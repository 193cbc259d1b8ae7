"""Measure texts a second of an encoder, against its own unsorted batches and against sentence-transformers.

Run ``python benchmarks/encoder_throughput.py`` from the root of the project; ``--help`` lists the options.
All figures are medians of ``--repeats`` rounds on the same texts; each round runs every contender once, so
that a busy machine slows all of them. Then the whole list is encoded through a fresh cache, twice.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from encoders import BertEncoder, CachedEncoder, EncoderSettings
from encoders.minilm import find_minilm

Encode = Callable[[list[str]], np.ndarray]

WORDS = [
    "love",
    "war",
    "space",
    "doctor",
    "king",
    "dog",
    "murder",
    "train",
    "school",
    "winter",
    "island",
    "robot",
    "family",
    "music",
    "thief",
    "lost",
    "night",
    "river",
    "ghost",
    "summer",
    "daughter",
    "stranger",
    "city",
    "golden",
    "last",
    "return",
    "secret",
    "dark",
    "house",
    "road",
    "american",
]
GENRES = [
    "Action",
    "Adventure",
    "Animation",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Horror",
    "Romance",
    "Thriller",
]


def film_texts(count: int, seed: int = 0) -> list[str]:
    """Return ``count`` different texts like a film catalogue's; every fourth has a plot of 10 to 60 words."""
    draw = random.Random(seed)
    texts = []
    for number in range(count):
        title = " ".join(draw.choices(WORDS, k=draw.randint(1, 5))).capitalize()
        genres = ", ".join(draw.sample(GENRES, draw.randint(1, 4)))
        plot = " ".join(draw.choices(WORDS, k=draw.randint(10, 60))) if number % 4 == 0 else ""
        texts.append(f"{title} {number} ({draw.randint(1930, 2016)}). Genres: {genres}. {plot}".strip())
    return texts


def contenders(batch_size: int) -> dict[str, Encode]:
    """Return what is compared, by name."""
    folder, origin = find_minilm()
    print(f"weights: all-MiniLM-L6-v2 from {origin}")
    encoder = BertEncoder.from_folder(folder, EncoderSettings(device="cpu", batch_size=batch_size))

    def in_given_order(texts: list[str]) -> np.ndarray:
        starts = range(0, len(texts), batch_size)
        return np.concatenate([encoder.encode(texts[start : start + batch_size]) for start in starts])

    found: dict[str, Encode] = {"slatelab": encoder.encode, "slatelab, unsorted batches": in_given_order}
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        print("sentence-transformers is not installed, so there is no peer in this run")
        return found
    peer = SentenceTransformer(str(folder), device="cpu")

    def peer_encode(texts: list[str]) -> np.ndarray:
        return np.asarray(peer.encode(texts, batch_size=batch_size, normalize_embeddings=True))

    found["sentence-transformers"] = peer_encode
    return found


def measure(found: dict[str, Encode], texts: list[str], repeats: int) -> None:
    """Print texts a second of each contender and check that all give the same vectors."""
    seconds: dict[str, list[float]] = {name: [] for name in found}
    vectors = {name: encode(texts[:64]) for name, encode in found.items()}  # warms up
    for _ in range(repeats):
        for name, encode in found.items():
            start = time.perf_counter()
            vectors[name] = encode(texts)
            seconds[name].append(time.perf_counter() - start)
    ours = statistics.median(seconds["slatelab"])
    for name, times in seconds.items():
        middle = statistics.median(times)
        apart = float(np.abs(vectors[name] - vectors["slatelab"]).max())
        print(
            f"{name:28s} {len(texts) / middle:8.0f} texts/s   {middle / ours:5.2f} × our time   "
            f"(rounds {min(times):.2f} to {max(times):.2f} s; vectors differ by {apart:.0e})"
        )


def measure_cache(texts: list[str]) -> None:
    """Print the time of a first and of a second run through a fresh cache."""
    folder, _ = find_minilm()
    with tempfile.TemporaryDirectory() as cache:
        for run in ("first run, cache empty", "second run, all cached"):
            start = time.perf_counter()
            settings = EncoderSettings(device="cpu")
            CachedEncoder(BertEncoder.from_folder(folder, settings), Path(cache)).encode(texts)
            print(f"{run:28s} {time.perf_counter() - start:8.3f} s")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=1_000, help="how many texts (default 1000)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--batch-size", type=int, default=32, help="texts in one forward pass (default 32)")
    options = parser.parse_args()
    import torch

    print(f"{options.texts} texts, {options.repeats} rounds, {torch.get_num_threads()} CPU threads")
    texts = film_texts(options.texts)
    found = contenders(options.batch_size)
    measure(found, texts, options.repeats)
    measure_cache(texts)


if __name__ == "__main__":
    main()
