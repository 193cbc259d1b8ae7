"""One integer never seeds two streams: the seed of each stream follows from a seed and what the stream is for."""

import zlib
from typing import Literal, get_args

import numpy as np

Purpose = Literal[
    "agent",
    "training users",
    "twin",
    "panel users",
    "panel noise",
    "baseline",
    "sampled slates",
    "resampled users",
    "resampled runs",
    "random rung",
    "tuning",
    "logged users",
    "logged noise",
    "logged slates",
    "told likes",
]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
"""What streams are for; the place of each goes into its seeds, so new ones are added at the end."""


def derive_seed(seed: int, purpose: Purpose, *names: str) -> int:
    """Return the seed of one stream.

    Args:
        seed: of the run or of the panel, at least 0.
        purpose: what the stream is for.
        names: what tells it from others for the same purpose, such as a split.
    """
    entropy = [seed, PURPOSES.index(purpose), *(zlib.crc32(name.encode()) for name in names)]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])
