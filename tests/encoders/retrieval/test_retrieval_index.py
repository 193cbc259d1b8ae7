"""Indices keep one protocol; the exact one equals brute force, FAISS flat equals the exact one."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders import Failure, UsageError
from encoders.retrieval.ann import FaissIndex, FaissSettings
from encoders.retrieval.exact import ExactIndex
from encoders.retrieval.opening import load_index
from encoders.retrieval.protocol import Index
from encoders.retrieval.storing import CONTENT, HEADER

KINDS = ("exact", "flat", "ivf", "hnsw")


def made(kind: str, vectors: np.ndarray, ids: Any = None) -> Index:
    if kind == "exact":
        return ExactIndex(vectors, ids)
    pytest.importorskip("faiss")
    # As many probes as lists, and as long a walk as there are items, look everywhere.
    return FaissIndex(vectors, ids, FaissSettings(kind=kind, lists=4, probes=4, search_effort=400))  # type: ignore[arg-type]


def brute(units: np.ndarray, ids: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    scores = queries.astype(np.float64) @ units.astype(np.float64).T
    order = np.lexsort((np.broadcast_to(ids, scores.shape), -scores), axis=1)
    return ids[order[:, :k]]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(1, 60), share=st.floats(0, 1))
def test_the_exact_ids_are_those_of_brute_force_with_ties_by_id(seed: int, number: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    # Rows of ±1 in four dimensions: unit vectors to the bit, many of them equal, many cosines tied.
    units = rng.choice([-0.5, 0.5], size=(number, 4)).astype(np.float32)
    ids = rng.permutation(10 * number)[:number]
    queries = rng.choice([-0.5, 0.5], size=(5, 4)).astype(np.float32)
    index = ExactIndex(units, ids)
    np.testing.assert_array_equal(index.search(queries, number)[0], brute(units, ids, queries, number))
    allowed = ids[rng.random(number) < share]
    found, scores = index.search(queries, number, allowed=allowed)
    inside = np.isin(ids, allowed)
    np.testing.assert_array_equal(found[:, : len(allowed)], brute(units[inside], ids[inside], queries, number))
    assert (found[:, len(allowed) :] == -1).all()
    assert np.isneginf(scores[:, len(allowed) :]).all()


@pytest.fixture
def catalogue() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(200, 8)).astype(np.float32), rng.permutation(1000)[:200], rng.normal(size=(6, 8))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_the_protocol_and_finds_what_is_nearest(kind: str, catalogue: Any) -> None:
    vectors, ids, queries = catalogue
    index, exact = made(kind, vectors, ids), ExactIndex(vectors, ids)
    assert isinstance(index, Index)
    assert len(index) == 200
    np.testing.assert_array_equal(index.ids, np.sort(ids))
    expected, cosines = exact.search(queries, 12)
    found, scores = index.search(queries, 12)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(scores, cosines, atol=1e-5)
    assert (found.dtype, scores.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_filters_hold_alone_and_together_as_ids_and_as_masks(kind: str, catalogue: Any) -> None:
    vectors, ids, queries = catalogue
    index = made(kind, vectors, ids)
    every = index.search(queries, 200)[0]
    allowed, exclude = np.sort(ids)[::2], every[:, :3]
    padded = np.concatenate([exclude, np.full((6, 1), -1)], axis=1)
    expected = np.array([[item for item in row[3:] if item in allowed][:20] for row in every])
    masks = (np.isin(index.ids, allowed), (index.ids[None, :, None] == exclude[:, None, :]).any(axis=2))
    for here, gone in ((allowed, padded), (masks[0], masks[1])):
        np.testing.assert_array_equal(index.search(queries, 20, gone, here)[0], expected)
    found, scores = index.search(queries, 5, allowed=[])
    assert (found == -1).all()
    assert np.isneginf(scores).all()
    almost_all = np.ones((6, 200), dtype=bool)
    almost_all[:, 7] = False
    assert index.search(queries, 2, almost_all)[0].tolist() == [[index.ids[7], -1]] * 6


@pytest.mark.parametrize("kind", KINDS)
def test_items_come_and_go(kind: str, catalogue: Any) -> None:
    vectors, ids, queries = catalogue
    index = made(kind, vectors[:150], ids[:150])
    index.add(ids[150:], vectors[150:])
    index.remove(ids[20:60])
    kept = np.r_[0:20, 60:200]
    expected = ExactIndex(vectors[kept], ids[kept])
    np.testing.assert_array_equal(index.ids, expected.ids)
    np.testing.assert_array_equal(index.search(queries, 10)[0], expected.search(queries, 10)[0])
    index.add(ids[20:21], vectors[20:21])
    assert index.search(vectors[20:21], 1)[0].tolist() == [[ids[20]]]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_loaded_finds_what_was_saved(kind: str, catalogue: Any, tmp_path: Path) -> None:
    vectors, ids, queries = catalogue
    index = made(kind, vectors, ids)
    index.save(tmp_path)
    loaded = load_index(tmp_path)
    assert type(loaded) is type(index)
    np.testing.assert_array_equal(loaded.ids, index.ids)
    for one, other in zip(loaded.search(queries, 9), index.search(queries, 9), strict=True):
        np.testing.assert_array_equal(one, other)
    loaded.remove(ids[:5])
    assert len(loaded) == 195


@pytest.mark.parametrize("kind", ["exact", "flat"])
def test_a_damaged_index_is_told(kind: str, catalogue: Any, tmp_path: Path) -> None:
    made(kind, *catalogue[:2]).save(tmp_path)
    content = bytearray((tmp_path / CONTENT).read_bytes())
    content[-1] ^= 1
    (tmp_path / CONTENT).write_bytes(content)
    with pytest.raises(Failure, match="not as it was written"):
        load_index(tmp_path)
    (tmp_path / HEADER).write_text("{")
    with pytest.raises(Failure, match="cannot be read"):
        load_index(tmp_path)
    (tmp_path / HEADER).unlink()
    with pytest.raises(UsageError, match="holds no index"):
        load_index(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda index: index.search(np.ones((2, 5)), 1), r"this index wants \(n, 8\)"),
        (lambda index: index.search(np.full((2, 8), np.nan), 1), "row 0 is not finite"),
        (lambda index: index.search(np.ones((2, 8)), 201), "from 1 to the number of items, 200"),
        (lambda index: index.search(np.ones((2, 8)), 1, np.full((2, 1), 5000)), "item 5000 is not in the index"),
        (lambda index: index.search(np.ones((2, 8)), 1, allowed=np.ones(3, dtype=bool)), "in the order of ids"),
        (lambda index: index.search(np.ones((2, 8)), 1, np.zeros((1, 1), dtype=int)), "exclude has shape"),
        (lambda index: index.add([5000, 5000], np.ones((2, 8))), "5000 more than once"),
        (lambda index: index.add([index.ids[0]], np.ones((1, 8))), "in the index already"),
        (lambda index: index.add([-2], np.ones((1, 8))), "ids are 0 or more"),
        (lambda index: index.add([5000], np.zeros((1, 8))), "item 5000 is zero"),
        (lambda index: index.add([5000], np.ones((2, 8))), "1 ids and 2 vectors"),
        (lambda index: index.remove([5000]), "item 5000 is not in the index"),
        (lambda index: index.remove(index.ids), "no item would be left"),
    ],
)
def test_bad_input_is_told_in_a_sentence(kind: str, ask: Any, said: str, catalogue: Any) -> None:
    with pytest.raises(UsageError, match=said):
        ask(made(kind, *catalogue[:2]))


def test_without_faiss_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UsageError, match=r'pip install "slatelab\[ann\]"'):
        FaissIndex(np.eye(3))


def test_settings_that_build_no_index_are_refused() -> None:
    for wrong, said in (
        ({"kind": "lsh"}, "known: flat, ivf, hnsw"),
        ({"probes": 0}, "1 or more"),
        ({"lists": -1}, "0 or more"),
    ):
        with pytest.raises(UsageError, match=said):
            FaissSettings(**wrong)  # type: ignore[arg-type]


def test_the_header_says_what_is_saved(catalogue: Any, tmp_path: Path) -> None:
    ExactIndex(catalogue[0]).save(tmp_path)
    assert json.loads((tmp_path / HEADER).read_text())["kind"] == "exact"
