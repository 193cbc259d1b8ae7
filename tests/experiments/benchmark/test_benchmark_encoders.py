"""Encoders as an axis of the benchmark: the same users, seen through each; figures of one never stand in another's."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Result
from small_benchmark import tables

from experiments.benchmark.page import scoreboard_page
from experiments.benchmark.record import read_record
from experiments.benchmark.scoreboard import read_scoreboard

Slatelab = Callable[..., Result]
ASKED = ("benchmark", "--agents", "cosine", "--seeds", "2", "--eval-users", "60", "--device", "cpu", "--out", "board")
TEXTS = ("--envs", "toy_texts:ToyTexts-v0")
NAME = "toy_texts-ToyTexts-v0"


def run(slatelab: Slatelab, *arguments: str) -> Result:
    result = slatelab(*ASKED, *arguments)
    assert result.code == 0, result.err
    return result


def csv_rows() -> list[dict[str, str]]:
    with Path("board", "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_encoder_has_runs_baselines_and_a_section_of_its_own(slatelab: Slatelab) -> None:
    result = run(slatelab, *TEXTS, "InterestEvolution-v0", "--encoders", "random", "tiny", "world")
    assert {path.stem for path in Path("board", "returns").iterdir()} == {
        f"{arena}--{policy}"
        for arena in (f"{NAME}--random", NAME, f"{NAME}--world", "InterestEvolution-v0")
        for policy in ("baselines", "cosine--seed0")
    }
    summary = json.loads(Path("board", f"{NAME}--world--cosine--seed0", "summary.json").read_text())
    assert summary["encoder"] == "world"
    assert [(row["env"], row["encoder"]) for row in csv_rows()] == [
        ("slatelab/InterestEvolution-v0", ""),
        ("toy_texts:ToyTexts-v0", "tiny"),
        ("toy_texts:ToyTexts-v0", "random"),
        ("toy_texts:ToyTexts-v0", "world"),
    ]
    scores = tables()[0]
    assert scores[0][:2] == ["encoder", "agent"]
    assert {row[0] for row in scores[1:]} == {"–", "tiny", "random", "world (privileged)"}
    page = Path("board", "scoreboard.md").read_text()
    assert "## toy_texts:ToyTexts-v0, world (privileged)" in page
    assert "Texts are read by tiny." in page
    assert "world (privileged)" in result.out


def test_all_encoders_meet_the_same_users_and_a_better_one_finds_better_candidates(slatelab: Slatelab) -> None:
    run(slatelab, *TEXTS, "--encoders", "random", "world")
    random, world = (read_record(Path("board", "returns", f"{NAME}--{name}--baselines.safetensors")).sessions
                     for name in ("random", "world"))  # fmt: skip
    assert random["cosine"].cluster.equal(world["cosine"].cluster)
    assert random["cosine"].totals["reward"].mean() < world["cosine"].totals["reward"].mean()


def test_the_environments_own_encoder_is_what_is_run_without_the_flag(slatelab: Slatelab) -> None:
    run(slatelab, *TEXTS)
    assert tables()[0][0][0] == "agent"
    before = Path("board", "returns", f"{NAME}--cosine--seed0.safetensors").read_bytes()
    result = run(slatelab, *TEXTS, "--encoders", "tiny", "random")
    assert "2 runs, of which 1 are finished" in result.err
    assert Path("board", "returns", f"{NAME}--cosine--seed0.safetensors").read_bytes() == before
    assert "2 runs, of which 2 are finished" in run(slatelab, *TEXTS, "--encoders", "random", "tiny").err


def test_a_run_that_is_not_finished_is_missed_under_its_encoder_alone(slatelab: Slatelab) -> None:
    run(slatelab, *TEXTS, "--encoders", "tiny", "random")
    Path("board", f"{NAME}--random--cosine--seed0", "summary.json").unlink()
    slatelab("benchmark", "--only-table", "--out", "board")
    assert {row["encoder"]: row["status"] for row in csv_rows()} == {"tiny": "done", "random": "unfinished"}


def test_tables_made_anew_are_the_same(slatelab: Slatelab) -> None:
    run(slatelab, *TEXTS, "--encoders", "random", "tiny")
    board = read_scoreboard(Path("board"))
    assert scoreboard_page(board) == Path("board", "scoreboard.md").read_text()
    assert [arena.title for arena in board.arenas] == [f"toy_texts:ToyTexts-v0, {name}" for name in ("tiny", "random")]


def test_the_report_tells_encoders_apart(slatelab: Slatelab) -> None:
    run(slatelab, *TEXTS, "--encoders", "random", "tiny")
    assert slatelab("report", "board").code == 0
    page = Path("report", "results.md").read_text()
    assert "ToyTexts-v0, random" in page
    assert "ToyTexts-v0, tiny" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--envs", "InterestEvolution-v0", "--encoders", "tiny"], "--encoders is for environments over texts"),
        ([*TEXTS, "--encoders", "tny"], 'did you mean "tiny"'),
    ],
)
def test_what_no_text_can_be_read_by_is_refused_in_a_sentence(
    slatelab: Slatelab, arguments: list[str], words: str
) -> None:
    result = slatelab(*ASKED, *arguments)
    assert result.code == 2
    assert words in result.sentence
    assert not Path("board").exists()


def test_two_encoders_of_one_name_are_refused(slatelab: Slatelab, tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "model").mkdir(parents=True)
    result = slatelab(*ASKED, *TEXTS, "--encoders", "a/model", "b/model")
    assert result.code == 2
    assert "would share the folder" in result.sentence
    assert str(tmp_path / "b" / "model") in result.sentence
