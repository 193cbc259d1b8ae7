"""Traces of a session: by hand, by name, and as the documentation of an observation says."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

import envs
from encoders.errors import UsageError
from envs.traces import Trace, Traces

CPU = torch.device("cpu")
WITH_TRACES = [env_id for env_id in envs.ENVIRONMENTS if hasattr(envs.simulator_class(env_id), "TRACES")]


def test_a_trace_keeps_a_share_and_gains_from_its_event() -> None:
    traces = Traces([Trace("steps", 1.0, 0.02), Trace("recent", 0.5, 0.5, of="clicks"), Trace("last", 0.0, 1.0)], CPU)
    values = traces.empty(2)
    for clicks in (torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])):
        values = traces.after(values, {"last": 3 * clicks, "clicks": clicks, "steps": torch.ones(2)})
    torch.testing.assert_close(values, torch.tensor([[0.04, 0.25, 0.0], [0.04, 0.5, 3.0]]))
    assert traces.names == ("steps", "recent", "last")


@pytest.mark.parametrize("events", [["clicks"], ["clicks", "stars", "minutes"]])
def test_a_step_brings_what_the_traces_follow_and_nothing_else(events: list[str]) -> None:
    traces = Traces([Trace("clicks", 0.8, 0.2), Trace("stars", 0.8, 0.2)], CPU)
    with pytest.raises(UsageError, match=r"follow \['clicks', 'stars'\], but a step brought"):
        traces.after(traces.empty(1), {name: torch.ones(1) for name in events})


def test_two_traces_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two traces have one name"):
        Traces([Trace("clicks", 0.8, 0.2), Trace("clicks", 0.95, 0.05)], CPU)


@pytest.mark.parametrize("env_id", [env_id for env_id in WITH_TRACES if "Myopic" not in env_id])
def test_the_documented_observation_names_every_trace_in_order(env_id: str) -> None:
    cls = envs.simulator_class(env_id)
    while "As `" in _observation(cls):
        cls = cls.__mro__[1]
    text, at = _observation(cls), 0
    for trace in cls.TRACES:
        at = text.find(f"``{trace.name}``", at) + 1
        assert at, f"{trace.name} is missing, or out of order"
        if 0 < trace.keep < 1:
            assert re.search(rf"\b{trace.keep}\b", text[at : at + 60]), f"{trace.name} keeps {trace.keep}"


def _observation(cls: type[Any]) -> str:
    found = re.search(r"\n    Observation[^\n]*:\n(.*?)\n\n", cls.__doc__ or "", re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.mark.parametrize("env_id", WITH_TRACES)
def test_a_session_begins_with_empty_traces(env_id: str, kernel: Callable[[str], Any]) -> None:
    simulator, generator = kernel(envs.ENVIRONMENTS[env_id]), torch.Generator().manual_seed(0)
    state = simulator.start(simulator.sample_users(2, "train", generator), simulator.start_noise(2, generator))
    values = state["progress"] if "progress" in state else state["traces"]
    assert values.shape == (2, len(simulator.TRACES))
    assert not values.any()
