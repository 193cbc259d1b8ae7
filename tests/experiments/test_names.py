"""What is accepted as a name is stored in one form, so that whatever reads it later knows it."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import safetensors
import safetensors.torch
import toy
from command_line import Result

import envs
import experiments
from encoders import UsageError
from experiments import config
from experiments.benchmark.plan import plan
from experiments.benchmark.settings import BenchmarkSettings
from experiments.evaluation import Panel
from experiments.names import canonical_agent, canonical_encoder, canonical_env
from experiments.settings import RunSettings

Slatelab = Callable[..., Result]
TINY = ["--num-users", "16", "--steps", "32", "--eval-users", "9", "--device", "cpu"]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the short name of an environment of ours that is quick to play in: the toy, as one of the table."""
    monkeypatch.setitem(envs.ENVIRONMENTS, "slatelab/Toy-v0", "toy:Toy")
    return "Toy-v0"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("News-v0", "slatelab/News-v0"),
        ("slatelab/News-v0", "slatelab/News-v0"),
        ("envs:slatelab/News-v0", "slatelab/News-v0"),
        ("envs.news.simulator:News-v0", "slatelab/News-v0"),
        ("mine:News-v0", "mine:News-v0"),
        ("nowhere", "nowhere"),
        ("slatelab/Toy-v0", "toy:slatelab/Toy-v0"),
    ],
)
def test_an_environment_has_one_name(name: str, form: str) -> None:
    assert canonical_env(name) == form
    assert canonical_env(form) == form


def test_agents_and_encoders_have_one_name() -> None:
    assert canonical_agent("agents.slateq:SlateQ") == "slateq"
    assert canonical_agent("mine:SlateQ") == "mine:SlateQ"
    assert canonical_encoder("encoders.tiny:tiny_encoder") == "tiny"
    assert canonical_encoder("BAAI/bge-small-en-v1.5") == "BAAI/bge-small-en-v1.5"


def test_a_run_under_a_short_name_is_known_to_every_command(slatelab: Slatelab, short: str) -> None:
    names = ["--env", short, "--agent", "agents.baselines:Random", "--encoder", "encoders.tiny:tiny_encoder"]
    assert slatelab("train", *names, *TINY, "--device", "cpu:0", "--out", "run").code == 0
    tables = config.read_tables(Path("run/config.toml"))
    assert (tables["train"]["env"], tables["train"]["agent"]) == ("slatelab/Toy-v0", "random")
    assert (tables["train"]["device"], tables["env"]["encoder"]) == ("cpu", "tiny")
    summary = json.loads(Path("run/summary.json").read_text())
    assert (summary["env"], summary["agent"]) == ("slatelab/Toy-v0", "random")
    assert slatelab("evaluate", "run").code == 0
    assert slatelab("report", "run").code == 0
    assert experiments.load("run").settings.train.agent == "random"
    Path("run/summary.json").unlink()
    assert slatelab("train", "--resume", "run", "--env", short, "--agent", "agents.baselines:Random").code == 0


def test_a_checkpoint_with_a_short_name_of_an_older_version_is_known(slatelab: Slatelab, short: str) -> None:
    assert slatelab("train", "--env", short, "--agent", "toy:ToyAgent", *TINY, "--out", "run").code == 0
    path, table = Path("run/checkpoint/state.safetensors"), Path("run/config.toml")
    with safetensors.safe_open(path, framework="pt") as file:
        header = file.metadata()["slatelab"].replace('"slatelab/Toy-v0"', f'"{short}"')
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    safetensors.torch.save_file(tensors, path, metadata={"slatelab": header})
    table.write_text(table.read_text().replace('"slatelab/Toy-v0"', f'"{short}"'))
    assert slatelab("evaluate", "run").code == 0


def test_a_run_in_python_is_stored_under_the_module_that_registered_its_environment() -> None:
    run = experiments.train("slatelab/Toy-v0", "toy:ToyAgent", steps=16, settings={"train": {"num_users": 16}})
    assert run.settings.train.env == "toy:slatelab/Toy-v0"


def test_settings_built_by_hand_get_the_names_too() -> None:
    run = config.resolve({"train": {"env": "toy:Toy-v0", "agent": "toy:ToyAgent"}})
    by_hand = RunSettings(
        train=dataclasses.replace(run.train, env="News-v0", agent="agents.slateq:SlateQ", device="cpu:0"),
        env=toy.ToySettings(encoder="encoders.tiny:tiny_encoder"),
        agent=run.agent,
    )
    assert (by_hand.train.env, by_hand.train.agent, by_hand.train.device) == ("slatelab/News-v0", "slateq", "cpu")
    assert by_hand.env.encoder == "tiny"


def test_an_agent_named_twice_is_benchmarked_once() -> None:
    cells = plan(BenchmarkSettings(envs=("toy:Toy-v0",), agents=("random", "agents.baselines:Random"), seeds=1))
    assert [cell.run.train.agent for cell in cells] == ["random"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"agnt": {}}, 'unknown table "agnt"; did you mean "agent"'),
        ({1: {}}, 'unknown table "1"'),
        ({"agent": "slateq"}, "agent has to be a table of settings, not 'slateq'"),
        ({"agent": {"discont": 1.0}}, 'unknown setting "discont"; did you mean "discount"'),
        ({"train": {1: 2}}, 'unknown setting "1"'),
        ([("agent", {})], "they have to be tables such as"),
        (5, "they have to be tables such as"),
    ],
)
def test_settings_in_python_are_checked_as_in_toml(settings: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        experiments.train("toy:Toy-v0", "toy:ToyAgent", settings=settings)


@pytest.mark.parametrize("seed", [np.int64(7), np.uint64(2**63 + 7), 2**63, 2**64 - 1])
def test_a_seed_is_any_integer(slatelab: Slatelab, seed: int) -> None:
    small = {"train": {"num_users": np.int32(16), "eval_users": 9, "device": "cpu"}}
    run = experiments.train("toy:Toy-v0", "toy:ToyAgent", steps=np.int64(32), seed=seed, settings=small, out="run")
    assert type(run.settings.train.seed) is int
    assert experiments.load("run", trust=True).settings.train.seed == int(seed)
    assert run.evaluate(Panel(users=np.int64(9), seed=seed)) == run.evaluate(Panel(users=9, seed=int(seed)))
    env, vector = gym.make("slatelab/Toy-v0"), gym.make_vec("slatelab/Toy-v0", num_envs=2)
    for one in (env, vector):
        first, again = one.reset(seed=seed)[0]["user"], one.reset(seed=int(seed))[0]["user"]
        np.testing.assert_array_equal(first, again)
    users, again = (vector.unwrapped.sample_users(3, one)["taste"] for one in (seed, int(seed)))
    assert users.equal(again)


@pytest.mark.parametrize(("panel", "sentence"), [({"seed": -1}, "seed is -1"), ({"users": 0}, "users is 0")])
def test_a_panel_that_cannot_be_is_refused(panel: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Panel(**panel)
