"""What is played on a panel: each policy under its own name, and kept as it was."""

from pathlib import Path

import pytest
import torch
import toy
from sketches import build

import envs
from encoders.errors import Failure
from envs.interface import Observation
from experiments.benchmark.record import Record, read_record, save_record
from experiments.evaluation import Panel, baselines, draw_panel, evaluate, play_panel
from experiments.sessions import Act, agent_policy


class First:
    """Shows the first candidates."""

    def act(self, observation: Observation, explore: bool) -> torch.Tensor:
        """Return positions 0 and 1."""
        return torch.arange(toy.K).expand(len(observation["candidates"]), toy.K)


@pytest.fixture(scope="module")
def simulator() -> toy.Toy:
    return toy.Toy(toy.ToySettings(), device="cpu")


def test_agent_named_like_a_baseline_plays_in_its_place(simulator: toy.Toy) -> None:
    panel = Panel(users=40)
    first: Act = agent_policy(First())  # type: ignore[arg-type]
    expected = play_panel(simulator, {"first": first}, panel)["first"].totals["reward"].mean()
    found = evaluate(simulator, {"cosine": First()}, panel)  # type: ignore[dict-item]
    assert found.policies["cosine"]["return"].mean == pytest.approx(float(expected))
    assert "cosine" not in found.paired
    assert found.paired.keys() == {"random", "popularity", "myopic_oracle", "near_oracle"}


@pytest.mark.parametrize("name", ["reinforce", "actor_critic", "sb3_ppo", "sb3_a2c"])
def test_policy_gradient_is_scored_by_its_likeliest_slates_and_by_slates_it_draws_and_stays_as_it_was(
    name: str, simulator: toy.Toy
) -> None:
    agent = build(name, simulator.spec)
    before = {key: value.clone() for key, value in agent.state_dict().items()}
    found, again = (evaluate(simulator, {name: agent}, Panel(users=200)) for _ in range(2))
    assert found.policies.keys() >= {name, f"{name}_sampled", "random"}
    assert found.paired.keys() >= {f"{name}_sampled"}
    assert found == again
    after = agent.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    drawn = play_panel(simulator, {"drawn": agent_policy(agent, explore=True)}, Panel(users=200))["drawn"]
    assert found.policies[f"{name}_sampled"]["return"].mean == pytest.approx(float(drawn.totals["reward"].mean()))
    assert found.policies[f"{name}_sampled"]["return"] != found.policies[name]["return"]


def test_value_agent_has_no_row_of_drawn_slates(simulator: toy.Toy) -> None:
    found = evaluate(simulator, {"dqn": build("dqn", simulator.spec)}, Panel(users=20))
    assert not [policy for policy in found.policies if policy.endswith("_sampled")]


def test_record_gives_back_what_was_played_to_the_bit_and_in_order(simulator: toy.Toy, tmp_path: Path) -> None:
    played = play_panel(simulator, baselines(simulator, Panel()), Panel(users=10))
    save_record(tmp_path / "a", Record(about={"env": "a"}, sessions=played))
    record = read_record(tmp_path / "a")
    assert record.about == {"env": "a"}
    assert list(record.sessions) == list(played)
    for name, sessions in record.sessions.items():
        assert list(sessions.totals) == list(played[name].totals)
        for total, values in sessions.totals.items():
            assert torch.equal(values, played[name].totals[total])
        assert torch.equal(sessions.length, played[name].length)
        assert torch.equal(sessions.exposure, played[name].exposure)


def test_record_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="there is no record"):
        read_record(tmp_path / "none")
    (tmp_path / "text").write_text("hello, I am no record")
    with pytest.raises(Failure, match="is broken"):
        read_record(tmp_path / "text")


def test_validation_users_are_not_the_test_users_even_where_all_splits_are_one_distribution() -> None:
    cls = envs.simulator_class("slatelab/InterestEvolution-v0")
    simulator = cls(cls.Settings(), device="cpu")
    drawn = {split: draw_panel(simulator, Panel(users=50, split=split)) for split in ("train", "validation", "test")}
    again = draw_panel(simulator, Panel(users=50, split="test"))
    for name, value in drawn["test"].items():
        assert torch.equal(again[name], value)
    moved = [name for name, value in drawn["test"].items() if not torch.equal(drawn["validation"][name], value)]
    assert moved
    for name in moved:
        assert not torch.equal(drawn["validation"][name], drawn["train"][name])
