"""The scoreboard's Markdown and results.csv, read back against records written by hand."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Result
from small_benchmark import rows, tables

from experiments.benchmark.record import Record, save_record
from experiments.sessions import Sessions

Slatelab = Callable[..., Result]
BASELINES = {"random": [0.0, 2.0], "near_oracle": [10.0, 12.0], "hand_rule": [4.0, 6.0]}


def sessions(returns: Sequence[float], around: int | None = None) -> Sessions:
    """Return sessions of 4 slates and 2 clicks a user, who are drawn around so many personas."""
    reward = torch.tensor(returns, dtype=torch.float64)
    length = torch.full_like(reward, 4.0)
    cluster = torch.arange(len(reward)) % (around or len(reward))
    totals = {"reward": reward, "clicks": length / 2}
    return Sessions(totals=totals, length=length, exposure=torch.zeros(3), cluster=cluster)


def write_baselines(
    env: str = "A-v0", panel: str = "p", played: Mapping[str, Sessions] | None = None, **policies: Sequence[float]
) -> None:
    """Write the baselines' record of an environment: what was played, or the returns of policies."""
    played = played or {name: sessions(values) for name, values in (policies or BASELINES).items()}
    about = {"env": f"slatelab/{env}", "panel": panel, "users": 2, "version": "1"}
    save_record(Path("board", "returns", f"{env}--baselines.safetensors"), Record(about=about, sessions=played))


def write_run(agent: str, seed: int, returns: Sequence[float], env: str = "A-v0", **changed: Any) -> None:
    """Write a run's folder and record; ``twin``: returns of its twin; ``played``: of all; others: the record's own."""
    name = f"{env}--{agent}--seed{seed}"
    folder = Path("board", name)
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(f'[train]\nenv = "slatelab/{env}"\nagent = "{agent}"\nseed = {seed}\n')
    (folder / "summary.json").write_text("{}")
    twin = changed.pop("twin", None)
    of_twin = {} if twin is None else {"myopic": sessions(twin)}
    played = changed.pop("played", None) or {agent: sessions(returns)} | of_twin
    about = {"env": f"slatelab/{env}", "agent": agent, "seed": seed, "settings": "s", "panel": "p", "users": 2}
    about |= {"version": "1", "status": "done", "reason": "", "user_steps": 600, "train_seconds": 2.0}
    about |= {"steps_per_second": 300.0} | changed
    save_record(Path("board", "returns", f"{name}.safetensors"), Record(about=about, sessions=played))


def make(slatelab: Slatelab) -> list[list[list[str]]]:
    """Make the table and read it back."""
    result = slatelab("benchmark", "--only-table", "--out", "board")
    assert result.code == 0, result.err
    return tables()


def test_every_cell_of_an_environment_is_what_was_measured(slatelab: Slatelab) -> None:
    write_baselines()
    write_run("slateq", 0, [6.0, 8.0], twin=[5.0, 7.0])
    write_run("slateq", 1, [8.0, 10.0], twin=[7.0, 9.0])
    write_run("myopic", 0, [3.0, 5.0])
    overall, arena = make(slatelab)
    assert arena == [
        ["policy", "seeds", "user-steps", "return", "length", "CTR", "score", "− myopic", "− twin", "− hand rule"],
        ["near-oracle", "", "", "11.00 [10.00, 12.00]", "4.0", "0.500", "1.00", "", "", ""],
        [
            *("**slateq**", "2", "600", "8.00 [6.00, 10.00]", "4.0", "0.500", "0.70 [0.60, 0.80]"),
            *("**+4.00 [+3.00, +5.00]**", "**+1.00 [+1.00, +1.00]**", "**+3.00 [+2.00, +4.00]**"),
        ],
        ["hand rule", "", "", "5.00 [4.00, 6.00]", "4.0", "0.500", "0.40", "", "", ""],
        ["**myopic**", "1", "600", "4.00 [3.00, 5.00]", "4.0", "0.500", "0.30", "", "", "-1.00 [-1.00, -1.00]"],
        ["random", "", "", "1.00 [0.00, 2.00]", "4.0", "0.500", "0.00", "", "", ""],
    ]
    assert overall == [
        ["agent", "interquartile mean", "environments", "A-v0"],
        ["**slateq**", "0.70 [0.60, 0.80]", "1", "0.70 [0.60, 0.80]"],
        ["**myopic**", "0.30", "1", "0.30"],
    ]


def test_slates_drawn_from_a_policy_have_a_row_of_their_own_and_no_score_among_the_agents(slatelab: Slatelab) -> None:
    write_baselines()
    for seed, drawn in enumerate(([7.0, 9.0], [9.0, 11.0])):
        played = {"reinforce": sessions([6.0, 8.0]), "reinforce_sampled": sessions(drawn)}
        write_run("reinforce", seed, [], played=played, status="diverged" if seed else "done")
    overall, arena = make(slatelab)
    assert [row[:4] for row in arena[2:4]] == [
        ["**reinforce_sampled**", "2", "600", "9.00 [7.00, 11.00]†"],
        ["**reinforce**", "2", "600", "7.00 [6.00, 8.00]†"],
    ]
    assert [row[0] for row in overall[1:]] == ["**reinforce**"]
    assert list(rows()) == [("reinforce", "0"), ("reinforce", "1")]


def test_results_hold_a_row_for_each_run(slatelab: Slatelab) -> None:
    write_baselines()
    write_run("slateq", 0, [6.0, 8.0])
    write_run("slateq", 2, [8.0, 10.0], status="diverged", reason="train/loss is nan")
    make(slatelab)
    assert list(rows()) == [("slateq", "0"), ("slateq", "2")]
    assert rows()["slateq", "2"] == {
        **{"env": "slatelab/A-v0", "agent": "slateq", "seed": "2", "status": "diverged", "reason": "train/loss is nan"},
        **{"return": "9.0", "return_ci_low": "8.0", "return_ci_high": "10.0", "length": "4.0", "ctr": "0.5"},
        **{"score": "0.8", "user_steps": "600", "eval_users": "2", "eval_clusters": "2"},
        **{"settings": "s", "version": "1", "encoder": ""},
    }
    header = Path("board/results.csv").read_text().splitlines()[0].split(",")
    assert {"train_seconds", "steps_per_second"} <= set(header)


@pytest.mark.parametrize(
    ("users", "around", "told", "warned"),
    [
        (40, 10, "40 test users around 10 raters or personas, one session", "Intervals over 10 raters or personas are"),
        (40, 20, "40 test users around 20 raters or personas, one session", None),
        (40, None, "40 test users, one session", None),
        (19, None, "19 test users, one session", "Intervals over 19 users are too narrow"),
    ],
)
def test_page_says_around_how_many_users_were_drawn_and_warns_of_few(
    users: int, around: int | None, told: str, warned: str | None, slatelab: Slatelab
) -> None:
    played = {name: sessions([at] * users, around) for name, at in (("random", 0.0), ("near_oracle", 1.0))}
    write_baselines(played=played)
    write_run("slateq", 0, [], played={"slateq": sessions([0.5] * users, around)})
    make(slatelab)
    page = Path("board/scoreboard.md").read_text()
    assert told in page
    assert warned is None or warned in page
    assert ("too narrow" in page) == (warned is not None)
    assert rows()["slateq", "0"]["eval_clusters"] == str(around or users)


def test_aggregate_is_the_middle_half_of_all_runs_and_says_how_many_environments(slatelab: Slatelab) -> None:
    for env in ("A-v0", "B-v0"):
        write_baselines(env)
    for env, first, second in (("A-v0", 1.0, 3.0), ("B-v0", 5.0, 11.0)):
        write_run("slateq", 0, [first, first + 2], env)
        write_run("slateq", 1, [second, second + 2], env)
    write_run("cosine", 0, [2.0, 4.0], "B-v0")
    overall = make(slatelab)[0]
    # Scores 0.1, 0.3, 0.5, 1.1 of slateq: the middle ones are 0.3 and 0.5.
    assert overall[0] == ["agent", "interquartile mean", "environments", "A-v0", "B-v0"]
    assert overall[1][:3:2] == ["**slateq**", "2"]
    assert overall[1][1].startswith("0.40 [")
    assert overall[2] == ["**cosine**", "0.20", "1", "–", "0.20"]


def test_without_random_and_near_oracle_there_are_returns_but_no_score(slatelab: Slatelab) -> None:
    write_baselines(cosine=[1.0, 1.0])
    write_run("slateq", 0, [6.0, 8.0])
    overall, arena = make(slatelab)
    assert overall[1] == ["**slateq**", "n/a", "0", "n/a"]
    assert arena[1] == ["**slateq**", "1", "600", "7.00 [6.00, 8.00]", "4.0", "0.500", "n/a"]
    assert rows()["slateq", "0"]["score"] == ""


def test_runs_of_another_panel_or_without_baselines_are_left_out(slatelab: Slatelab) -> None:
    write_baselines()
    write_run("slateq", 0, [6.0, 8.0])
    write_run("slateq", 1, [60.0, 80.0, 9.0], panel="other", users=3)
    write_run("slateq", 0, [6.0, 8.0], "B-v0")
    overall, *_ = make(slatelab)
    assert overall[1] == ["**slateq**", "0.60", "1", "0.60", "left out"]
    assert rows()["slateq", "1"]["status"] == "left out"
    page = Path("board/scoreboard.md").read_text()
    assert "* left out: slateq, seed 1: it met 3 test users" in page
    assert "the baselines of slatelab/B-v0 are missing" in page


def test_policy_that_is_an_agent_too_has_one_row(slatelab: Slatelab) -> None:
    write_baselines()
    write_run("random", 0, [0.0, 2.0])
    assert [row[0] for row in make(slatelab)[1][1:]] == ["near-oracle", "hand rule", "**random**"]


@pytest.mark.parametrize("content", ["{", "[]", '{"commands": 3}'])
def test_broken_notes_are_a_failure_with_a_sentence(slatelab: Slatelab, content: str) -> None:
    write_baselines()
    Path("board/benchmark.json").write_text(content)
    result = slatelab("benchmark", "--only-table", "--out", "board")
    assert result.code == 1
    assert "board/benchmark.json is broken" in result.sentence
