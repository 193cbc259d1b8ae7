"""``slatelab pipeline``: the ladder of a small data set, what stops it, and how it goes on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Result
from toy_ratings import write_toy

from encoders import files
from experiments.cli import main
from experiments.pipeline import climbing
from experiments.pipeline.ladder import LADDER
from experiments.pipeline.ranking import judge

RUNGS = ["random", "popularity", "item_knn", "bm25", "ease", "frozen", "centred", "hybrid"]
COMMAND = ["pipeline", "--data", "toy", "--encoder", "tfidf", "--rungs", *RUNGS, "--device", "cpu", "--out", "out"]


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a toy data set and its finished ladder; tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("climbed")
    write_toy(folder / "toy")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(COMMAND) == 0
    return folder


def ladder(folder: Path) -> Any:
    return json.loads((folder / "ladder.json").read_text())


FIGURES = ("rungs", "paired", "chosen", "failed")


def figures(folder: Path) -> Any:
    return {name: ladder(folder)[name] for name in FIGURES}


def test_the_ladder_has_every_rung_warm_and_cold(climbed: Path) -> None:
    found = ladder(climbed / "out")
    assert list(found["rungs"]) == RUNGS
    for scenarios in found["rungs"].values():
        assert list(scenarios) == ["warm", "cold"]
        for metrics in scenarios.values():
            assert list(metrics) == ["recall@10", "ndcg@10", "recall@100", "coverage"]
            for name, estimate in metrics.items():
                assert set(estimate) == {"mean", "ci_low", "ci_high", "n"}
                assert 0 <= estimate["mean"] <= 1
                assert name == "coverage" or estimate["ci_low"] <= estimate["mean"] <= estimate["ci_high"]
    assert list(found["paired"]) == ["popularity", "item_knn", "ease"]
    assert found["costs"]["warm/ease"].keys() == {"seconds", "peak_memory_mib", "parameters"}
    assert found["costs"]["warm/ease"]["peak_memory_mib"] > 10


def test_who_knows_more_stands_higher(climbed: Path) -> None:
    rungs = ladder(climbed / "out")["rungs"]
    warm, cold = ({name: each[kind]["recall@10"]["mean"] for name, each in rungs.items()} for kind in ("warm", "cold"))
    assert warm["random"] < warm["popularity"] < warm["ease"]
    assert min(cold["bm25"], cold["centred"]) > 1.3 * max(cold["popularity"], cold["ease"], cold["item_knn"])


def test_the_page_and_tensorboard_have_the_rungs(climbed: Path) -> None:
    page = (climbed / "out" / "ladder.md").read_text()
    assert page.count("| ease |") == 4
    assert "slatelab pipeline --data toy" in page
    assert {path.name for path in (climbed / "out" / "tensorboard" / "ladder").iterdir()} == set(RUNGS)


def test_a_repeated_command_does_nothing_again(
    climbed: Path, slatelab: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(climbed, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(climbing, "judge", None)
    before = figures(tmp_path / "out")
    result = slatelab(*COMMAND)
    assert result.code == 0
    assert result.err.count("was done before") == 2 * len(RUNGS)
    assert figures(tmp_path / "out") == before


def test_a_killed_ladder_goes_on_to_the_same_figures(
    climbed: Path, slatelab: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toy(tmp_path / "toy")
    calls = []

    def killed(model: Any, task: Any) -> Any:
        calls.append(task)
        if len(calls) in (3, 7):  # within a stage: settings are chosen, nothing is written yet
            raise KeyboardInterrupt
        return judge(model, task)

    monkeypatch.setattr(climbing, "judge", killed)
    for _ in range(2):
        stopped = slatelab(*COMMAND)
        assert stopped.code == 130
        assert stopped.sentence == "slatelab: interrupted; repeat the command to go on"
    shutil.rmtree(tmp_path / "out" / "stages" / "warm" / "popularity.safetensors", ignore_errors=True)
    (tmp_path / "out" / "stages" / "warm" / "random.safetensors").write_bytes(b"half")
    result = slatelab(*COMMAND)
    assert result.code == 0
    assert "is broken" in result.err
    assert "was done before" in result.err
    assert figures(tmp_path / "out") == figures(climbed / "out")


def test_a_rung_that_fails_stops_no_other_and_is_tried_again(
    climbed: Path, slatelab: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toy(tmp_path / "toy")

    def broken(task: Any, setting: Any) -> Any:
        raise ValueError("the matrix is singular")

    with monkeypatch.context() as patch:
        patch.setitem(vars(LADDER["ease"]), "fit", broken)
        failed = slatelab(*COMMAND)
    assert failed.code == 1
    assert "4 rung(s) failed" in failed.sentence
    assert "ValueError: the matrix is singular" in failed.out
    found = ladder(tmp_path / "out")
    assert list(found["failed"]) == ["ease", "hybrid"]
    assert found["failed"]["hybrid"]["warm"] == "it builds on ease, which failed"
    assert "popularity" in found["rungs"]
    assert slatelab(*COMMAND).code == 0
    assert figures(tmp_path / "out") == figures(climbed / "out")


def test_a_rung_is_climbed_anew_when_what_it_builds_on_changed(
    climbed: Path, slatelab: Callable[..., Result], tmp_path: Path
) -> None:
    write_toy(tmp_path / "toy")
    few = [name for name in RUNGS if name not in ("bm25", "frozen")]
    assert slatelab(*[word for word in COMMAND if word not in ("bm25", "frozen")]).code == 0
    assert list(ladder(tmp_path / "out")["rungs"]) == few
    assert slatelab(*COMMAND).code == 0
    assert figures(tmp_path / "out") == figures(climbed / "out")


def test_other_settings_and_other_data_are_refused_unless_overwritten(
    climbed: Path, slatelab: Callable[..., Result], tmp_path: Path
) -> None:
    shutil.copytree(climbed, tmp_path, dirs_exist_ok=True)
    refused = slatelab(*COMMAND, "--test-share", "0.3")
    assert refused.code == 2
    assert "were made with settings.test_share 0.2, not 0.3; replace them with --overwrite" in refused.sentence
    write_toy(tmp_path / "toy", seed=1)
    assert "were made with data" in slatelab(*COMMAND).sentence
    assert slatelab(*COMMAND, "--overwrite").code == 0
    assert figures(tmp_path / "out") != figures(climbed / "out")


def test_a_folder_of_something_else_is_left_alone(slatelab: Callable[..., Result], tmp_path: Path) -> None:
    write_toy(tmp_path / "toy")
    (tmp_path / "out" / "models").mkdir(parents=True)
    result = slatelab(*COMMAND)
    assert result.code == 2
    assert "no settings.json" in result.sentence


def test_a_full_disk_is_told_in_a_sentence(
    slatelab: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toy(tmp_path / "toy")

    def full(part: Path, path: Path) -> None:
        import errno

        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        result = slatelab(*COMMAND)
    assert result.code == 1
    assert "No space left on device; free some space" in result.sentence
    assert slatelab(*COMMAND).code == 0


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--rungs", "eease"], 'unknown rung "eease"; did you mean "ease"?'),
        (["--liked", "9"], "no rating of toy is a like: the highest is 5 and a like begins at 9; lower --liked"),
        (["--test-share", "0"], "test_share is 0.0; it has to be from 0 to 0.5"),
        (["--cold-share", "0.0001"], "likes a cold item among their newest ratings; raise --cold-share"),
        (["--data", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_what_cannot_be_is_refused(
    slatelab: Callable[..., Result], tmp_path: Path, more: list[str], sentence: str
) -> None:
    write_toy(tmp_path / "toy")
    result = slatelab(*COMMAND, *more)
    assert result.code == 2
    assert sentence in result.sentence
    assert not (tmp_path / "out" / "ladder.json").exists()


def test_users_with_one_like_each_are_too_few(slatelab: Callable[..., Result], tmp_path: Path) -> None:
    write_toy(tmp_path / "toy", rated=2)
    result = slatelab(*COMMAND)
    assert result.code == 2
    assert "no user of toy likes two items" in result.sentence


def test_items_without_a_title_are_refused(slatelab: Callable[..., Result], tmp_path: Path) -> None:
    items = write_toy(tmp_path / "toy") / "toy.item"
    items.write_text(items.read_text().replace("title:token_seq", "says:token_seq"))
    result = slatelab(*COMMAND)
    assert result.code == 2
    assert "no column looks like a title" in result.sentence
    assert "slatelab pipeline: --fields.title" in result.sentence
    assert slatelab(*COMMAND, "--fields.title", "says").code == 0


def test_the_cold_ladder_can_be_left_out(slatelab: Callable[..., Result], tmp_path: Path) -> None:
    write_toy(tmp_path / "toy")
    assert slatelab(*COMMAND[:6], "popularity", "--device", "cpu", "--out", "out", "--cold-share", "0").code == 0
    assert list(ladder(tmp_path / "out")["rungs"]["popularity"]) == ["warm"]


def test_tuned_rungs_go_on_from_what_they_kept(slatelab: Callable[..., Result], tmp_path: Path) -> None:
    write_toy(tmp_path / "toy")
    tuned = ["tuned_softmax", "tuned_infonce", "tuned_elsa"]
    base = [*COMMAND[:5], "--device", "cpu", "--tuning.epochs", "6", "--tuning.validate-every", "2"]
    rungs = ["--rungs", *(f"{name}_popularity" for name in tuned), "hybrid"]
    assert slatelab(*base, "--out", "whole", *rungs).code == 0
    assert slatelab(*base, "--out", "parts", "--rungs", *tuned).code == 0
    kept = tmp_path / "parts" / "models" / "warm" / "tuned_softmax"
    assert {path.name for path in kept.iterdir()} == {"inner", "final"}
    again = slatelab(*base, "--out", "parts", *rungs)
    assert again.code == 0
    assert again.err.count("was done before") == 2 * len(tuned)
    assert figures(tmp_path / "parts") == figures(tmp_path / "whole")
    found = ladder(tmp_path / "parts")
    assert found["chosen"]["tuned_elsa"]["cold"]["settings"].keys() == {"epochs"}
    assert found["costs"]["warm/tuned_elsa"]["parameters"] > 1000
    assert found["best_retriever"]["warm"].startswith("tuned")
    assert any((tmp_path / "whole" / "tensorboard" / "warm-tuned_softmax").iterdir())


def test_what_the_rung_decides_is_no_setting(slatelab: Callable[..., Result], tmp_path: Path) -> None:
    write_toy(tmp_path / "toy")
    result = slatelab(*COMMAND, "--tuning.loss", "elsa")
    assert result.code == 2
    assert "tuning.loss is decided by the rung" in result.sentence


def test_pairs_at_random_fall_to_popularity(climbed: Path, slatelab: Callable[..., Result], tmp_path: Path) -> None:
    write_toy(tmp_path / "toy", shuffled="pairs")
    assert slatelab(*COMMAND).code == 0
    shuffled, real = (ladder(folder / "out")["paired"]["popularity"] for folder in (tmp_path, climbed))
    for rung in ("item_knn", "ease", "hybrid"):
        assert shuffled[rung]["warm"]["ndcg@10"]["ci_low"] < 0
        assert real[rung]["warm"]["ndcg@10"]["ci_low"] > 0


def test_shuffled_texts_lose_what_they_gain_on_cold_items(
    climbed: Path, slatelab: Callable[..., Result], tmp_path: Path
) -> None:
    write_toy(tmp_path / "toy", shuffled="texts")
    assert slatelab(*COMMAND).code == 0
    shuffled, real = (ladder(folder / "out")["paired"]["popularity"] for folder in (tmp_path, climbed))
    for rung in ("bm25", "centred"):
        assert shuffled[rung]["cold"]["ndcg@10"]["ci_low"] < 0
        assert real[rung]["cold"]["ndcg@10"]["ci_low"] > 0


@pytest.mark.slow
def test_tuning_gains_nothing_from_pairs_at_random_or_shuffled_texts(
    slatelab: Callable[..., Result], tmp_path: Path
) -> None:
    paired = {}
    for shuffled in ("", "pairs", "texts"):
        name = shuffled or "real"
        write_toy(tmp_path / name, shuffled=shuffled)
        base = ["pipeline", "--data", name, "--encoder", "tfidf", "--device", "cpu", "--out", f"out-{name}"]
        assert slatelab(*base, "--rungs", "popularity", "tuned_softmax_popularity").code == 0
        paired[name] = ladder(tmp_path / f"out-{name}")["paired"]["popularity"]
    gain = {
        name: {
            kind: found[rung][kind]["ndcg@10"]
            for rung, kind in (("tuned_softmax_popularity", "warm"), ("tuned_softmax", "cold"))
        }
        for name, found in paired.items()
    }
    assert gain["real"]["warm"]["ci_low"] > 0 > gain["pairs"]["warm"]["ci_low"]
    assert gain["real"]["cold"]["ci_low"] > 0 > gain["texts"]["cold"]["ci_low"]
