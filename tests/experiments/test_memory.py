"""Memory that falls short is one sentence with the size and the setting to lower."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import toy
from command_line import SMALL, Result

from encoders import Failure
from experiments import config
from experiments.memory import enough_memory, shortage

ON_CPU = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "2400000000 bytes. Error code 12 (Cannot allocate memory)"
)
ON_CUDA = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 15.77 GiB"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError(ON_CPU), "the memory is not enough (2.235 GiB more were asked for)"),
        (torch.OutOfMemoryError(ON_CUDA), "the GPU's memory is not enough (20 GiB more were asked for)"),
        (MemoryError("Unable to allocate 74.5 GiB for an array"), "the memory is not enough (74.5 GiB more were"),
        (MemoryError(), "the memory is not enough"),
        (RuntimeError("Storage size calculation overflowed with sizes=[9]"), "the memory is not enough"),
    ],
)
def test_every_kind_of_shortage_is_known_with_its_size(error: Exception, words: str) -> None:
    assert (shortage(error) or "").startswith(words)


def test_other_errors_are_none() -> None:
    assert shortage(RuntimeError("expected scalar type Float")) is None
    with pytest.raises(RuntimeError, match="scalar type"), enough_memory(_settings()):
        raise RuntimeError("expected scalar type Float")


def test_what_torch_says_when_it_asks_for_too_much_is_known() -> None:
    with pytest.raises(Failure, match=r"the memory is not enough \(4 PiB more"), enough_memory(_settings()):
        torch.empty(2**50, dtype=torch.float32)[0] = 1


def _settings(**agent: Any) -> Any:
    tables = {"train": {"env": "toy:Toy-v0", "agent": "sb3_dqn", "num_users": 512}, "agent": agent}
    return config.resolve(tables)


def test_the_setting_most_above_its_default_is_named_first() -> None:
    large, many = _settings(buffer_size=10_000_000), _settings()
    with (
        pytest.raises(Failure, match=r"lower --agent.buffer-size \(10,000,000\) or --num-users \(512\)$"),
        enough_memory(large),
    ):
        raise MemoryError
    many = dataclasses.replace(many, train=dataclasses.replace(many.train, num_users=10_000_000))
    with pytest.raises(Failure, match=r"lower --num-users \(10,000,000\)$"), enough_memory(many):
        raise MemoryError


@pytest.mark.parametrize("moment", ["__init__", "update"])
def test_a_training_without_memory_ends_in_that_sentence(
    slatelab: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, moment: str
) -> None:
    def fail(*arguments: Any, **named: Any) -> None:
        raise RuntimeError(ON_CPU)

    monkeypatch.setattr(toy.ToyAgent, moment, fail)
    result = slatelab("train", *SMALL, "--num-users", "2000", "--out", "run")
    assert result.code == 1
    assert result.sentence == (
        "slatelab: the memory is not enough (2.235 GiB more were asked for): lower --num-users (2,000)"
    )


def test_too_many_test_users_are_named(
    slatelab: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, finished: Path
) -> None:
    def fail(*arguments: Any, **named: Any) -> None:
        raise torch.OutOfMemoryError(ON_CUDA)

    monkeypatch.setattr("experiments.evaluation.play", fail)
    result = slatelab("evaluate", finished, "--users", "3000")
    assert result.code == 1
    assert result.sentence.endswith("lower the number of test users (3,000)")
