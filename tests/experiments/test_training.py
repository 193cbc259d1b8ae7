"""A run from end to end: what it learns, what it leaves behind, and that one seed gives one result."""

import csv
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import toy
from command_line import SMALL, TOY, Result

import experiments
from encoders.errors import Failure, UsageError
from envs.interface import Tensors, Transition
from experiments.config import resolve
from experiments.loop import step
from experiments.tracking.tensorboard import Board
from experiments.training import Training

TIMINGS = ("train_seconds", "wall_seconds", "steps_per_second")


def summary(folder: Path) -> dict[str, Any]:
    """Read a summary without its timings."""
    read: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return {name: value for name, value in read.items() if name not in TIMINGS}


def rows(folder: Path) -> list[list[str]]:
    """Read metrics.csv without its two last columns, the timings."""
    with (folder / "metrics.csv").open() as file:
        return [row[:-2] for row in csv.reader(file)]


def test_run_folder_holds_five_things_and_nothing_else(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {"config.toml", "metrics.csv", "tensorboard", "checkpoint", "summary.json"}
    assert [path.name for path in (finished / "checkpoint").iterdir()] == ["state.safetensors"]


def test_summary_names_every_policy_and_pairs_the_agent_with_each(finished: Path) -> None:
    result = summary(finished)
    baselines = {"myopic", "random", "popularity", "cosine", "myopic_oracle", "near_oracle"}
    assert result["policies"].keys() == baselines | {"toy:ToyAgent"}
    assert result["paired"].keys() == baselines
    assert (result["env"], result["agent"], result["seed"]) == ("toy:Toy-v0", "toy:ToyAgent", 0)
    assert result["user_steps"] == 2000
    for estimates in result["policies"].values():
        assert estimates["return"].keys() == {"mean", "ci_low", "ci_high", "n"}
        assert estimates["return"]["n"] == 50
        assert {
            "length",
            "ctr",
            "bait",
            "retrieval/best",
            "coverage",
            "gini",
            "diversity",
        } <= estimates.keys()


def test_metrics_file_has_a_row_for_each_interval_and_one_for_the_end(finished: Path) -> None:
    header, *body = rows(finished)
    assert header[0] == "time/total_timesteps"
    assert {"rollout/ep_rew_mean", "rec/ctr", "rec/bait", "retrieval/best", "train/loss"} <= set(header)
    assert [int(row[0]) for row in body] == [*range(160, 2000, 160), 2000]


def test_tensorboard_holds_scalars_texts_items_and_evaluation(finished: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished / "tensorboard"))
    events.Reload()
    scalars = set(events.Tags()["scalars"])
    assert {"rollout/ep_rew_mean", "time/fps", "train/loss", "rec/bait", "retrieval/best"} <= scalars
    assert {"eval/toy:ToyAgent/return", "eval/cosine/ctr"} <= scalars
    texts = events.Tags()["tensors"]
    assert {"slates/text_summary", "config/text_summary", "custom_scalars__config__"} <= set(texts)
    steps = [event.step for event in events.Tensors("slates/text_summary")]
    assert steps[0] == 0
    assert steps[-1] == 2000
    shown = events.Tensors("slates/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert "item " in shown
    assert len((finished / "tensorboard" / "00000" / "items" / "metadata.tsv").read_text().splitlines()) == toy.N


def test_agent_that_looks_ahead_beats_its_myopic_twin_and_the_myopic_oracle(
    slatelab: Callable[..., Result], tmp_path: Path
) -> None:
    result = slatelab("train", *TOY, "--steps", "40000", "--num-users", "64", "--eval-users", "300", "--out", "run")
    assert result.code == 0
    paired = summary(tmp_path / "run")["paired"]
    for baseline in ("myopic", "myopic_oracle", "random", "cosine"):
        assert paired[baseline]["return"]["ci_low"] > 0
    assert "closes" in result.out


def test_piped_table_fits_in_a_hundred_columns(slatelab: Callable[..., Result], finished: Path) -> None:
    out = slatelab("evaluate", finished, "--users", "20").out
    assert "near_oracle" in out
    assert max(map(len, out.splitlines())) <= 100
    assert "…" not in out


def test_one_seed_gives_one_result_whatever_the_checkpoints(
    slatelab: Callable[..., Result], finished: Path, tmp_path: Path
) -> None:
    assert slatelab("train", *SMALL, "--out", "again", "--checkpoint-seconds", "0").code == 0
    again = tmp_path / "again"
    assert summary(again) == summary(finished)
    assert rows(again) == rows(finished)


def test_another_seed_gives_another_agent_but_the_same_test_users(
    slatelab: Callable[..., Result], finished: Path, tmp_path: Path
) -> None:
    assert slatelab("train", *SMALL, "--out", "other", "--seed", "1").code == 0
    ours, theirs = summary(tmp_path / "other"), summary(finished)
    assert rows(tmp_path / "other") != rows(finished)
    for policy in ("random", "cosine", "near_oracle"):
        assert ours["policies"][policy] == theirs["policies"][policy]


def test_twin_does_not_change_what_the_agent_learns(
    slatelab: Callable[..., Result], finished: Path, tmp_path: Path
) -> None:
    assert slatelab("train", *SMALL, "--out", "alone", "--no-myopic-companion").code == 0
    alone = summary(tmp_path / "alone")
    assert "myopic" not in alone["policies"]
    ours, theirs = (read["policies"]["toy:ToyAgent"]["return"]["mean"] for read in (alone, summary(finished)))
    assert ours == pytest.approx(theirs)


def test_twin_has_discount_zero() -> None:
    settings = {"train": {"env": "toy:Toy-v0", "agent": "toy:ToyAgent", "device": "cpu", "num_users": 8}}
    training = Training([resolve(settings)], toy.Toy(toy.ToySettings(), device="cpu"))
    assert training.twin is not None
    assert training.twin.settings == toy.ToyAgentSettings(discount=0.0)
    alone = Training([resolve(settings, {"agent": {"discount": 0.0}})], toy.Toy(toy.ToySettings(), device="cpu"))
    assert alone.twin is None


def test_transition_says_who_left_and_what_came_last(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"train": {"env": "toy:Toy-v0", "agent": "toy:ToyAgent", "num_users": 64, "device": "cpu"}}
    simulator = toy.Toy(toy.ToySettings(tiring=0.0, time_limit=3), device="cpu")
    training = Training([resolve(settings)], simulator)
    seen: list[Transition] = []

    def watch(transition: Transition) -> Tensors:
        seen.append(transition)
        return {}

    monkeypatch.setattr(training.agent, "update", watch)
    for _ in range(3):
        step(training)
    third = seen[2]
    # All who have not left before are cut off at the third slate; time ran out, so learners look beyond it.
    stayed_B = ~(seen[0].last | seen[1].last)
    assert third.last[stayed_B].all()
    assert 0.8 < third.discount[stayed_B].mean() < 1
    assert torch.equal(third.next_observation["user"], third.observation["user"])
    assert not torch.equal(training.observation["user"], third.observation["user"])


def test_five_lines_of_python_train_evaluate_save_and_load(tmp_path: Path) -> None:
    small = {"train": {"num_users": 16, "eval_users": 20, "device": "cpu"}}
    run = experiments.train("toy:Toy-v0", "toy:ToyAgent", steps=320, settings=small)
    result = run.evaluate()
    run.save(tmp_path / "kept")
    loaded = experiments.load(tmp_path / "kept", trust=True)
    assert loaded.evaluate() == result
    with pytest.raises(UsageError, match="kept exists; save the run to a folder that does not"):
        run.save(tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_saving_on_a_full_disk_leaves_nothing(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        target.mkdir()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run = experiments.load(finished, trust=True)
    monkeypatch.setattr("experiments.run.shutil.copytree", full)
    with pytest.raises(Failure, match="No space left on device; free some space"):
        run.save(tmp_path / "kept")
    assert not list(tmp_path.iterdir())


def test_no_steps_at_all_still_compares(slatelab: Callable[..., Result], tmp_path: Path) -> None:
    assert slatelab("train", *TOY, "--agent", "cosine", "--steps", "0", "--out", "run", "--eval-users", "9").code == 0
    assert "cosine" in summary(tmp_path / "run")["policies"]


def test_steps_are_rounded_up_to_whole_steps_of_all_users(slatelab: Callable[..., Result], tmp_path: Path) -> None:
    assert slatelab("train", *SMALL, "--steps", "33", "--out", "run").code == 0
    assert summary(tmp_path / "run")["user_steps"] == 48


def test_evaluate_of_the_same_panel_writes_the_same_summary(
    slatelab: Callable[..., Result], finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "copy")
    before = summary(tmp_path / "copy")
    (tmp_path / "copy" / "summary.json").unlink()
    assert slatelab("evaluate", "copy", "--split", "validation", "--users", "10").code == 0
    assert not (tmp_path / "copy" / "summary.json").exists()
    assert slatelab("evaluate", "copy").code == 0
    assert summary(tmp_path / "copy") == before


def test_large_catalogue_is_thinned_for_the_projector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.tracking.tensorboard.PROJECTED_ITEMS", 7)
    board = Board(tmp_path)
    board.items(toy.Toy(toy.ToySettings(), device="cpu"))
    board.close()
    titles = (tmp_path / "00000" / "items" / "metadata.tsv").read_text().splitlines()
    assert titles == ["item 0", "item 3", "item 6", "item 10", "item 13", "item 16", "item 19"]
