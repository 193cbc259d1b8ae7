"""The command line: what it says, how fast, and one sentence with the right exit code for every mistake."""

import errno
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import toy
from command_line import SMALL, Result

from experiments.cli import VERBS, main
from experiments.verbs.dashboard import find_boards

ROOT = Path(__file__).resolve().parents[3]
Slatelab = Callable[..., Result]


def assert_refused(result: Result, code: int, *words: str) -> None:
    """One sentence on stderr that holds these words, an exit code, no traceback."""
    assert result.code == code, result.err
    assert result.sentence.startswith("slatelab: ")
    for word in words:
        assert word in result.sentence
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], ['unknown command "trian"', 'did you mean "train"']),
        (
            ["train", "--env", "slatelab/Movis-v0"],
            ["unknown environment", 'did you mean "slatelab/Movies-v0"'],
        ),
        (["train", "--env", "no_such_module:X-v0"], ['no module "no_such_module"']),
        (["train", "--env", "toy:Toy-v0", "--agent", "cosin"], ["unknown agent", 'did you mean "cosine"']),
        (["train", "--env", "toy:Toy-v0", "--agent", "toy:Nobody"], ['has no "Nobody"']),
        (["train", *SMALL, "--device", "tpu9"], ['device "tpu9" cannot be used']),
        (["train", *SMALL, "--seed", "-1"], ["seed is -1; it has to be at least 0"]),
        (["train", *SMALL, "--eval-users", "1"], ["eval_users is 1"]),
        (["train", "--config", "none.toml"], ["there is no configuration file none.toml"]),
        (["train", "--resume", "none"], ["there is no run folder none"]),
        (["train", "--resume", "none", "--overwrite"], ["leave --overwrite out"]),
        (["train", "--resume", "none", "--out", "other"], ["leave --out out"]),
        (["evaluate", "none"], ["there is no run folder none"]),
        (["dashboard", "none"], ["there is no run folder none"]),
        (["dashboard", "--port", "-1"], ["--port is -1; it has to be from 0 to 65535"]),
        (["dashboard", "--port", "65536"], ["--port is 65536"]),
        (["train", "--agent", "json:loads"], ['agent "json:loads" is no class but of type function']),
        (["train", "--agent", "json:JSONDecoder"], ["lacks Settings, METRICS, NEEDS, act", "slatelab check"]),
        (["train", "--agent", "::"], ['agent "::": "" cannot be the name of a module']),
        (["train", "--agent", "my.py:Mine"], ['no module "my.py"', 'name the module, not the file: "my"']),
        (["train", "--env", ".x:y"], ['environment ".x:y": ".x" cannot be the name of a module']),
        (["train", "--env", "json:loads"], ['unknown environment "loads"']),
        (["score", "a", "b", "--encoder", "a..b:c"], ['encoder "a..b:c": "a..b" cannot be the name of a module']),
        (["score", "a", "b", "--encoder", ":"], ['encoder ":": "" cannot be the name of a module']),
        (["benchmark", "--agents", ":"], ['agent ":": "" cannot be the name of a module']),
        (["check", ".x:y"], ['".x" cannot be the name of a module']),
    ],
)
def test_mistake_gets_one_sentence_and_exit_code_2(
    slatelab: Slatelab, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    assert_refused(slatelab(*arguments), 2, *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[train]\nstesp = 3\n", ['[train] unknown setting "stesp"', 'did you mean "steps"']),
        ("[env]\ntirng = 3\n", ['[env] unknown setting "tirng"', 'did you mean "tiring"']),
        ('[agent]\ndiscount = "high"\n', ["[agent] discount is 'high', expected float"]),
        ("[agent]\ndiscount = 2\n", ["[agent] discount is 2.0; it has to lie in [0, 1]"]),
        ("[train]\nsteps = -5\n", ["[train] steps is -5"]),
        ("[agnt]\n", ['unknown table "agnt"', 'did you mean "agent"']),
        ("steps = 5\n", ["unknown table"]),
        ("train = 5\n", ["has to be a table"]),
        ("[train\n", ["is not valid TOML", "line 1"]),
    ],
)
def test_mistake_in_the_configuration_is_named(
    slatelab: Slatelab, tmp_path: Path, content: str, words: list[str]
) -> None:
    (tmp_path / "my.toml").write_text(content)
    assert_refused(slatelab("train", *SMALL, "--config", "my.toml"), 2, *words)
    assert [path.name for path in tmp_path.iterdir()] == ["my.toml"]


@pytest.mark.parametrize("flag", ["--no-such-flag", "--steps", "--agent.no-such-flag"])
def test_line_that_cannot_be_parsed_ends_with_2(slatelab: Slatelab, tmp_path: Path, flag: str) -> None:
    assert slatelab("train", *SMALL, flag, "word").code == 2
    assert not list(tmp_path.iterdir())


def test_value_that_an_agent_refuses_ends_with_2_and_its_sentence(slatelab: Slatelab, tmp_path: Path) -> None:
    result = slatelab("train", *SMALL, "--agent.discount", "2")
    assert result.code == 2
    assert "discount is 2.0; it has to lie in [0, 1]" in result.err
    assert not list(tmp_path.iterdir())


def test_environment_that_is_no_simulator_is_wrong_usage(
    slatelab: Slatelab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy, "Toy", dict)
    refused = slatelab("train", "--env", "toy:Toy-v0", "--agent", "random")
    assert_refused(refused, 2, 'environment "toy:Toy-v0" lacks Settings', "slatelab check toy:Toy-v0 says all")
    assert not list(tmp_path.iterdir())


def test_encoder_that_cannot_be_built_is_a_failure(slatelab: Slatelab) -> None:
    assert_refused(slatelab("score", "a", "b", "--encoder", "json:loads"), 1, "cannot be built: TypeError: the JSON")


def test_agent_that_needs_what_the_environment_lacks_is_refused(
    slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.ToyAgent, "NEEDS", ("budget",))
    assert_refused(slatelab("train", *SMALL), 2, "needs the observation budget")


def test_agent_that_refuses_its_settings_at_construction_is_wrong_usage(
    slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*arguments: Any, **named: Any) -> None:
        raise ValueError("too many clusters")

    monkeypatch.setattr(toy.ToyAgent, "__init__", refuse)
    assert_refused(slatelab("train", *SMALL), 2, "too many clusters")
    assert not list(tmp_path.iterdir())


def test_run_folder_that_exists_is_left_alone_unless_told(slatelab: Slatelab, finished: Path) -> None:
    shutil.copytree(finished, "run")
    before = Path("run/summary.json").stat().st_mtime_ns
    assert_refused(slatelab("train", *SMALL, "--out", "run"), 2, "--resume run", "--overwrite", "--out")
    assert Path("run/summary.json").stat().st_mtime_ns == before
    assert slatelab("train", *SMALL, "--out", "run", "--overwrite", "--seed", "3").code == 0
    assert "seed = 3" in Path("run/config.toml").read_text()


@pytest.mark.parametrize("name", ["thesis.tex", "config.toml"])
def test_overwrite_touches_only_what_a_run_made(slatelab: Slatelab, name: str) -> None:
    Path("home").mkdir()
    Path("home", name).write_text("precious")
    Path("home", "notes.txt").write_text("precious")
    assert_refused(slatelab("train", *SMALL, "--out", "home", "--overwrite"), 2, "does not touch it")
    assert Path("home", name).read_text() == "precious"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--agent", "cosine"], ['made with agent "toy:ToyAgent", not "cosine"', "without --agent"]),
        (["--env", "slatelab/Movies-v0"], ['made with env "toy:Toy-v0"', "without --env"]),
        (["--seed", "5"], ["[train] seed = 0, not 5"]),
        (["--env.tiring", "0.1"], ["[env] tiring = 0.6, not 0.1"]),
        (["--agent.discount", "0.5"], ["[agent] discount = 0.9, not 0.5"]),
        (["--config", "x.toml"], ["leave --config out"]),
    ],
)
def test_checkpoint_of_other_settings_is_refused(
    slatelab: Slatelab, finished: Path, flags: list[str], words: list[str]
) -> None:
    shutil.copytree(finished, "run")
    Path("run/summary.json").unlink()
    assert_refused(slatelab("train", "--resume", "run", *flags), 2, *words)


def test_checkpoint_of_another_agent_is_refused(slatelab: Slatelab, finished: Path) -> None:
    shutil.copytree(finished, "run")
    Path("run/summary.json").unlink()
    config = Path("run/config.toml").read_text().replace('"toy:ToyAgent"', '"cosine"').partition("[agent]")[0]
    Path("run/config.toml").write_text(config)
    assert_refused(slatelab("train", "--resume", "run"), 2, 'made with agent "toy:ToyAgent", not "cosine"')
    assert_refused(slatelab("evaluate", "run"), 2, 'made with agent "toy:ToyAgent", not "cosine"')


@pytest.mark.parametrize("damage", ["cut", "emptied", "text", "no header"])
def test_corrupt_checkpoint_is_a_failure(slatelab: Slatelab, finished: Path, damage: str) -> None:
    import safetensors.torch
    import torch

    shutil.copytree(finished, "run")
    Path("run/summary.json").unlink()
    path = Path("run/checkpoint/state.safetensors")
    content = {
        "cut": path.read_bytes()[:-20],
        "emptied": b"",
        "text": b"hello, I am no checkpoint",
        "no header": safetensors.torch.save({"x": torch.zeros(1)}),
    }
    path.write_bytes(content[damage])
    assert_refused(slatelab("train", "--resume", "run"), 1, "is broken", "--overwrite")
    assert_refused(slatelab("evaluate", "run"), 1, "is broken")


def test_run_without_a_checkpoint_cannot_be_evaluated(slatelab: Slatelab, finished: Path) -> None:
    Path("run").mkdir()
    shutil.copy(finished / "config.toml", "run")
    assert_refused(slatelab("evaluate", "run"), 1, "there is no checkpoint")


def test_full_disk_is_a_failure_that_keeps_the_last_checkpoint(
    slatelab: Slatelab, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, "run")
    Path("run/summary.json").unlink()
    before = Path("run/checkpoint/state.safetensors").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("encoders.files.os.fsync", full)
    assert_refused(slatelab("train", *SMALL, "--out", "new"), 1, "No space left on device")
    assert [path.name for path in Path.cwd().iterdir()] == ["run"]
    assert_refused(slatelab("train", "--resume", "run"), 1, "No space left on device")
    assert Path("run/checkpoint/state.safetensors").read_bytes() == before
    assert not list(Path("run").rglob("*.part"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), ["No space left on device", "--resume RUN"]),
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "runs"),
            ["Permission denied", "runs", "choose a folder that you may write to"],
        ),
        (MemoryError("Unable to allocate 74.5 GiB for an array"), ["the memory is not enough (74.5 GiB more"]),
        (ModuleNotFoundError("No module named 'tensorboard'", name="tensorboard"), ['"tensorboard" is not installed']),
    ],
)
def test_what_the_system_refuses_is_a_failure_in_one_sentence(
    slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch, error: Exception, words: list[str]
) -> None:
    def refuse(*arguments: Any, **named: Any) -> None:
        raise error

    monkeypatch.setattr("experiments.tracking.logbook.Board", refuse)
    assert_refused(slatelab("train", *SMALL, "--out", "run"), 1, *words)


@pytest.mark.parametrize(("closed", "words"), [(-0.5, "earns less than the myopic oracle"), (0.5, "closes 50%")])
def test_sentence_below_the_table_is_about_the_way_to_the_near_oracle(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], closed: float, words: str
) -> None:
    from experiments.evaluation import Evaluation
    from experiments.statistics import Estimate
    from experiments.verbs.tables import print_evaluation

    earned = {"random": 0.0, "myopic_oracle": 10.0, "near_oracle": 20.0, "mine": 10.0 + 10.0 * closed}
    policies = {
        name: {metric: Estimate(value, None, None, 9) for metric in ("return", "length", "ctr")}
        for name, value in earned.items()
    }
    print_evaluation(Evaluation(agent="mine", policies=policies))
    assert f"mine {words}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("users", "clusters", "told", "warned"),
    [
        (1000, 131, "1,000 users around 131 raters or personas, one session each", False),
        (1000, 12, "1,000 users around 12 raters or personas, one session each", True),
        (1000, 1000, "1,000 users, one session each", False),
        (1000, None, "1,000 users, one session each", False),
    ],
)
def test_table_says_around_how_many_users_were_drawn_and_warns_of_few(
    capsys: pytest.CaptureFixture[str], users: int, clusters: int | None, told: str, warned: bool
) -> None:
    from experiments.evaluation import Evaluation
    from experiments.statistics import Estimate
    from experiments.verbs.tables import print_evaluation

    estimates = {metric: Estimate(1.0, 0.5, 1.5, users) for metric in ("return", "length", "ctr")}
    print_evaluation(Evaluation(agent="mine", policies={"mine": estimates}, clusters=clusters))
    out = " ".join(capsys.readouterr().out.split())
    assert told in out
    assert ("Intervals over 12 raters or personas are too narrow" in out) == warned


def test_list_names_everything_that_is_registered(slatelab: Slatelab) -> None:
    from agents import AGENTS
    from encoders import ENCODERS, PRIVILEGED
    from envs import ENVIRONMENTS

    out = slatelab("list").out
    for name in (*AGENTS, *ENCODERS, *PRIVILEGED, *ENVIRONMENTS):
        assert name in out
    assert "privileged" in out
    assert "cosine" not in slatelab("list", "encoders").out


@pytest.mark.parametrize("arguments", [["--help"], ["list"], *([verb, "--help"] for verb in VERBS)])
def test_help_and_list_answer_at_once_without_torch(arguments: list[str]) -> None:
    program = (
        "import sys; from experiments.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(code or (3 if 'torch' in sys.modules else 0))"
    )
    command = [sys.executable, "-c", program, *arguments]
    times = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        times.append(time.perf_counter() - began)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(done.stdout) > 100
        if times[-1] < 0.5:
            break
    # The bound is 0.5 s on a quiet machine; importing torch alone takes longer than this.
    assert min(times) < 1.5


def test_help_of_a_pair_lists_its_nested_settings(slatelab: Slatelab) -> None:
    out = slatelab("train", "--env", "toy:Toy-v0", "--agent", "toy:ToyAgent", "--help").out
    for flag in ("--env.tiring", "--agent.learning-rate", "--steps", "--resume"):
        assert flag in out


def test_dashboard_finds_the_boards_of_runs_and_of_folders_of_runs(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "runs" / "a")
    shutil.copytree(finished, tmp_path / "runs" / "run")
    boards = find_boards([tmp_path / "runs", finished, finished])
    assert boards.keys() == {"a", "run", "run (2)"}
    assert boards["run (2)"] == finished.resolve() / "tensorboard"


def test_dashboard_serves_scalars_and_the_projector_until_ctrl_c(finished: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}"}
    command = [sys.executable, "-m", "experiments", "dashboard", str(finished), "--port", str(port)]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        # A test run in the background ignores SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}/" in process.stdout.readline()
        page = f"http://127.0.0.1:{port}/data/plugin/projector/runs"
        with urllib.request.urlopen(page, timeout=30) as answer:
            assert json.load(answer) == ["run"]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_dashboard_on_a_port_in_use_is_a_failure(slatelab: Slatelab, finished: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_refused(slatelab("dashboard", finished, "--port", port), 1, "choose another --port")


def test_own_agent_in_the_working_folder_needs_no_registration(slatelab: Slatelab) -> None:
    Path("my_agent.py").write_text("from agents.baselines import Random\n\nclass MyAgent(Random):\n    pass\n")
    result = slatelab("train", *SMALL, "--agent", "my_agent:MyAgent", "--steps", "32", "--out", "run")
    assert result.code == 0
    assert "my_agent:MyAgent" in result.out


def test_narrow_terminal_shows_every_figure(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from experiments.evaluation import Panel
    from experiments.run import load
    from experiments.verbs import tables

    console = Console(width=60, record=True, file=io.StringIO())
    monkeypatch.setattr(tables, "console", lambda: console)
    result = load(finished, trust=True).evaluate(Panel(users=20))
    tables.print_evaluation(result)
    text = console.export_text()
    for estimates in result.policies.values():
        assert f"{estimates['return'].mean:.2f}" in text
        assert f"{estimates['ctr'].mean:.3f}" in text
    assert "…" not in text


def test_progress_that_is_piped_is_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments import progress

    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr("experiments.progress.time.monotonic", lambda: float(next(clock)))
    with progress.TrainingProgress(total=400) as shown:
        shown.note({"rollout/ep_rew_mean": 2.5})
        for done in range(100, 401, 100):
            shown.move(done)
    lines = capsys.readouterr().err.splitlines()
    # Six seconds a move: every second move is due, and the last one is.
    assert lines == [
        "training: 200 of 400 user-steps · 17/s · return 2.50 · 12 s left",
        "training: 400 of 400 user-steps · 17/s · return 2.50 · 0 s left",
    ]


@pytest.mark.parametrize(("total", "width"), [(300_000, 80), (10_000_000, 80), (300_000, 200)])
def test_a_terminal_shows_the_whole_line_of_progress(monkeypatch: pytest.MonkeyPatch, total: int, width: int) -> None:
    from rich.console import Console

    from experiments import progress

    console = Console(width=width, force_terminal=True, file=io.StringIO(), color_system=None)
    monkeypatch.setattr(progress, "Console", lambda stderr: console)
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: True))
    clock = iter(range(0, 10_000, 13))
    monkeypatch.setattr("experiments.progress.time.monotonic", lambda: float(next(clock)))
    shown = progress.TrainingProgress(total)
    shown.note({"rollout/ep_rew_mean": -1234.567})
    shown.move(total - 512)
    assert shown.shown is not None
    with console.capture() as captured:
        console.print(shown.shown.get_renderable())
    (line,) = captured.get().splitlines()
    assert f" {total - 512:,} of {total:,} user-steps · " in line
    assert line.endswith("/s · return -1234.57 · 0:00:00 left")
    assert len(line) <= width


def test_a_wait_without_end_is_shown_as_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments import progress

    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: True, write=len, flush=lambda: None))
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_MOVES", 0.0)
    shown = progress.TrainingProgress(10**12)
    shown.move(0)
    assert shown.shown is not None
    assert shown.shown.tasks[0].fields["text"].endswith(f" · {timedelta(seconds=progress.FOREVER)} left")


def test_score_prints_the_cosine_of_two_texts(slatelab: Slatelab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLATELAB_CACHE", "cache")
    same = slatelab("score", "a film", "a film", "--encoder", "tiny")
    assert same.code == 0
    assert float(same.out) == pytest.approx(1.0, abs=1e-4)
    assert_refused(slatelab("score", "a film", "a film", "--encoder", "minlm"), 2, 'did you mean "minilm"')
    assert_refused(slatelab("score", "a film", " ", "--encoder", "tiny"), 2, "the item's text is blank")


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.verbs.list.main", interrupt)
    assert main(["list"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_zero_byte_is_told_in_a_sentence_wherever_it_stands(slatelab: Callable[..., Result]) -> None:
    for arguments in (("train", "--config", "\0"), ("report", "\0"), ("evaluate", "a\0b")):
        result = slatelab(*arguments)
        assert (result.code, "holds a zero byte" in result.sentence) == (2, True)
