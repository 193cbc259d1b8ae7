"""Which rungs there are, from the ground up."""

from collections.abc import Sequence

from encoders.registry import unknown_name
from experiments.pipeline.hybrid import hybrid_rung
from experiments.pipeline.id_rungs import ID_RUNGS
from experiments.pipeline.rung import Rung
from experiments.pipeline.text_rungs import TEXT_RUNGS

_BELOW = {rung.name: rung for rung in (*ID_RUNGS, *TEXT_RUNGS)}
_ORDER = ("random", "popularity", "item_knn", "bm25", "ease", "frozen", "centred", "whitened", "whitened_popularity")
_TEXTS = tuple(name for name in _ORDER if name not in ("random", "popularity", "item_knn", "ease"))
LADDER = {name: _BELOW[name] for name in _ORDER} | {"hybrid": hybrid_rung(_TEXTS)}
"""Name to rung, in the order in which they are climbed and shown."""
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
