"""Which rungs there are, from the ground up."""

from collections.abc import Sequence

from encoders.registry import unknown_name
from experiments.pipeline.hybrid import hybrid_rung
from experiments.pipeline.id_rungs import ID_RUNGS
from experiments.pipeline.rung import Rung
from experiments.pipeline.text_rungs import TEXT_RUNGS
from experiments.pipeline.tuned_rungs import TUNED, TUNED_RUNGS

_BELOW = {rung.name: rung for rung in (*ID_RUNGS, *TEXT_RUNGS, *TUNED_RUNGS)}
_ORDER = (
    *("random", "popularity", "item_knn", "bm25", "ease", "frozen", "centred", "whitened", "whitened_popularity"),
    *(rung.name for rung in TUNED_RUNGS),
)
_BESIDE_EASE = ("bm25", "centred", "whitened", *(name for name in _ORDER if name in TUNED))
LADDER = {name: _BELOW[name] for name in _ORDER} | {"hybrid": hybrid_rung(_BESIDE_EASE)}
"""Name to rung, in the order in which they are climbed and shown."""
RETRIEVERS = tuple(name for name in _ORDER if name not in ("random", "popularity", "item_knn", "bm25", "ease"))
"""Rungs that rank by the cosine of one vector an item, made of its text, and one a user."""
BASELINES = ("popularity", "item_knn", "ease")
"""Rungs that all others are compared with, user by user."""


def rungs_asked(names: Sequence[str]) -> list[Rung]:
    """Return the rungs of some names with those that they need, in the ladder's order; all without names.

    Raises:
        UsageError: there is no such rung.
    """
    wanted: set[str] = set()
    waiting = list(names or LADDER)
    while waiting:
        name = waiting.pop()
        if name not in LADDER:
            raise unknown_name("rung", name, LADDER)
        if name not in wanted:
            wanted.add(name)
            waiting += LADDER[name].needs
    return [rung for name, rung in LADDER.items() if name in wanted]
