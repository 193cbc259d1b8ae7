"""`slatelab check` and `check(…)`: a line for each check, an exit code that tells the truth, sentences for mistakes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Result
from toy import Toy

import envs
from agents import AGENTS
from encoders.errors import UsageError
from experiments import check
from experiments.checking.agents import AGENT_CHECKS
from experiments.checking.environments import ENVIRONMENT_CHECKS
from experiments.checking.finding import find

Slatelab = Callable[..., Result]


def test_an_environment_without_a_fault_ends_with_0_and_a_line_for_each_check(slatelab: Slatelab) -> None:
    result = slatelab("check", "toy:Toy-v0")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == "environment toy:Toy-v0"
    # Building it is a check of its own; the toy's items change, so that one cannot be told.
    assert sum(line.startswith("✓ ") for line in lines) == len(ENVIRONMENT_CHECKS)
    assert sum(line.startswith("– ") for line in lines) == 1
    assert "    spec.static_items is False" in lines
    assert lines[-1] == f"{len(ENVIRONMENT_CHECKS)} of {len(ENVIRONMENT_CHECKS)} checks passed, 1 open"


def test_an_agent_with_a_fault_ends_with_1_and_says_which(slatelab: Slatelab, tmp_path: Path) -> None:
    (tmp_path / "hasty.py").write_text(
        "import torch\nfrom good_agent import GoodAgent\n\n\nclass Hasty(GoodAgent):\n"
        "    def act(self, observation, explore):\n"
        "        return torch.zeros(len(observation['user']), self.spec.slate_size, dtype=torch.int64)\n"
    )
    result = slatelab("check", "hasty:Hasty")
    assert result.code == 1
    assert "✗ Slates are positions of candidates, as many as there are slots, none twice" in result.out
    assert "shows a position twice in one slate: [0, 0]" in result.out
    assert result.sentence.startswith("slatelab: 1 check(s) failed")
    assert "Traceback" not in result.err


@pytest.mark.parametrize("name", ["slatelab/InterestEvolution-v0", "InterestEvolution-v0", "cosine"])
def test_a_registered_name_is_checked(slatelab: Slatelab, name: str) -> None:
    assert slatelab("check", name).code == 0


MODULE = """
import nothing_of_that_name
"""
MISTAKES: dict[str, tuple[str, int, str]] = {
    "an unknown name": ("slatq", 2, 'unknown environment or agent "slatq"; did you mean "slateq"?'),
    "an unknown id": ("slatelab/Movie-v0", 2, 'did you mean "slatelab/Movies-v0"?'),
    "no module": ("nowhere:Mine", 2, 'there is no module "nowhere" to import'),
    "a file": ("mistakes.py:Mine", 2, 'name the module, not the file: "mistakes"'),
    "no class of that name": ("mistakes:Mine", 2, 'has no class "Mine" and registers no such environment'),
    "a function": ("mistakes:function", 2, '"mistakes:function" is no class but of type function'),
    "another class": ("mistakes:Other", 2, "is neither an agent, which has act, update"),
    "an environment of Gymnasium": ("mistakes:OfGymnasium", 2, "is an environment of Gymnasium"),
    "no settings": ("mistakes:NoSettings", 1, "mistakes:NoSettings has no Settings, a dataclass"),
    "settings without defaults": (
        "mistakes:NoDefaults",
        1,
        "the settings of mistakes:NoDefaults cannot be built: TypeError",
    ),
    "a class that cannot be built": ("mistakes:Broken", 1, "ZeroDivisionError: division by zero (mistakes.py, line"),
    "a module with an error": ("syntax:Mine", 1, 'the module "syntax" cannot be imported: SyntaxError'),
    "a module that ends": ("ends:Mine", 1, 'the module "ends" cannot be imported: SystemExit: 3'),
    "a package that is not there": ("lacking:Mine", 1, "nothing_of_that_name"),
}
FILES = {
    "mistakes.py": """
from dataclasses import dataclass

import gymnasium
from toy import Toy


def function():
    pass


class Other:
    pass


class OfGymnasium(gymnasium.Env):
    observation_space = action_space = gymnasium.spaces.Discrete(2)


class NoSettings:
    def act(self):
        pass


class NoDefaults(Toy):
    @dataclass
    class Settings:
        size: int


class Broken(Toy):
    def __init__(self, settings, device):
        self.size = 1 / 0
""",
    "syntax.py": "def (:\n",
    "ends.py": "raise SystemExit(3)\n",
    "lacking.py": "import nothing_of_that_name\n",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_a_sentence(
    slatelab: Slatelab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    import sys

    name, code, sentence = MISTAKES[mistake]
    for file, text in FILES.items():
        (tmp_path / file).write_text(text)
        monkeypatch.delitem(sys.modules, file.removesuffix(".py"), raising=False)
    result = slatelab("check", name)
    assert result.code == code, result.err
    assert sentence in result.sentence
    assert "Traceback" not in result.err


def test_a_setting_that_cannot_be_is_refused(slatelab: Slatelab) -> None:
    assert slatelab("check", "toy:Toy-v0", "--env.time-limit", "many").code == 2
    assert slatelab("check", "good_agent:GoodAgent", "--agent.epsilonn", "1").code == 2
    assert "device" in slatelab("check", "toy:Toy-v0", "--device", "abacus").sentence
    with pytest.raises(UsageError, match='did you mean "time_limit"'):
        check(Toy, settings={"time_limits": 3})
    with pytest.raises(UsageError, match="env is where an agent is checked"):
        check(Toy, env="toy:Toy-v0")


def test_help_lists_the_settings_of_a_class(slatelab: Slatelab) -> None:
    assert slatelab("check", "--help").code == 0
    plain = slatelab("check", "--help").out
    named = slatelab("check", "good_agent:GoodAgent", "--help").out
    assert "NAME" in plain
    assert "--agent.epsilon" in named
    assert slatelab("check").code == 2


def test_settings_reach_the_class(slatelab: Slatelab) -> None:
    assert slatelab("check", "toy:Toy-v0", "--env.time-limit", "3").code == 0
    report = check(Toy, settings={"time_limit": 0})
    assert dict(report.findings)["it_has_every_method_and_attribute_of_a_simulator"].startswith("time_limit is 0")


def test_an_agent_is_checked_in_an_environment_of_its_own() -> None:
    assert not check("toy:ToyAgent").passed
    report = check("toy:ToyAgent", env="toy:Toy-v0")
    assert report.passed, str(report)
    assert str(report).startswith("agent toy:ToyAgent\n✓ It has every method")
    assert str(report).endswith(f"{len(AGENT_CHECKS) - 1} of {len(AGENT_CHECKS) - 1} checks passed, 1 open")


def test_every_registered_name_is_found() -> None:
    for name in AGENTS:
        if name != "sb3_maskable_ppo":
            assert find(name).kind == "agent"
    for name in envs.ENVIRONMENTS:
        assert find(name).kind == find(name.removeprefix("slatelab/")).kind == "environment"
        assert find(f"envs:{name}").cls is find(name).cls


def test_checking_leaves_the_global_random_numbers_as_they_were() -> None:
    import random

    import numpy as np
    import torch

    def states() -> Any:
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002

    before = states()
    check(Toy)
    check("good_agent:GoodAgent")
    assert states() == before


def test_it_runs_without_pytest() -> None:
    import subprocess
    import sys

    code = "import sys; sys.modules['pytest'] = None; from experiments import check; assert check('cosine').passed"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
