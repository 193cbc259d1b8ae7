"""Whatever array comes in becomes a tensor of the same numbers."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from encoders import CosineIndex
from encoders.arrays import as_tensor
from encoders.errors import UsageError

Array = np.ndarray[Any, Any]


def read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


KINDS: dict[str, Callable[[Array], Array]] = {
    "reversed": lambda array: np.ascontiguousarray(array[::-1])[::-1],
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "read-only": read_only,
    "strided": lambda array: np.repeat(array, 2, axis=0)[::2],
    "broadcast": lambda array: np.broadcast_to(array, array.shape),
    "fortran": np.asfortranarray,
}


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.float32, np.float64, bool])
@pytest.mark.parametrize("kind", KINDS)
def test_an_array_of_any_kind_becomes_a_tensor_of_its_numbers(kind: str, dtype: type) -> None:
    array = KINDS[kind](np.arange(12).reshape(4, 3).astype(dtype))
    tensor = as_tensor(array)
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert tensor.numpy().dtype == np.dtype(dtype)


def test_plain_arrays_are_shared_and_read_only_ones_are_not() -> None:
    plain = np.zeros(3)
    as_tensor(plain)[0] = 1
    assert plain[0] == 1
    locked = read_only(np.zeros(3))
    as_tensor(locked)[0] = 1
    assert locked[0] == 0


def test_lists_tensors_scalars_and_what_can_become_an_array_are_taken() -> None:
    class Held:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
            return np.arange(3)[::-1]

    tensor = torch.ones(2)
    assert as_tensor(tensor) is tensor
    assert as_tensor([1, 2]).dtype == torch.int64
    assert as_tensor(Held()).tolist() == [2, 1, 0]
    assert as_tensor(np.float32(2)).item() == 2
    assert as_tensor(np.array([0.5], dtype=np.longdouble)).tolist() == [0.5]
    assert as_tensor(np.zeros((0, 2))).shape == (0, 2)


def test_what_carries_a_gradient_is_taken_without_it() -> None:
    assert not as_tensor(torch.ones(2, requires_grad=True)).requires_grad


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.eye(2).to_sparse(), "a tensor of layout torch.sparse_coo"),
        (torch.empty(2, device="meta"), "a tensor without values"),
        ([[0], [0, 1]], "expected sequence of length 1"),
        (np.array(["a"]), "numpy.str_"),
        (None, "NoneType"),
        ("text", "'str'"),
        (10**30, "int too large|Overflow"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_by_its_name(given: Any, words: str) -> None:
    with pytest.raises(UsageError, match=f"the slates cannot be taken for an array of numbers: .*({words})"):
        as_tensor(given, "the slates")


@pytest.mark.parametrize("kind", KINDS)
def test_the_index_takes_arrays_of_any_kind(kind: str) -> None:
    rng = np.random.default_rng(0)
    items, queries = rng.normal(size=(9, 4)), rng.normal(size=(5, 4)).astype(np.float32)
    mask, ids = rng.random((5, 9)) < 0.3, rng.integers(-1, 9, size=(5, 3))
    turn = KINDS[kind]
    for exclude in (None, mask, ids):
        expected = CosineIndex(items).search(queries, 4, exclude)
        found = CosineIndex(turn(items)).search(turn(queries), 4, None if exclude is None else turn(exclude))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
