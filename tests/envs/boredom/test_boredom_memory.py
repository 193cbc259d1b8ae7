"""What users of Boredom-v0 remember of their clicks, by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from envs.boredom.memory import ClickMemory
from envs.boredom.settings import BoredomSettings


def clicked(memory: ClickMemory, state: dict[str, Tensor], clicks: list[int], topics: list[int]) -> dict[str, Tensor]:
    """Return the memory after one slate."""
    click_BK = torch.tensor([clicks], dtype=torch.float32)
    return memory.after(state, click_BK, click_BK.cumsum(dim=1), torch.tensor([topics]))


@pytest.fixture
def three() -> ClickMemory:
    """Users who remember three clicks, for two steps, with slates of four."""
    settings = BoredomSettings(boredom_memory=3, boredom_window=2, slate_size=4, num_topics=5, user_topics=(1, 2))
    return ClickMemory(settings, torch.device("cpu"))


def test_nothing_is_remembered_at_first(three: ClickMemory) -> None:
    assert three.counted(three.empty(2)).tolist() == [[0] * 5] * 2


def test_clicks_are_remembered_from_the_bottom_of_the_slate_for_two_steps(three: ClickMemory) -> None:
    state = clicked(three, three.empty(1), [1, 0, 1, 0], [4, 3, 2, 1])
    assert state["recent_topics"][0, :2].tolist() == [2, 4]
    assert state["recent_ages"][0, :2].tolist() == [0, 0]
    assert three.counted(state).tolist() == [[0, 0, 1, 0, 1]]
    state = clicked(three, state, [0, 0, 0, 1], [0, 0, 0, 1])
    assert state["recent_topics"][0, :3].tolist() == [1, 2, 4]
    assert state["recent_ages"][0, :3].tolist() == [0, 1, 1]
    assert three.counted(state).tolist() == [[0, 1, 1, 0, 1]]
    state = clicked(three, state, [0, 0, 0, 0], [0, 0, 0, 0])
    assert three.counted(state).tolist() == [[0, 1, 0, 0, 0]]


def test_of_more_clicks_than_are_remembered_the_highest_are_forgotten(three: ClickMemory) -> None:
    state = clicked(three, three.empty(1), [1, 1, 1, 1], [4, 3, 2, 1])
    assert state["recent_topics"][0, :3].tolist() == [1, 2, 3]
    assert three.counted(state).tolist() == [[0, 1, 1, 1, 0]]
    state = clicked(three, state, [1, 0, 1, 0], [0, 0, 2, 0])
    assert state["recent_topics"][0, :3].tolist() == [2, 0, 1]
    assert three.counted(state).tolist() == [[1, 1, 1, 0, 0]]


def test_users_are_counted_as_bored_however_many_topics_bore_them(kernel: Callable[[str], Any]) -> None:
    simulator, generator = kernel("envs.boredom.simulator:Boredom"), torch.Generator().manual_seed(0)
    state = simulator.start(simulator.sample_users(3, "train", generator), {})
    boredom_BD = torch.zeros(3, 10)
    boredom_BD[1, 4], boredom_BD[2, :2] = 1, 5
    slate_BK = torch.arange(10).expand(3, -1)
    _, outcome = simulator.step(state | {"boredom": boredom_BD}, slate_BK, simulator.step_noise(3, generator))
    assert outcome.metrics["bored"].tolist() == [0, 1, 1]
