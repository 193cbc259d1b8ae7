"""A pickled table is read whatever version of pandas wrote it, and nothing else is read in its place."""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from encoders.errors import Failure
from envs.tables.pickled import read_pickled


class _Call:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


def _elsewhere(monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> Callable[..., object]:
    """Return a function that pickles under a name of a module, which is made for it."""

    def stands_there(*_: object) -> None:
        raise AssertionError("it was called")

    stands_there.__module__, stands_there.__qualname__ = module, name
    made = ModuleType(module)
    setattr(made, name, stands_there)
    for depth in range(1, module.count(".") + 2):
        parent = ".".join(module.split(".")[:depth])
        monkeypatch.setitem(sys.modules, parent, made if parent == module else ModuleType(parent))
    return stands_there


@pytest.mark.parametrize("internals", ["pandas._libs.internals", "pandas.core.moved.again"])
def test_a_table_is_read_wherever_pandas_keeps_its_private_names(
    internals: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {name: _elsewhere(monkeypatch, f"{internals}.{name}", name) for name in _NAMES}
    whole = _Call(named["_unpickle_block"], np.array([[1, 2], [3, 4]]), slice(0, 4, 2), 2)
    words = _Call(named["_unpickle_block"], np.array([["x", "y"]], dtype=object), np.array([1]), 2)
    labels = _Call(named["_new_Index"], named["Index"], {"data": np.array(["a", "b", "c"], dtype=object)})
    manager = _Call(
        named["BlockManager"], (whole, words), [labels, _Call(named["_new_Index"], named["RangeIndex"], {})]
    )
    content = pickle.dumps(_Frame(named["DataFrame"], manager))
    columns = read_pickled(content)
    assert {name: column.tolist() for name, column in columns.items()} == {"a": [1, 2], "b": ["x", "y"], "c": [3, 4]}


_NAMES = ("DataFrame", "BlockManager", "_unpickle_block", "_new_Index", "Index", "RangeIndex")


class _Frame:
    """Pickles as a DataFrame does: made without arguments, then given its state."""

    def __init__(self, cls: Callable[..., object], manager: object) -> None:
        self._made: tuple[Any, ...] = (cls, (), {"_mgr": manager, "attrs": {}})

    def __reduce__(self) -> tuple[Any, ...]:
        return self._made


def test_a_table_of_the_pandas_that_is_installed_is_read() -> None:
    pandas = pytest.importorskip("pandas")
    words = np.array(["one", "two"], dtype=object)
    frame = pandas.DataFrame({"number": [1.5, 2.5], "word": words, "count": [7, 8]}).astype({"word": object})
    frame.columns = pandas.Index(["number", "word", "count"], dtype=object)
    columns = read_pickled(pickle.dumps(frame))
    assert columns["number"].tolist() == [1.5, 2.5]
    assert columns["word"].tolist() == ["one", "two"]
    assert columns["count"].tolist() == [7, 8]


@pytest.mark.parametrize("function", [os.system, eval, __import__])
def test_a_pickle_that_calls_something_is_refused_and_not_run(
    function: Callable[[str], object], tmp_path: Path
) -> None:
    written = tmp_path / "written"
    argument = "os" if function is __import__ else f"touch {written}"
    with pytest.raises(Failure, match="which a table does not need"):
        read_pickled(pickle.dumps(_Call(function, argument)))
    assert not written.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [("numpy", "load"), ("pandas", "read_pickle"), ("pandas.core.frame", "DataFrame.eval"), ("panda", "DataFrame")],
)
def test_other_names_of_allowed_packages_are_refused(module: str, name: str) -> None:
    with pytest.raises(Failure, match="which a table does not need"):
        read_pickled(f"c{module}\n{name}\n.".encode())  # protocol 0: push that object, stop
