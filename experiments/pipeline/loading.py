"""The data set of a pipeline, its items numbered in an order that says nothing of them."""

import hashlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from encoders.errors import UsageError
from envs.catalog import DataSet
from envs.fitted.scales import even_out
from experiments.pipeline.settings import PipelineSettings

Ints = npt.NDArray[np.int64]
LIKED = 0.75
"""How far up the scale a rating is a like: 4 stars of 0.5 to 5 or of 1 to 5."""


def load_dataset(settings: PipelineSettings) -> DataSet:
    """Return the data set, its items numbered by the hash of their ids and its ratings on an even scale.

    Ties of scores are broken by that number. The order of a file often tells how old or how popular an item is, so
    that a rung which knows nothing would be credited with it.

    Raises:
        UsageError: a file is missing or malformed, or there are too few items.
        Failure: a file cannot be read.
    """
    if settings.data is None:
        from envs.movielens import load_movielens

        dataset = load_movielens()
    else:
        from envs.folder import load_folder

        dataset = load_folder(settings.data, settings.fields)
    return even_out(numbered_by_hash(dataset))


def numbered_by_hash(dataset: DataSet) -> DataSet:
    """Return the same data set with its items in the order of the hashes of their ids."""
    order = np.argsort(item_hashes(dataset.catalog.item_ids), kind="stable")
    number_of_N = np.empty(len(order), dtype=np.int64)
    number_of_N[order] = np.arange(len(order))
    ratings = replace(dataset.ratings, items=number_of_N[dataset.ratings.items])
    return replace(dataset, catalog=dataset.catalog.take(order), ratings=ratings)


def item_hashes(item_ids: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each item id, float64 (N,): its SHA-256, the same on every machine."""
    digests = b"".join(hashlib.sha256(item_id.encode()).digest()[:8] for item_id in item_ids)
    return np.frombuffer(digests, dtype=">u8").astype(np.float64) / 2.0**64


def least_like(dataset: DataSet, asked: float | None) -> float:
    """Return the least rating of the data set that is a like.

    Raises:
        UsageError: no rating is one.
    """
    low, high = dataset.star_range
    least = low + LIKED * (high - low) if asked is None else asked
    most = dataset.ratings.stars.max(initial=-np.inf)
    if most < least:
        raise UsageError(
            f"no rating of {dataset.name} is a like: the highest is {most:g} and a like begins at {least:g}; "
            "lower --liked"
        )
    stars = dataset.ratings.stars
    return float(stars[stars >= least].min())
