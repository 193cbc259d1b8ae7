"""What users liked and disliked, newest first: the interactions that towers are fitted on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.errors import UsageError

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Histories:
    """Hold what each of U users liked and disliked of N items.

    Raises:
        UsageError: at construction, if a shape is wrong or an id is that of no item.
    """

    liked: Ints
    """(U, L) int64, newest first, -1 where there is no more."""
    disliked: Ints
    """(U, K) int64, in the same form; K may be 0."""
    num_items: int
    """N."""

    def __post_init__(self) -> None:
        """Refuse what cannot be right."""
        for name in ("liked", "disliked"):
            check_ids(getattr(self, name), name, self.num_items)
        if len(self.liked) != len(self.disliked):
            raise UsageError(f"liked has {len(self.liked)} users and disliked {len(self.disliked)}; give both for each")

    @property
    def popularity(self) -> Ints:
        """How many users liked each item, int64 (N,)."""
        return np.bincount(self.liked[self.liked >= 0], minlength=self.num_items)

    @property
    def met(self) -> Ints:
        """The items that somebody liked or disliked, int64, ascending: of the others nothing can be learnt."""
        both = np.concatenate([self.liked.ravel(), self.disliked.ravel()])
        return np.unique(both[both >= 0])

    @property
    def learnable(self) -> Ints:
        """The users who liked two items or more, int64, ascending: of the others none could be foretold by the rest."""
        return np.flatnonzero((self.liked >= 0).sum(axis=1) >= 2)


def check_ids(ids: Any, name: str, num_items: int) -> None:
    """Refuse what is no matrix of items' ids.

    Raises:
        UsageError: another shape or type, or an id outside [-1, N).
    """
    if not isinstance(ids, np.ndarray) or ids.ndim != 2 or ids.dtype.kind not in "iu":
        found = f"shape {ids.shape} of {ids.dtype}" if isinstance(ids, np.ndarray) else type(ids).__name__
        raise UsageError(f"{name} is {found}; give whole numbers, a row for each user, filled up with -1")
    if ids.size and (ids.min() < -1 or ids.max() >= num_items):
        raise UsageError(
            f"{name} holds ids from {ids.min()} to {ids.max()}; items are 0 to {num_items - 1}, and -1 fills up"
        )
