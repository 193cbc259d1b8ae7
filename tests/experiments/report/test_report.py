"""The report: which runs it compares, the exact cells of its tables, and that its figures are drawn."""

import errno
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Result

from experiments.folder import RunFolder
from experiments.report import figures
from experiments.report.comparison import Comparison, compare
from experiments.report.numbers import decimals
from experiments.report.runs import read_runs

Slatelab = Callable[..., Result]
PNG = b"\x89PNG\r\n\x1a\n"
RETURNS = {"random": 10.0, "popularity": 14.0, "cosine": 12.0, "myopic": 15.0, "myopic_oracle": 20.0}


def estimate(mean: float, half: float = 1.0) -> dict[str, float]:
    """Return an estimate as in summary.json."""
    return {"mean": mean, "ci_low": mean - half, "ci_high": mean + half, "n": 1000}


def make_run(path: Path, returned: float, seed: int = 0, agent: str = "slateq", **changed: Any) -> Path:
    """Write a run folder by hand.

    Args:
        path: of the folder.
        returned: mean return of the agent.
        seed: of the run.
        agent: its name.
        changed: ``near_oracle`` and ``sampled``: mean returns; ``discount`` and ``env``: settings.
    """
    (path / "tensorboard").mkdir(parents=True)
    env, discount = changed.get("env", "slatelab/Movies-v0"), changed.get("discount", 0.9)
    (path / "config.toml").write_text(
        f'[train]\nenv = "{env}"\nagent = "{agent}"\nseed = {seed}\n[env]\nslate_size = 5\n'
        f"[agent]\ndiscount = {discount}\n"
    )
    means = RETURNS | {agent: returned, "near_oracle": changed.get("near_oracle", 30.0)}
    if "sampled" in changed:
        means[f"{agent}_sampled"] = changed["sampled"]
    policies = {
        name: {"return": estimate(mean), "length": estimate(2 * mean), "ctr": estimate(mean / 100, 0.01)}
        for name, mean in means.items()
    }
    paired = {name: {"return": estimate(returned - mean, 0.5)} for name, mean in means.items() if name != agent}
    summary = {"env": env, "agent": agent, "seed": seed, "user_steps": 300_032, "train_seconds": 90.0}
    summary |= {"wall_seconds": 99.0, "steps_per_second": 3333.69, "policies": policies, "paired": paired}
    (path / "summary.json").write_text(json.dumps(summary))
    rows = [f"{steps},{steps * returned / 300_032},7.0" for steps in (100_000, 200_000, 300_032)]
    # A row in which no session ended.
    lines = ["time/total_timesteps,rollout/ep_rew_mean,time/fps", "50000,,7.0", *rows]
    (path / "metrics.csv").write_text("\n".join(lines) + "\n")
    return path


def table_row(page: str, *first: str) -> list[str]:
    """Return the cells of the first row that begins with these cells."""
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if cells[: len(first)] == list(first):
            return cells
    raise AssertionError(f"no row {first} in\n{page}")


def comparisons(*folders: Path) -> list[Comparison]:
    """Return what may be compared among runs."""
    return compare(read_runs(map(RunFolder, folders))[0])


def test_report_holds_a_page_and_two_figures(slatelab: Slatelab, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", 22.0)
    result = slatelab("report", "runs")
    assert result.code == 0, result.err
    assert {path.name for path in Path("report").iterdir()} == {"results.md", "returns.png", "learning.png"}
    for name in ("returns.png", "learning.png"):
        content = Path("report", name).read_bytes()
        assert content.startswith(PNG)
        assert len(content) > 10_000
        # The width in the header: 1,000 pixels twice as dense.
        assert int.from_bytes(content[16:20]) == 2000
        assert f"]({name})" in Path("report/results.md").read_text()


def test_run_of_one_seed_has_its_interval_in_every_cell(slatelab: Slatelab, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", 22.0)
    assert slatelab("report", "runs").code == 0
    page = Path("report/results.md").read_text()
    assert table_row(page, "**slateq**") == ["**slateq**", "22.00 [21.00, 23.00]", "44.0", "0.220", "0.60"]
    assert table_row(page, "random") == ["random", "10.00 [9.00, 11.00]", "20.0", "0.100", "0.00"]
    assert table_row(page, "near-oracle")[4] == "1.00"
    assert table_row(page, "slateq", "0") == [
        "slateq",
        "0",
        "300,032",
        "1.5",
        "3,334",
        "22.00 [21.00, 23.00]",
        "**+8.00 [+7.50, +8.50]**",
        "**+10.00 [+9.50, +10.50]**",
        "**+7.00 [+6.50, +7.50]**",
        "**+2.00 [+1.50, +2.50]**",
        "20%",
    ]


def test_difference_is_bold_only_where_its_interval_lies_above_zero(slatelab: Slatelab, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", 14.5)
    assert slatelab("report", "runs").code == 0
    cells = table_row(Path("report/results.md").read_text(), "slateq", "0")
    assert cells[6:] == [
        "+0.50 [+0.00, +1.00]",
        "**+2.50 [+2.00, +3.00]**",
        "-0.50 [-1.00, +0.00]",
        "-5.50 [-6.00, -5.00]",
        "-55%",
    ]


def test_seeds_of_an_agent_share_a_row_and_baselines_come_once(slatelab: Slatelab, tmp_path: Path) -> None:
    for seed, returned in enumerate((21.0, 22.0, 26.0)):
        make_run(tmp_path / "runs" / f"s{seed}", returned, seed)
    make_run(tmp_path / "runs" / "d", 11.0, agent="dqn")
    assert slatelab("report", "runs").code == 0
    page = Path("report/results.md").read_text()
    assert table_row(page, "**slateq**") == [
        "**slateq**",
        "23.00 (21.00–26.00 over 3 seeds)",
        "46.0",
        "0.230",
        "0.65",
    ]
    assert table_row(page, "**dqn**")[1] == "11.00 [10.00, 12.00]"
    assert table_row(page, "myopic slateq")[1] == "15.00 (15.00–15.00 over 3 seeds)"
    assert table_row(page, "myopic dqn")[1] == "15.00 [14.00, 16.00]"
    assert page.count("\n| cosine |") == 1
    best_first = [line.split(" | ")[0].strip("| ") for line in page.splitlines() if line.count("|") == 6][2:]
    assert best_first[:3] == ["near-oracle", "**slateq**", "myopic oracle"]
    assert [table_row(page, "slateq", str(seed))[10] for seed in range(3)] == ["10%", "20%", "60%"]


def test_slates_drawn_from_a_policy_have_a_row_for_each_variant_and_do_not_part_panels(
    slatelab: Slatelab, tmp_path: Path
) -> None:
    for seed, drawn in enumerate((19.0, 20.0)):
        make_run(tmp_path / "runs" / f"s{seed}", 21.0, seed, agent="reinforce", sampled=drawn)
    assert slatelab("report", "runs").code == 0
    page = Path("report/results.md").read_text()
    assert table_row(page, "sampled reinforce")[1] == "19.50 (19.00–20.00 over 2 seeds)"
    assert "panel" not in page.partition("## ")[2]


def test_gap_between_equal_oracles_is_not_closed_by_anyone(slatelab: Slatelab, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", 22.0, near_oracle=20.2)
    assert slatelab("report", "runs").code == 0
    assert table_row(Path("report/results.md").read_text(), "slateq", "0")[10] == "n/a"


def test_other_settings_make_another_variant(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"{discount}", 20.0, discount=discount) for discount in (0.5, 0.9)]
    assert set(comparisons(*runs)[0].variants()) == {"slateq (discount 0.5)", "slateq (discount 0.9)"}


def test_runs_of_two_panels_are_told_apart(slatelab: Slatelab, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", 22.0)
    make_run(tmp_path / "runs" / "b", 23.0, seed=1, near_oracle=30.0 + 5e-10)
    assert slatelab("report", "runs").code == 0
    assert "panels differ" not in Path("report/results.md").read_text()
    make_run(tmp_path / "runs" / "c", 24.0, seed=2, near_oracle=30.0 + 1e-8)
    assert slatelab("report", "runs").code == 0
    page = Path("report/results.md").read_text()
    assert "**The panels differ**" in page
    assert "## slatelab/Movies-v0, panel 1 of 2" in page
    assert "22.50 (22.00–23.00 over 2 seeds)" in page.partition("panel 2 of 2")[0]
    assert "24.00 [23.00, 25.00]" in page.partition("panel 2 of 2")[2]


def test_each_environment_has_its_own_tables(slatelab: Slatelab, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", 22.0)
    make_run(tmp_path / "runs" / "b", 22.0, env="slatelab/MoviesMyopic-v0", near_oracle=25.0)
    assert slatelab("report", "runs").code == 0
    page = Path("report/results.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## slatelab/Movies-v0",
        "## slatelab/MoviesMyopic-v0",
    ]
    assert "panels differ" not in page


def test_page_names_its_runs_and_its_command_by_relative_paths(slatelab: Slatelab, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "my run", 22.0)
    assert slatelab("report", tmp_path / "runs" / "my run", "--out", tmp_path / "docs" / "x").code == 0
    page = Path("docs/x/results.md").read_text()
    assert "Made by `slatelab report 'runs/my run' --out docs/x` from `runs/my run`." in page
    assert str(tmp_path) not in page


def test_same_runs_make_the_same_report(slatelab: Slatelab, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", 22.0)
    contents = []
    for _ in range(2):
        assert slatelab("report", "runs").code == 0
        contents.append({path.name: path.read_bytes() for path in Path("report").iterdir()})
    assert contents[0] == contents[1]


def test_run_without_a_summary_is_named_and_left_out(slatelab: Slatelab, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", 22.0)
    (make_run(tmp_path / "runs" / "b", 22.0, seed=1) / "summary.json").unlink()
    result = slatelab("report", "runs")
    assert result.code == 0
    assert "runs/b has no summary yet" in result.err
    assert "Left out, since they have no summary: `runs/b`." in Path("report/results.md").read_text()
    (tmp_path / "runs" / "a" / "summary.json").unlink()
    result = slatelab("report", "runs")
    assert result.code == 2
    assert result.sentence == "slatelab: no run here has a summary yet; finish one with slatelab train --resume RUN"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["none"], "there is no run folder none"),
        (["empty"], "holds no run"),
        (["run", "--out", "run"], "run is a run folder"),
        (["run", "--out", "run/config.toml"], "is a file"),
    ],
)
def test_mistake_is_refused_before_anything_is_written(
    slatelab: Slatelab, tmp_path: Path, arguments: list[str], word: str
) -> None:
    make_run(tmp_path / "run", 22.0)
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    result = slatelab("report", *arguments)
    assert result.code == 2
    assert word in result.sentence
    assert sorted(tmp_path.rglob("*")) == before


def drop(summary: dict[str, Any], *path: str) -> Mapping[str, Any]:
    """Return a summary without one of its parts."""
    part = summary
    for name in path[:-1]:
        part = part[name]
    del part[path[-1]]
    return summary


@pytest.mark.parametrize(
    "path",
    [
        ("policies",),
        ("env",),
        ("policies", "slateq"),
        ("policies", "cosine", "ctr"),
        ("paired", "cosine", "return", "n"),
    ],
)
def test_broken_summary_is_a_failure(slatelab: Slatelab, tmp_path: Path, path: tuple[str, ...]) -> None:
    file = make_run(tmp_path / "run", 22.0) / "summary.json"
    file.write_text(json.dumps(drop(json.loads(file.read_text()), *path)))
    result = slatelab("report", "run")
    assert result.code == 1
    assert "summary.json is broken" in result.sentence
    assert not Path("report").exists()


def test_full_disk_is_a_failure_that_leaves_no_part(
    slatelab: Slatelab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "run", 22.0)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("encoders.files.os.fsync", full)
    result = slatelab("report", "run")
    assert result.code == 1
    assert "No space left on device" in result.sentence
    assert not list(Path("report").iterdir())


def test_run_without_a_learning_curve_is_named_and_still_compared(slatelab: Slatelab, tmp_path: Path) -> None:
    (make_run(tmp_path / "run", 22.0) / "metrics.csv").unlink()
    assert slatelab("report", "run").code == 0
    page = Path("report/results.md").read_text()
    assert "not among the learning curves: `run`" in page
    assert table_row(page, "**slateq**")[1] == "22.00 [21.00, 23.00]"


def test_one_seed_does_not_count_twice(slatelab: Slatelab, tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_run(tmp_path / "runs" / name, 22.0, seed=3)
    result = slatelab("report", "runs")
    assert result.code == 2
    assert "runs/a and runs/b are both slateq with seed 3" in result.sentence
    assert not Path("report").exists()


def test_part_of_a_run_is_named_and_left_out(slatelab: Slatelab, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", 22.0)
    (make_run(tmp_path / "runs" / "b", 23.0, seed=1) / "tensorboard").rmdir()
    result = slatelab("report", "runs")
    assert result.code == 0
    assert "runs/b is left out: it has no tensorboard folder" in result.err


def test_run_of_this_suite_can_be_reported(slatelab: Slatelab, finished: Path) -> None:
    result = slatelab("report", finished)
    assert result.code == 0, result.err
    assert "**toy:ToyAgent**" in Path("report/results.md").read_text()


def test_band_is_over_the_user_steps_that_all_seeds_share(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / f"{seed}", 30.0 * (seed + 1), seed) for seed in range(2)]
    (folders[1] / "metrics.csv").write_text("time/total_timesteps,rollout/ep_rew_mean\n150000,8\n250000,10\n")
    steps, median, low, high = figures.median_and_band(comparisons(*folders)[0].runs)
    first = steps * 30.0 / 300_032
    second = 8 + (steps - 150_000) / 50_000
    np.testing.assert_allclose(steps, [150_000, 200_000, 250_000])
    np.testing.assert_allclose(low, np.minimum(first, second))
    np.testing.assert_allclose(high, np.maximum(first, second))
    np.testing.assert_allclose(median, (first + second) / 2)


def test_labels_are_moved_apart_as_little_as_possible() -> None:
    assert figures.spread([0.0, 10.0], 1.0) == [0.0, 10.0]
    assert figures.spread([5.0, 5.0], 1.0) == [4.5, 5.5]
    assert figures.spread([5.2, 0.0, 5.0, 5.1], 1.0) == pytest.approx([6.1, 0.0, 4.1, 5.1])
    assert figures.spread([], 1.0) == []


@pytest.mark.parametrize(
    ("scale", "places"), [(0, 2), (3.5, 2), (35.2, 2), (352.0, 1), (3520.0, 0), (9e6, 0), (0.5, 3), (0.05, 4)]
)
def test_digits_follow_the_size_of_the_returns(scale: float, places: int) -> None:
    assert decimals(scale) == places
