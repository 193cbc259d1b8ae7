"""CosineIndex equals a brute force in numpy, with exclusions and ties."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from encoders import CosineIndex, UsageError, devices
from encoders import index as index_module
from encoders.index import top_k


def brute(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Sort each row by (score down, id up) and mark what is excluded."""
    ids = np.lexsort((np.broadcast_to(np.arange(scores.shape[1]), scores.shape), -scores), axis=1)[:, :k]
    best = np.take_along_axis(scores, ids, axis=1)
    return np.where(np.isneginf(best), -1, ids), best


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("k", [1, 5, 40])
@pytest.mark.parametrize("exclude", ["none", "mask", "ids"])
@pytest.mark.parametrize("at_once", [2**24, 90])
def test_search_equals_brute_force(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, k: int, exclude: str, at_once: int
) -> None:
    monkeypatch.setattr(index_module, "SCORES_AT_ONCE", at_once)
    items = rng.normal(size=(40, 6)).astype(np.float32)
    queries = rng.normal(size=(9, 6)).astype(np.float32) * 3
    mask = rng.random((9, 40)) < 0.3
    mask[0], mask[1] = True, False
    padded = np.full((9, 41), -1, dtype=np.int64)
    for row in range(9):
        padded[row, : mask[row].sum()] = np.flatnonzero(mask[row])
        rng.shuffle(padded[row])
    given = {"none": None, "mask": mask, "ids": padded}[exclude]
    scores = unit(queries) @ unit(items).T
    if given is not None:
        scores[mask] = -np.inf
    expected_ids, expected_scores = brute(scores, k)
    ids, found = CosineIndex(items).search(queries, k, given)
    assert ids.dtype == np.int64
    assert found.dtype == np.float32
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(found, expected_scores, atol=1e-6)


def test_equal_scores_come_by_lower_id_wherever_the_cut_falls(rng: np.random.Generator) -> None:
    scores = rng.integers(-2, 3, size=(200, 50)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.4] = -np.inf
    scores[0] = 0.0
    scores[1, ::2] = -0.0
    scores[2, 3:] = -np.inf
    for k in (1, 2, 7, 49, 50):
        ids, found = top_k(torch.from_numpy(scores.copy()), k)
        expected_ids, expected_scores = brute(scores, k)
        np.testing.assert_array_equal(ids.numpy(), expected_ids)
        np.testing.assert_array_equal(found.numpy(), expected_scores)


def test_duplicate_items_come_in_order_of_id() -> None:
    items = np.tile(np.eye(4, dtype=np.float32), (20, 1))
    ids, _ = CosineIndex(items).search(np.eye(4, dtype=np.float32), 6)
    np.testing.assert_array_equal(ids, [[row + 4 * i for i in range(6)] for row in range(4)])


@pytest.fixture(params=["host", "lockstep"])
def _looks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank as on a CPU, and as where the host must not wait."""
    if request.param == "lockstep":
        monkeypatch.setattr(devices, "may_look", lambda device: False)


@pytest.mark.usefixtures("_looks")
@pytest.mark.parametrize(("kinds", "width"), [(14, 16), (14, 384), (3, 5)])
def test_equal_vectors_come_in_order_of_id_for_one_query_and_for_many(kinds: int, width: int) -> None:
    generator = torch.Generator().manual_seed(0)
    kind_N = torch.randint(kinds, (41,), generator=generator)
    index = CosineIndex(torch.randn(kinds, width, generator=generator)[kind_N])
    for queries in (*torch.randn(40, 1, width, generator=generator), torch.randn(40, width, generator=generator)):
        ids, scores = index.search(queries, 9)
        equal = kind_N[ids[:, 1:]] == kind_N[ids[:, :-1]]
        assert equal.any()
        assert (ids[:, 1:] > ids[:, :-1])[equal].all()
        assert (scores[:, 1:] == scores[:, :-1])[equal].all()


@pytest.mark.usefixtures("_looks")
@pytest.mark.parametrize("exclude", [False, True])
def test_a_query_ranks_near_ties_alone_as_among_others(exclude: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    near = torch.randn(15, 64, generator=generator).repeat(8, 1) + 3e-7 * torch.randn(120, 64, generator=generator)
    index, queries = CosineIndex(near), torch.randn(60, 64, generator=generator)
    mask = (torch.rand(60, 120, generator=generator) < 0.3) if exclude else None
    exact = (normalize(queries, dim=1).double() @ index.vectors.double().T).float()
    if mask is not None:
        exact[mask] = -torch.inf
    for k in (1, 10, 120):
        ids, _ = index.search(queries, k, mask)
        np.testing.assert_array_equal(ids.numpy(), brute(exact.numpy(), k)[0])
        for row in range(60):
            one = slice(row, row + 1)
            alone, _ = index.search(queries[one], k, None if mask is None else mask[one])
            assert torch.equal(alone[0], ids[row])


def test_where_too_few_are_left_the_rest_is_minus_one() -> None:
    index = CosineIndex(np.eye(3, dtype=np.float32))
    ids, scores = index.search(np.eye(3, dtype=np.float32)[:1], 3, np.array([[0, 2, -1, 0]]))
    np.testing.assert_array_equal(ids, [[1, -1, -1]])
    np.testing.assert_array_equal(scores, [[0.0, -np.inf, -np.inf]])


def test_torch_in_is_torch_out_and_nothing_given_is_changed() -> None:
    items, queries = torch.randn(30, 4), torch.randn(5, 4)
    mask = torch.rand(5, 30) < 0.5
    copies = [items.clone(), queries.clone(), mask.clone()]
    ids, scores = CosineIndex(items, "cpu").search(queries, 3, mask)
    assert isinstance(ids, torch.Tensor)
    assert isinstance(scores, torch.Tensor)
    for given, copy in zip((items, queries, mask), copies, strict=True):
        assert torch.equal(given, copy)


def test_rows_are_unit_and_a_batch_row_equals_the_row_alone() -> None:
    index = CosineIndex(torch.randn(300, 16) * 5)
    torch.testing.assert_close(index.vectors.norm(dim=1), torch.ones(300))
    assert len(index) == 300
    queries = torch.randn(64, 16)
    ids, scores = index.search(queries, 10)
    for row in (0, 31, 63):
        alone_ids, alone_scores = index.search(queries[row : row + 1], 10)
        assert torch.equal(alone_ids[0], ids[row])
        torch.testing.assert_close(alone_scores[0], scores[row], atol=1e-5, rtol=0)


def test_a_zero_query_is_zero_from_everything_and_no_queries_give_no_rows() -> None:
    index = CosineIndex(np.eye(3, dtype=np.float32))
    ids, scores = index.search(np.zeros((1, 3), dtype=np.float32), 2)
    np.testing.assert_array_equal(ids, [[0, 1]])
    np.testing.assert_array_equal(scores, [[0.0, 0.0]])
    ids, scores = index.search(np.zeros((0, 3), dtype=np.float32), 2, np.zeros((0, 3), dtype=bool))
    assert ids.shape == scores.shape == (0, 2)


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        (np.ones(3), "wants vectors"),
        (np.ones((0, 3)), "wants vectors"),
        (np.array([[1.0, 0.0], [0.0, 0.0]]), "item 1 is zero"),
        (np.array([[np.nan, 0.0], [1.0, 0.0]]), "item 0 is zero or not finite"),
    ],
)
def test_items_are_checked_at_construction(items: np.ndarray, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        CosineIndex(items)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"k": 0}, "k is 0"),
        ({"k": 5}, "number of items, 4"),
        ({"k": 2.0}, "k is 2.0"),
        ({"k": True}, "k is True"),
        ({"k": "2"}, "k is '2'"),
        ({"queries": [["a", "b"]]}, "the queries cannot be taken for an array of numbers"),
        ({"queries": np.ones((2, 2)) * 1j}, "the queries are complex numbers"),
        ({"exclude": "all"}, "exclude cannot be taken for an array of numbers"),
        ({"queries": np.ones((2, 3))}, r"this index wants \(B, 2\)"),
        ({"queries": np.ones(2)}, r"this index wants \(B, 2\)"),
        ({"queries": np.array([[1.0, 1.0], [np.nan, 1.0]])}, "query 1 is not finite"),
        ({"exclude": np.zeros((2, 5), dtype=bool)}, r"exclude has shape \(2, 5\)"),
        ({"exclude": np.zeros((3, 1), dtype=np.int64)}, r"exclude has shape \(3, 1\)"),
        ({"exclude": np.array([[4], [0]])}, "items are 0 to 3"),
        ({"exclude": np.array([[-2], [0]])}, "ids from -2 to 0"),
        ({"exclude": np.zeros((2, 4))}, "must be bool or integer"),
    ],
)
def test_a_search_is_checked(changes: dict[str, object], sentence: str) -> None:
    arguments: dict[str, object] = {"queries": np.ones((2, 2)), "k": 2, "exclude": None, **changes}
    with pytest.raises(UsageError, match=sentence):
        CosineIndex(np.ones((4, 2))).search(**arguments)  # type: ignore[call-overload]


def test_every_order_of_a_small_set_is_ranked_alike() -> None:
    for row in itertools.permutations([0.5, 0.5, 0.25, -1.0]):
        scores = np.array([row], dtype=np.float32)
        np.testing.assert_array_equal(top_k(torch.from_numpy(scores), 2)[0].numpy(), brute(scores, 2)[0])
