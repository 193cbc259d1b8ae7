"""Settings: which layer wins, and what is refused."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import toy

from encoders.errors import UsageError
from experiments import config
from experiments.config import resolve
from experiments.creation import created
from experiments.folder import RunFolder
from experiments.verbs.train_flags import parse_train

PAIR = ["--env", "toy:Toy-v0", "--agent", "toy:ToyAgent"]


@dataclass(frozen=True, kw_only=True)
class Inner:
    """Settings within settings."""

    start: float = 1.0
    end: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Various:
    """One setting of each type."""

    number: float = 1.0
    count: int = 1
    flag: bool = False
    kind: Literal["a", "b"] = "a"
    maybe: int | None = 3
    sizes: tuple[int, ...] = (1, 2)
    place: Path | None = None
    inner: Inner = Inner(end=0.5)


@pytest.fixture
def preset(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {"train": {"steps": 10, "seed": 1}, "env": {"tiring": 0.1}, "agent": {"discount": 0.1}}
    monkeypatch.setattr(config, "preset_tables", lambda env, agent: tables)


@pytest.mark.usefixtures("preset")
def test_flag_beats_file_beats_preset_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[train]\nsteps = 20\n[agent]\ndiscount = 0.2\nlearning_rate = 0.2\n")
    run = parse_train([*PAIR, "--config", str(file), "--agent.learning-rate", "0.3"]).run
    assert (run.train.num_users, run.train.seed, run.train.steps) == (512, 1, 20)
    assert run.env.tiring == 0.1
    assert (run.agent.discount, run.agent.learning_rate) == (0.2, 0.3)


def test_file_may_name_the_pair_and_a_flag_may_name_another(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('[train]\nenv = "toy:Toy-v0"\nagent = "toy:ToyAgent"\n')
    assert isinstance(parse_train(["--config", str(file), "--trust"]).run.agent, toy.ToyAgentSettings)
    assert parse_train(["--config", str(file), "--agent", "random", "--trust"]).run.train.agent == "random"


def test_encoder_flag_sets_the_setting_of_the_environment() -> None:
    assert parse_train([*PAIR, "--encoder", "tiny"]).run.env.encoder == "tiny"


def test_encoder_flag_is_refused_where_no_text_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, kw_only=True)
    class NoText:
        """No setting `encoder`."""

    monkeypatch.setattr(toy.Toy, "Settings", NoText)
    with pytest.raises(UsageError, match="reads no text"):
        parse_train([*PAIR, "--encoder", "tiny"])


def test_written_configuration_gives_the_same_settings(tmp_path: Path) -> None:
    run = parse_train([*PAIR, "--agent.mode", "x", "--seed", "4"]).run
    with created(RunFolder(tmp_path / "run"), run):
        pass
    again = parse_train(["--config", str(tmp_path / "run" / "config.toml"), "--trust"]).run
    assert again == run


@pytest.mark.usefixtures("preset")
def test_python_layers_are_the_same_as_the_command_line() -> None:
    run = resolve({"train": {"env": "toy:Toy-v0", "agent": "toy:ToyAgent", "steps": 30}})
    assert (run.train.steps, run.train.seed, run.agent.discount) == (30, 1, 0.1)


def test_toml_values_become_the_annotated_types() -> None:
    values = {"number": 2, "sizes": [3], "place": "a/b", "maybe": "None", "kind": "b"}
    built = config.build(Various, "env", {"env": values})
    assert built == Various(number=2.0, sizes=(3,), place=Path("a/b"), maybe=None, kind="b")
    assert isinstance(built.number, float)


def test_nested_table_changes_only_what_it_names() -> None:
    layers = [{"env": {"inner": {"start": 3}}}, {"env": {"inner": {"end": 0.25}}}]
    assert config.build(Various, "env", *layers).inner == Inner(start=3.0, end=0.25)
    assert config.build(Various, "env", layers[0]).inner == Inner(start=3.0, end=0.5)
    with pytest.raises(UsageError, match=r'\[env\] inner: unknown setting "strat"; did you mean "start"'):
        config.build(Various, "env", {"env": {"inner": {"strat": 3}}})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", "x"),
        ("number", True),
        ("count", 1.5),
        ("count", True),
        ("flag", 1),
        ("kind", "c"),
        ("maybe", "x"),
        ("sizes", ["x"]),
        ("sizes", 3),
        ("place", 3),
        ("inner", 3),
    ],
)
def test_value_of_the_wrong_type_is_named(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"\[env\] {name} (is .*expected|\"c\" \(known: a, b)"):
        config.build(Various, "env", {"env": {name: value}})


def test_unknown_setting_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r'\[env\] unknown setting "nunber"; did you mean "number"\?'):
        config.build(Various, "env", {"env": {"nunber": 1}})


def test_unknown_table_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match='unknown table "agnt"; did you mean "agent"'):
        config.parse_tables("[agnt]\nx = 1\n", "my.toml")


def test_preset_of_the_pair_beats_that_of_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_presets", lambda: tmp_path)
    assert config.preset_tables("slatelab/Movies-v0", "dqn") == {}
    (tmp_path / "dqn.toml").write_text("[train]\nsteps = 5\nnum_users = 2\n[agent.exploration]\nend = 0.5\n")
    assert config.preset_tables("slatelab/News-v0", "dqn")["train"] == {"steps": 5, "num_users": 2}
    (tmp_path / "Movies-v0--dqn.toml").write_text("[train]\nsteps = 7\n[agent.exploration]\nstart = 0.75\n")
    assert config.preset_tables("slatelab/Movies-v0", "dqn") == {
        "train": {"steps": 7, "num_users": 2},
        "agent": {"exploration": {"start": 0.75, "end": 0.5}},
    }
    assert config.preset_tables("slatelab/Movies-v0", "pqn") == {}


def test_every_shipped_preset_builds() -> None:
    from agents import AGENTS
    from envs import ENVIRONMENTS

    names = {entry.name for entry in config._presets().iterdir() if entry.name.endswith(".toml")}
    pairs = {f"{config.short_name(env)}--{agent}.toml": (env, agent) for env in ENVIRONMENTS for agent in AGENTS}
    pairs |= {f"{agent}.toml": (env, agent) for env in ENVIRONMENTS for agent in AGENTS}
    assert names
    assert names <= pairs.keys()
    for name in names:
        env, agent = pairs[name]
        run = resolve({"train": {"env": env, "agent": agent}})
        assert run.train.env == env


def test_an_environment_of_ours_may_be_named_without_its_namespace() -> None:
    assert config.choose_pair({"train": {"env": "Movies-v0"}})[0] == "slatelab/Movies-v0"
    assert config.choose_pair({"train": {"env": "my_module:Movies-v0"}})[0] == "my_module:Movies-v0"


def test_no_preset_is_told_the_choice_model_but_that_of_the_agent_that_says_so() -> None:
    told = {
        entry.name
        for entry in config._presets().iterdir()
        if entry.name.endswith(".toml")
        and "multinomial" in str(config.parse_tables(entry.read_text(), entry.name).get("agent", {}).get("choice"))
    }
    assert told == {"InterestEvolution-v0--slateq_given.toml"}
