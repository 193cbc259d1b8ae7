"""What is learnt from and what is judged by."""

from pathlib import Path

import numpy as np
import pytest
from toy_ratings import write_toy

from envs.catalog import Ratings
from envs.folder import load_folder
from experiments.pipeline.id_rungs import Constant
from experiments.pipeline.loading import item_hashes, load_dataset, numbered_by_hash
from experiments.pipeline.ranking import rank
from experiments.pipeline.settings import PipelineSettings
from experiments.pipeline.split import newest_first, newest_share
from experiments.pipeline.task import Task, make_tasks


def ratings() -> Ratings:
    # User 0: times 5, 1, 5, 3 for items 0, 1, 2, 3; user 1: one rating.
    return Ratings(
        users=np.array([0, 0, 1, 0, 0]),
        items=np.array([0, 1, 9, 2, 3]),
        stars=np.ones(5, dtype=np.float32),
        timestamps=np.array([5, 1, 7, 5, 3]),
        user_ids=("a", "b", "c"),
    )


def test_the_newest_share_is_rounded_up_and_ties_go_by_the_row() -> None:
    everything = np.ones(5, dtype=bool)
    assert newest_share(ratings(), everything, 0.2).tolist() == [False, False, True, True, False]
    assert newest_share(ratings(), everything, 0.3).tolist() == [True, False, True, True, False]


def test_only_what_is_looked_at_counts() -> None:
    among = np.array([True, True, False, False, True])
    assert newest_share(ratings(), among, 0.2).tolist() == [True, False, False, False, False]


def test_items_stand_newest_first() -> None:
    assert newest_first(ratings(), np.ones(5, dtype=bool)).tolist() == [[2, 0, 3, 1], [9, -1, -1, -1], [-1] * 4]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Task]:
    dataset = numbered_by_hash(load_folder(write_toy(tmp_path_factory.mktemp("toy") / "toy")))
    return make_tasks(dataset, np.eye(len(dataset.catalog), dtype=np.float32), PipelineSettings())


def test_nothing_of_a_cold_item_may_be_learnt(tasks: dict[str, Task]) -> None:
    for cold in (tasks["cold"], tasks["cold"].inner):
        assert cold is not None
        assert 5 < cold.ranked.sum() < 60
        held = np.flatnonzero(cold.ranked)
        assert cold.likes[:, held].nnz == 0
        assert not np.isin(cold.liked, held).any()
        assert not np.isin(cold.disliked, held).any()
        assert cold.relevant[:, np.flatnonzero(~cold.ranked)].nnz == 0


def test_the_inner_task_knows_nothing_of_the_test(tasks: dict[str, Task]) -> None:
    for task in tasks.values():
        assert task.inner is not None
        assert (task.inner.relevant - task.inner.relevant.multiply(task.likes)).nnz == 0
        assert task.inner.relevant.multiply(task.relevant).nnz == 0
        assert (task.inner.likes - task.inner.likes.multiply(task.likes)).nnz == 0


def test_what_was_seen_is_never_relevant(tasks: dict[str, Task]) -> None:
    for task in tasks.values():
        assert task.seen.multiply(task.relevant).nnz == 0
        assert task.seen.multiply(task.likes).nnz == task.likes.nnz


def test_the_order_of_the_catalogue_says_nothing(tmp_path: Path) -> None:
    dataset = load_folder(write_toy(tmp_path / "toy"))
    turned = load_dataset(PipelineSettings(data=tmp_path / "toy"))
    hashes = item_hashes(turned.catalog.item_ids)
    assert (np.diff(hashes) > 0).all()
    ids, old = np.array(turned.catalog.item_ids), np.array(dataset.catalog.item_ids)
    assert (ids[turned.ratings.items] == old[dataset.ratings.items]).all()
    assert abs((hashes < 0.15).mean() - 0.15) < 0.1


def test_a_ranking_leaves_out_what_was_seen_and_breaks_ties_by_number(tasks: dict[str, Task]) -> None:
    for task in tasks.values():
        top_TK = rank(Constant(np.zeros(len(task.texts), dtype=np.float32)), task)
        for user, row in zip(task.users, top_TK, strict=True):
            left = np.flatnonzero(task.ranked & (task.seen[user].toarray()[0] == 0))
            assert row[row >= 0].tolist() == left[:100].tolist()
