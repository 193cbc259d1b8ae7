"""A trained run in Python: what it shows for an observation of any form, what it builds, how it shows itself."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
import toy
from command_line import Result

import experiments
from encoders import UsageError
from experiments.evaluation import Panel
from experiments.run import Run

SMALL = {"train": {"num_users": 16, "eval_users": 20, "device": "cpu", "myopic_companion": False}}
M, K = toy.M, toy.K


@pytest.fixture(scope="module")
def run(finished: Path) -> Run:
    return experiments.load(finished, trust=True)


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    env = gym.make_vec("slatelab/Toy-v0", num_envs=3)
    seen: dict[str, np.ndarray] = env.reset(seed=1)[0]
    return seen


def tensors(observation: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in observation.items()}


def test_an_observation_of_any_form_gets_the_agents_slate_in_that_form(run: Run, batch: dict[str, np.ndarray]) -> None:
    expected = run.agent.act(tensors(batch), explore=False)
    array, state = run.predict(batch)
    assert state is None
    assert isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array, expected.numpy())
    tensor, _ = run.predict(tensors(batch))
    assert isinstance(tensor, torch.Tensor)
    assert torch.equal(tensor, expected)
    alone = {name: value[1] for name, value in batch.items()}
    single, _ = run.predict(alone)
    assert isinstance(single, np.ndarray)
    assert single.shape == (K,)
    np.testing.assert_array_equal(single, expected[1].numpy())
    one_tensor, _ = run.predict(tensors(alone))
    assert isinstance(one_tensor, torch.Tensor)
    assert torch.equal(one_tensor, expected[1])


def test_arrays_that_torch_cannot_wrap_are_taken(run: Run, batch: dict[str, np.ndarray]) -> None:
    odd = {name: value[::-1].astype(value.dtype.newbyteorder(">")) for name, value in batch.items()}
    wide = {
        name: value[::-1].astype(np.float64 if value.dtype.kind == "f" else np.int32) for name, value in batch.items()
    }
    for one in (odd, wide):
        np.testing.assert_array_equal(run.predict(one)[0], run.predict(batch)[0][::-1])


def test_slates_are_drawn_where_they_are_not_to_be_the_best(run: Run, batch: dict[str, np.ndarray]) -> None:
    many = {name: np.repeat(value[:1], 200, axis=0) for name, value in batch.items()}
    assert len(np.unique(run.predict(many)[0], axis=0)) == 1
    assert len(np.unique(run.predict(many, deterministic=False)[0], axis=0)) > 1


def test_a_session_is_played_in_three_lines(run: Run) -> None:
    env = gym.make("slatelab/Toy-v0")
    observation, _ = env.reset(seed=0)
    for _ in range(3):
        slate, _ = run.predict(observation)
        offered = observation["candidate_ids"]
        observation, *_, told = env.step(slate)
        assert told["slate_ids"].tolist() == offered[slate].tolist()


def test_the_evaluation_of_stable_baselines3_takes_a_run(run: Run) -> None:
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    returns, lengths = evaluate_policy(
        run, make_vec_env("slatelab/Toy-v0", 2, seed=0), n_eval_episodes=4, return_episode_rewards=True
    )
    assert len(returns) == len(lengths) == 4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"user": None}, "lacks user, which the agent was trained with"),
        ({"candidates": np.zeros((M, 3))}, r'"candidates" has shape \(6, 3\)'),
        ({"popularity": np.zeros((4, M))}, r'"popularity" has shape \(4, 6\)'),
        ({"user": np.zeros((2, 3, 4))}, r'"user" has shape \(2, 3, 4\)'),
        ({"user": np.zeros(())}, r'"user" has shape \(\)'),
        ({"user": ["a"]}, 'the observation "user" cannot be taken for an array'),
    ],
)
def test_an_observation_that_does_not_fit_is_refused(
    run: Run, batch: dict[str, np.ndarray], change: dict[str, Any], sentence: str
) -> None:
    changed = {name: value for name, value in {**batch, **change}.items() if value is not None}
    with pytest.raises(UsageError, match=sentence):
        run.predict(changed)


def test_what_is_no_dict_is_refused(run: Run) -> None:
    with pytest.raises(UsageError, match="is a ndarray; it has to be the dict"):
        run.predict(np.zeros(3))  # type: ignore[arg-type]


def test_an_agent_that_reads_a_history_asks_for_it(batch: dict[str, np.ndarray]) -> None:
    pair = {"settings": {**SMALL, "agent": {"history": "totals"}}, "steps": 16}
    with_history = experiments.train("toy:Toy-v0", "slateq", **pair)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"lacks history, .*make the environment with history="):
        with_history.predict(batch)


def test_loading_builds_no_simulator_until_one_is_needed(
    finished: Path, batch: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    build = toy.ToySimulator.__init__

    def count(*arguments: Any, **named: Any) -> None:
        built.append(arguments)
        build(*arguments, **named)

    monkeypatch.setattr(toy.ToySimulator, "__init__", count)
    loaded = experiments.load(finished, trust=True)
    slate, _ = loaded.predict(batch)
    assert loaded.user_steps == 2000
    assert not built
    fresh = loaded.evaluate(Panel(users=20))
    assert len(built) == 1
    assert fresh == experiments.load(finished, trust=True).evaluate(Panel(users=20))
    np.testing.assert_array_equal(loaded.predict(batch)[0], slate)


def test_the_agent_that_was_asked_is_the_one_that_is_evaluated(finished: Path) -> None:
    loaded = experiments.load(finished, trust=True)
    before = loaded.evaluate(Panel(users=20)).policies["toy:ToyAgent"]["return"]
    loaded.agent.weight_D = -loaded.agent.weight_D  # type: ignore[attr-defined]
    assert loaded.evaluate(Panel(users=20)).policies["toy:ToyAgent"]["return"] != before


def test_a_checkpoint_of_before_that_tells_no_sizes_is_loaded(
    finished: Path, tmp_path: Path, batch: dict[str, np.ndarray], run: Run
) -> None:
    import json

    import safetensors
    import safetensors.torch

    folder = shutil.copytree(finished, tmp_path / "run")
    path = folder / "checkpoint" / "state.safetensors"
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["slatelab"])
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    del header["spec"]
    safetensors.torch.save_file(held, path, metadata={"slatelab": json.dumps(header)})
    np.testing.assert_array_equal(experiments.load(folder, trust=True).predict(batch)[0], run.predict(batch)[0])


def test_a_run_and_an_evaluation_say_what_they_are(run: Run) -> None:
    facts = ("toy:ToyAgent", "toy:Toy-v0", "2,000", str(run.folder.path))
    assert all(fact in repr(run) and fact in run._repr_html_() for fact in facts)
    assert len(repr(run).splitlines()) == 1
    result = run.evaluate(Panel(users=20))
    lines = repr(result).splitlines()
    assert lines[0].startswith("Evaluation of toy:ToyAgent: 20 users")
    assert [line.split()[0] for line in lines[1:]] == ["policy", *result.rows()]
    page = result._repr_html_()
    assert page.count("<tr>") == len(result.policies) + 1
    assert f"{result.policies['random']['return'].mean:.2f}" in page
    assert "<th>toy:ToyAgent</th>" in page


def test_names_in_html_are_text(slatelab: Callable[..., Result]) -> None:
    from experiments.showing import html_table

    assert "<script>" not in html_table("<script>", ["<script>"], [["<script>"]])
