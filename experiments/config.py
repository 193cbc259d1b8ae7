"""Settings in layers, from weakest: defaults, presets of the agent and of the pair, a TOML file, flags."""

import dataclasses
import importlib.resources
import tomllib
import typing
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from encoders.conversion import check_finite, convert
from encoders.errors import Failure, UsageError
from encoders.registry import lookup, unknown_name
from experiments.names import canonical_agent, canonical_env, canonical_tables
from experiments.namesakes import hidden_by_us
from experiments.settings import TABLES, RunSettings, TrainSettings

Tables = Mapping[str, Mapping[str, Any]]
AGENT = ("Settings", "METRICS", "NEEDS", "act", "update", "state_dict", "load_state_dict")
"""What a class of agents has, see `agents.protocol.Agent`."""
ENVIRONMENT = ("Settings", "METRICS", "POLICIES", "sample_users", "start", "step", "observe")
"""What every simulator has, see `envs.simulator.Simulator`."""


def resolve(*layers: Tables) -> RunSettings:
    """Return the settings of a run from layers of tables, weakest first, over the presets of agent and pair."""
    layers = tuple(canonical_tables(layer) for layer in layers)
    env, agent = choose_pair(*layers)
    env_settings, agent_settings = settings_classes(env, agent)
    layers = (preset_tables(env, agent), *layers)
    chosen = {"train": {"env": env, "agent": agent}}
    return RunSettings(
        train=build(TrainSettings, "train", *layers, chosen),
        env=build(env_settings, "env", *layers),
        agent=build(agent_settings, "agent", *layers),
    )


def read_tables(path: Path) -> dict[str, dict[str, Any]]:
    """Read a TOML file with the tables [train], [env], [agent], each of which may be missing.

    Raises:
        UsageError: no such file, not TOML, or a table of another name.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UsageError(f"there is no configuration file {path}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a TOML file: it is no UTF-8 text") from error
    return parse_tables(content, str(path))


def parse_tables(content: str, source: str) -> dict[str, dict[str, Any]]:
    """Parse the TOML text of a configuration that was found in ``source``."""
    try:
        tables = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source} is not valid TOML: {error}") from error
    return canonical_tables(check_tables(tables, source))


def check_tables(tables: Any, source: str) -> Tables:
    """Return tables of settings, or say what is none of them.

    Args:
        tables: the tables [train], [env] and [agent], each of which may be missing.
        source: where they come from.

    Raises:
        UsageError: a table of another name, or something that is no table.
    """
    if not isinstance(tables, Mapping):
        raise UsageError(f"{source} are {tables!r}; they have to be tables such as {{'agent': {{'discount': 0.9}}}}")
    for name, table in tables.items():
        if name not in TABLES:
            raise UsageError(f"{source}: {unknown_name('table', str(name), TABLES)}")
        if not isinstance(table, Mapping):
            raise UsageError(f"{source}: {name} has to be a table of settings, not {table!r}")
    return tables


def preset_tables(env: str, agent: str) -> dict[str, dict[str, Any]]:
    """Return the presets shipped for an agent in any environment and in this one, which is the stronger; or nothing."""
    tables: dict[str, Any] = {}
    for name in (f"{short_name(agent)}.toml", f"{short_name(env)}--{short_name(agent)}.toml"):
        preset = _presets() / name
        if preset.is_file():
            tables = _merge(tables, parse_tables(preset.read_text(encoding="utf-8"), f"preset {name}"))
    return tables


def _presets() -> Traversable:
    """Return the folder of the presets."""
    return importlib.resources.files("experiments") / "presets"


def short_name(name: str) -> str:
    """Return a name fit for a file: ``slatelab/Movies-v0`` is ``Movies-v0``, ``my:Agent`` is ``my-Agent``."""
    return name.removeprefix("slatelab/").replace("/", "-").replace(":", "-")


def settings_classes(env: str, agent: str) -> tuple[type[Any], type[Any]]:
    """Return the Settings of a simulator and of an agent, which imports both.

    Raises:
        UsageError: one of them is not known.
        Failure: it needs a package that is not installed.
    """
    return simulator_class(env).Settings, agent_class(agent).Settings


def simulator_class(env: str) -> Any:
    """Return the simulator class of an environment id."""
    import envs

    return _class("environment", env, lambda: envs.simulator_class(env), ENVIRONMENT)


def agent_class(agent: str) -> Any:
    """Return the class of an agent."""
    from agents import AGENTS

    return _class("agent", agent, lambda: lookup("agent", agent, AGENTS), AGENT)


def _class(kind: str, name: str, find: typing.Callable[[], Any], parts: Sequence[str]) -> Any:
    """Return a class that has its parts, or say what is the matter with it."""
    try:
        cls: Any = find()
    except ModuleNotFoundError as error:
        lacks = f'{kind} "{name}" needs the package "{error.name}", which is not installed'
        raise Failure(hidden_by_us(error.name) or lacks) from error
    if not isinstance(cls, type):
        raise UsageError(f'{kind} "{name}" is no class but of type {type(cls).__name__}; name the class')
    lacking = [part for part in parts if not hasattr(cls, part)]
    if lacking:
        raise UsageError(f'{kind} "{name}" lacks {", ".join(lacking)}; slatelab check {name} says all that is missing')
    if not dataclasses.is_dataclass(getattr(cls, "Settings", None)):
        raise UsageError(f'{kind} "{name}": its Settings are no dataclass; docs/extending.md shows one')
    return cls


def choose_pair(*layers: Tables) -> tuple[str, str]:
    """Return environment and agent as the last layer says that names them, else the defaults."""
    chosen: dict[str, Any] = {"env": TrainSettings.env, "agent": TrainSettings.agent}
    for layer in layers:
        chosen |= {name: layer.get("train", {})[name] for name in chosen if name in layer.get("train", {})}
    for name, value in chosen.items():
        if not isinstance(value, str):
            raise UsageError(f"[train] {name} is {value!r}, expected str")
    return canonical_env(chosen["env"]), canonical_agent(chosen["agent"])


def build(cls: type[Any], table: str, *layers: Tables) -> Any:
    """Build a settings dataclass from the table of that name in every layer, the later the stronger.

    Settings may be nested: a table within the table changes only what it names.

    Raises:
        UsageError: an unknown name (the nearest is suggested), a wrong type, or a value that cannot be.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer.get(table, {}))
    built = _apply(cls(), merged, f"[{table}]")
    check_finite(built, f"[{table}] ")
    return built


def _merge(weaker: Mapping[str, Any], stronger: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(weaker)
    for name, value in stronger.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merge(merged[name], value) if both else value
    return merged


def _apply(settings: Any, table: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(type(settings))
    names = [field.name for field in dataclasses.fields(settings)]
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in names:
            raise UsageError(f"{where} {unknown_name('setting', str(name), names)}")
        current = getattr(settings, name)
        if dataclasses.is_dataclass(current) and isinstance(value, Mapping):
            values[name] = _apply(current, value, f"{where} {name}:")
        else:
            values[name] = convert(hints[name], value, f"{where} {name}")
    try:
        return dataclasses.replace(settings, **values)
    except ValueError as error:
        raise UsageError(f"{where} {error}") from error
