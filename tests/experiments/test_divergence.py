"""What is not finite is said, marked and written as null: in settings, in training, at evaluation, in the report."""

import dataclasses
import json
import math
import shutil
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import toy
from command_line import SHORT, Result

import envs
from agents import AGENTS
from encoders.conversion import check_finite
from encoders.errors import UsageError
from envs import ENVIRONMENTS
from envs.interface import Tensors, Transition
from experiments.config import agent_class, build, simulator_class
from experiments.plain import to_json
from experiments.settings import RunSettings, TrainSettings

Slatelab = Callable[..., Result]
NAN, INF = math.nan, math.inf


def floats(settings: Any) -> Iterator[tuple[list[str], Any]]:
    """Yield the place of every setting that takes a float, as names from the outermost in, and what it holds."""
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from (([field.name, *names], held) for names, held in floats(value))
        elif "float" in str(hints[field.name]):
            yield [field.name], value


def nested(names: list[str], value: Any) -> dict[str, Any]:
    """Return a table that sets one setting."""
    return {names[0]: value if len(names) == 1 else nested(names[1:], value)}


SETTINGS = {
    **{name: lambda name=name: simulator_class(name).Settings for name in ENVIRONMENTS},  # type: ignore[misc]
    **{name: lambda name=name: agent_class(name).Settings for name in AGENTS},  # type: ignore[misc]
}


@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_takes_a_number_that_is_not_finite(name: str) -> None:
    cls = SETTINGS[name]()
    for names, held in floats(cls()):
        for wrong in (NAN, INF, -INF):
            value = [wrong, *held[1:]] if isinstance(held, tuple) and not isinstance(held[0], tuple) else wrong
            with pytest.raises(UsageError, match=names[-1]):
                build(cls, "env", {"env": nested(names, value)})


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_gymnasium_takes_no_setting_that_is_not_finite(env: str) -> None:
    names = next((names for names, held in floats(simulator_class(env).Settings()) if len(names) == 1 and held), None)
    assert names is not None
    with pytest.raises(UsageError, match=names[0]):
        envs.make_simulator(ENVIRONMENTS[env], **{names[0]: NAN})


def test_settings_made_in_python_are_looked_at_to_their_depth() -> None:
    agent = toy.ToyAgentSettings(exploration=toy.ToyExploration(rate=INF))
    with pytest.raises(UsageError, match=r"\[agent\] exploration: rate is inf; it has to be finite"):
        RunSettings(train=TrainSettings(), env=toy.ToySettings(), agent=agent)
    with pytest.raises(UsageError, match=r"^affinities is \(\(nan,\),\)"):
        check_finite(dataclasses.make_dataclass("Several", [("affinities", Any, ((NAN,),))])())


@pytest.mark.parametrize("flag", ["--env.tiring", "--agent.learning-rate", "--checkpoint-seconds"])
def test_flag_that_is_not_finite_is_one_sentence(flag: str, slatelab: Slatelab) -> None:
    result = slatelab("train", *SHORT, flag, "nan")
    assert result.code == 2
    assert "is nan; it has to be" in result.sentence
    assert not list(Path.cwd().iterdir())


def test_json_holds_null_where_a_number_is_not_finite() -> None:
    assert json.loads(to_json({"a": [NAN, 1.5], "b": {"c": INF}, "d": (-INF, True, "nan")})) == {
        "a": [None, 1.5],
        "b": {"c": None},
        "d": [None, True, "nan"],
    }


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one reward in a hundred of the toy's training be no number."""
    real = toy.ToyAgent.update

    def update(agent: toy.ToyAgent, transition: Transition) -> Tensors:
        reward_B = transition.reward.clone()
        reward_B[::100] = NAN
        return real(agent, dataclasses.replace(transition, reward=reward_B))

    monkeypatch.setattr(toy.ToyAgent, "update", update)


AGENT = "toy:ToyAgent"
REASON = "train/loss is nan after 160 user-steps"
LOGGED = ["--log-every", "160", "--steps", "480"]


@pytest.mark.usefixtures("spoilt")
def test_training_that_diverges_is_said_marked_and_kept_as_such(slatelab: Slatelab) -> None:
    result = slatelab("train", *SHORT, *LOGGED, "--out", "run")
    assert result.code == 0
    assert result.err.count(f"learning has diverged: {REASON}") == 1
    assert f"† {AGENT} diverged, so its numbers are no result: {REASON}." in result.out
    assert "† myopic diverged, so its numbers are no result: weight holds what is not a number." in result.out
    assert f"{AGENT} †" in result.out
    assert "closes" not in result.out
    summary = json.loads(Path("run/summary.json").read_text(), parse_constant=pytest.fail)
    assert summary["diverged"] == {AGENT: REASON, "myopic": "weight holds what is not a number"}
    again = slatelab("evaluate", "run")
    assert f"† {AGENT} diverged" in again.out


@pytest.mark.usefixtures("spoilt")
def test_report_marks_who_diverged(slatelab: Slatelab) -> None:
    assert slatelab("train", *SHORT, *LOGGED, "--out", "runs/one").code == 0
    assert slatelab("report", "runs").code == 0
    page = Path("report/results.md").read_text()
    assert f"| **{AGENT}** † |" in page
    assert f"| myopic {AGENT} † |" in page
    assert f"| {AGENT} † | 0 |" in page
    assert f"* † {AGENT} diverged, so its numbers are no result. `runs/one`: {REASON}." in page


def test_rewards_that_are_no_numbers_leave_a_summary_of_nulls_that_can_be_reported(
    slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = toy.ToySimulator.step

    def step(simulator: toy.Toy, state: Tensors, slate_BK: torch.Tensor, noise: Tensors) -> Any:
        after, outcome = real(simulator, state, slate_BK, noise)
        outcome.reward = torch.full_like(outcome.reward, NAN)
        return after, outcome

    monkeypatch.setattr(toy.ToySimulator, "step", step)
    result = slatelab("train", *SHORT, *LOGGED, "--out", "runs/one")
    assert result.code == 0
    assert f"† {AGENT} diverged" in result.out
    assert "nan" not in result.out.replace("is nan after", "")
    summary = json.loads(Path("runs/one/summary.json").read_text(), parse_constant=pytest.fail)
    assert summary["policies"][AGENT]["return"]["mean"] is None
    assert slatelab("report", "runs").code == 0
    assert f"| **{AGENT}** † | n/a |" in Path("report/results.md").read_text()


def test_run_that_holds_no_number_is_noticed_though_it_logged_none(slatelab: Slatelab, finished: Path) -> None:
    from experiments.checkpoint import load_checkpoint, save_checkpoint

    shutil.copytree(finished, "run")
    path = Path("run/checkpoint/state.safetensors")
    tensors, header = load_checkpoint(path)
    tensors["agent.weight"] = tensors["agent.weight"] * NAN
    save_checkpoint(path, tensors, header)
    result = slatelab("evaluate", "run")
    assert f"† {AGENT} diverged, so its numbers are no result: weight holds what is not a number." in result.out
