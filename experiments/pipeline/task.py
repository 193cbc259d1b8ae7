"""What a rung may learn from, and what it is judged by: the warm and the cold task, each with an inner one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from encoders.errors import UsageError
from envs.catalog import DataSet
from experiments.pipeline.loading import item_hashes, least_like
from experiments.pipeline.settings import PipelineSettings
from experiments.pipeline.split import Ints, Mask, newest_first, newest_share, pairs

SCENARIOS = ("warm", "cold")


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """Users with what they did before, and what they liked afterwards among the items that are ranked.

    U users, N items, D components of a text vector.
    """

    scenario: str
    """warm: all items are ranked; cold: items that nothing was learnt of."""
    texts: tuple[str, ...]
    """What each item's text says (N)."""
    vectors: npt.NDArray[np.float32]
    """The frozen text vectors, unit rows."""
    likes: Any
    """What users liked before, sparse ones float32 (U, N); the column of an item held out is empty."""
    liked: Ints
    """The same, newest first, -1 where there are no more."""
    disliked: Ints
    """What they rated before and did not like, in the same form."""
    known: Mask
    """Items that may be learnt of; False for those held out."""
    ranked: Mask
    """Items that are ranked."""
    seen: Any
    """What users rated before, held out or not: it is not ranked for them. Sparse ones (U, N)."""
    relevant: Any
    """What they liked afterwards among the items that are ranked, sparse ones (U, N)."""
    inner: "Task | None"
    """The same task within what may be learnt from: everything that is chosen is chosen on it."""

    @property
    def users(self) -> Ints:
        """Users with something relevant to find, int64 (T,)."""
        return np.flatnonzero(np.diff(self.relevant.indptr)).astype(np.int64)

    @property
    def popularity(self) -> npt.NDArray[np.float32]:
        """Users who liked each item before, float32 (N,)."""
        return np.asarray(self.likes.sum(axis=0), dtype=np.float32).ravel()


def make_tasks(dataset: DataSet, vectors_ND: npt.NDArray[np.float32], settings: PipelineSettings) -> dict[str, Task]:
    """Return the warm task and, unless no item is held out, the cold one.

    Raises:
        UsageError: the data set is too small for one of them.
    """
    maker = _Maker(dataset, vectors_ND, settings)
    tasks = {"warm": maker.make("warm", np.ones(len(dataset.ratings), dtype=np.bool_), 0)}
    if settings.cold_share > 0:
        tasks["cold"] = maker.make("cold", np.ones(len(dataset.ratings), dtype=np.bool_), 0)
    return tasks


class _Maker:
    """Makes tasks of one data set."""

    def __init__(self, dataset: DataSet, vectors_ND: npt.NDArray[np.float32], settings: PipelineSettings) -> None:
        self.dataset, self.vectors_ND, self.settings = dataset, vectors_ND, settings
        self.hashes_N = item_hashes(dataset.catalog.item_ids)
        self.likes_R = dataset.ratings.stars >= least_like(dataset, settings.liked)

    def make(self, scenario: str, among_R: Mask, depth: int) -> Task:
        """Return the task on some of the ratings; the inner one, at depth 1, holds other items out."""
        ratings, num_items = self.dataset.ratings, len(self.dataset.catalog)
        later_R = newest_share(ratings, among_R, self.settings.test_share)
        before_R = among_R & ~later_R
        known_N, ranked_N = np.ones(num_items, dtype=np.bool_), np.ones(num_items, dtype=np.bool_)
        if scenario == "cold":
            share = self.settings.cold_share
            known_N = self.hashes_N >= (depth + 1) * share
            ranked_N = ~known_N & (self.hashes_N >= depth * share)
        learnt_R = before_R & known_N[ratings.items]
        likes_UN = pairs(ratings, learnt_R & self.likes_R, num_items)
        relevant_UN = pairs(ratings, later_R & self.likes_R & ranked_N[ratings.items], num_items)
        self._check(scenario, likes_UN, relevant_UN)
        return Task(
            scenario=scenario,
            texts=self.dataset.catalog.texts,
            vectors=self.vectors_ND,
            likes=likes_UN,
            liked=newest_first(ratings, learnt_R & self.likes_R),
            disliked=newest_first(ratings, learnt_R & ~self.likes_R),
            known=known_N,
            ranked=ranked_N,
            seen=pairs(ratings, before_R, num_items),
            relevant=relevant_UN,
            inner=None if depth else self.make(scenario, learnt_R, 1),
        )

    def _check(self, scenario: str, likes_UN: Any, relevant_UN: Any) -> None:
        name = self.dataset.name
        if np.diff(likes_UN.indptr).max(initial=0) < 2:
            raise UsageError(
                f"no user of {name} likes two items in what may be learnt from, so nothing tells what goes together; "
                "bring more ratings a user, or lower --liked"
            )
        if relevant_UN.nnz == 0 and scenario == "warm":
            raise UsageError(
                f"no user of {name} likes an item among their newest ratings, so there is nothing to judge by; bring "
                "more ratings a user, or lower --liked"
            )
        if relevant_UN.nnz == 0:
            raise UsageError(
                f"no user of {name} likes a cold item among their newest ratings; raise --cold-share, bring more "
                "ratings, or leave the cold ladder out with --cold-share 0"
            )
