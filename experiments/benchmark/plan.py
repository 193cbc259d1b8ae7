"""What a benchmark is to run: a cell for each environment, encoder, agent and seed that it was asked for."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from encoders.errors import Failure, UsageError
from envs.simulator import resolve_device
from experiments import config
from experiments.benchmark.cells import Cell, encoder_name, first_difference
from experiments.benchmark.settings import BenchmarkSettings
from experiments.names import canonical_agent, canonical_encoder, canonical_env
from experiments.progress import say
from experiments.settings import RunSettings
from experiments.trust import check_trusted

DECIDED = {"env": "--envs", "agent": "--agents", "seed": "--seeds", "eval_users": "--eval-users", "out": "--out"}
"""Settings of [train] that the benchmark decides itself, and the flag that says them."""


def plan(settings: BenchmarkSettings) -> list[Cell]:
    """Return the cells of a benchmark, one environment after the other.

    Raises:
        UsageError: a name, a setting or a value that cannot be.
        Failure: an agent or environment that was asked for is not installed.
    """
    tables = {} if settings.config is None else _read_config(settings.config, settings.trust)
    agents, envs = _agents(settings), _envs(settings, tables)
    cells: list[Cell] = []
    for arena in [(env, encoder) for env in envs for encoder in _encoders(settings, env)]:
        of_arena = [cell for agent in agents for cell in _cells(settings, tables, arena, agent)]
        _check_one_environment(of_arena)
        cells += of_arena
    taken: dict[str, Cell] = {}
    for cell in cells:
        other = taken.setdefault(cell.name, cell)
        if other is not cell:
            pairs = " and ".join(f"{one.run.train.env} with {one.run.train.agent}" for one in (other, cell))
            if cell.encoder:
                pairs += f", with {other.run.env.encoder} and {cell.run.env.encoder},"
            raise UsageError(f"{pairs} would share the folder {cell.folder.path}; give them two --out")
    return cells


def _read_config(path: Path, trust: bool) -> config.Tables:
    tables = config.read_tables(path)
    for name in tables.get("train", {}):
        if name in DECIDED:
            raise UsageError(f"{path}: [train] {name} is decided by {DECIDED[name]}; leave it out")
    if not trust:
        check_trusted(tables, path, set())
    return tables


def _agents(settings: BenchmarkSettings) -> list[str]:
    if settings.agents:
        named = list(dict.fromkeys(map(canonical_agent, settings.agents)))
        for name in named:
            config.agent_class(name)
        return named
    from agents import AGENTS

    found = []
    for name in AGENTS:
        try:
            config.agent_class(name)
        except Failure as error:
            say(f"left out: {error}")
        else:
            found.append(name)
    return found


def _envs(settings: BenchmarkSettings, tables: config.Tables) -> list[str]:
    from envs import ENVIRONMENTS

    named = [canonical_env(name) for name in settings.envs]
    for env in named:
        config.simulator_class(env)
        if _lacks_data(settings, tables, env):
            raise UsageError(f"{env} needs your data; give --data FOLDER, or leave it out")
    envs = list(dict.fromkeys(named)) or [env for env in ENVIRONMENTS if not _lacks_data(settings, tables, env)]
    if settings.data is not None and not any(_takes(env, "data") for env in envs):
        raise UsageError("--data is for slatelab/Ratings-v0, which is not among --envs; add it, or leave --data out")
    if settings.encoders and not any(_takes(env, "encoder") for env in envs):
        raise UsageError("--encoders is for environments over texts, and --envs has none; add one, or leave it out")
    return envs


def _encoders(settings: BenchmarkSettings, env: str) -> list[str | None]:
    """Return the encoders through which an environment is seen; None for its own, or where it has none."""
    if not settings.encoders or not _takes(env, "encoder"):
        return [None]
    return list(dict.fromkeys(map(canonical_encoder, settings.encoders)))


def _lacks_data(settings: BenchmarkSettings, tables: config.Tables, env: str) -> bool:
    """Return whether an environment asks for a folder of the user's that nobody has given."""
    asked = config.build(config.simulator_class(env).Settings, "env", *_layers(settings, tables, env, ""))
    return getattr(asked, "data", None) == ""


def _layers(settings: BenchmarkSettings, tables: config.Tables, env: str, agent: str) -> list[config.Tables]:
    """Return the layers above the preset of a pair, weakest first."""
    from agents import AGENTS
    from envs import ENVIRONMENTS

    envs = {*ENVIRONMENTS, *map(canonical_env, settings.envs)}
    plain_env, own_env = _split(tables.get("env", {}), envs, env)
    plain_agent, own_agent = _split(tables.get("agent", {}), {*AGENTS, *map(canonical_agent, settings.agents)}, agent)
    layers: list[config.Tables] = [{"train": tables.get("train", {}), "env": plain_env, "agent": plain_agent}]
    layers.append({"env": own_env, "agent": own_agent})
    if settings.data is not None and _takes(env, "data"):
        layers.append({"env": {"data": str(settings.data)}})
    return layers


def _takes(env: str, setting: str) -> bool:
    return setting in {field.name for field in dataclasses.fields(config.simulator_class(env).Settings)}


def _split(table: Mapping[str, Any], names: set[str], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings that hold for all, and those under the one name."""
    plain, own = {}, {}
    for key, value in table.items():
        full = key if key in names else canonical_env(key)
        if full not in names or not isinstance(value, Mapping):
            plain[key] = value
        elif full == name:
            own = dict(value)
    return plain, own


def _cells(settings: BenchmarkSettings, tables: config.Tables, arena: tuple[str, str | None], agent: str) -> list[Cell]:
    env, encoder = arena
    train: dict[str, Any] = {"env": env, "agent": agent, "seed": 0, "eval_users": settings.eval_users}
    asked = {"steps": settings.steps, "device": settings.device}
    train |= {name: value for name, value in asked.items() if value is not None}
    if not settings.myopic_companion:
        train["myopic_companion"] = False
    seeds = settings.seeds
    if not config.agent_class(agent).METRICS:
        seeds, train["steps"] = 1, 0
    try:
        run = usual = config.resolve(*_layers(settings, tables, env, agent), {"train": train})
        if encoder is not None:
            run = dataclasses.replace(usual, env=dataclasses.replace(usual.env, encoder=encoder))
    except UsageError as error:
        raise UsageError(f"{agent} in {env}: {error}") from error
    resolve_device(run.train.device)
    runs = [dataclasses.replace(run, train=dataclasses.replace(run.train, seed=seed)) for seed in range(seeds)]
    return [Cell(run=one, out=settings.out, encoder=_name_beside(run, usual)) for one in runs]


def _name_beside(run: RunSettings, usual: RunSettings) -> str:
    """Return what a run's encoder is called in names of files; nothing where it is what it would be without a word."""
    encoder = getattr(run.env, "encoder", "")
    return "" if encoder == getattr(usual.env, "encoder", "") else encoder_name(encoder)


def _check_one_environment(cells: Sequence[Cell]) -> None:
    """Refuse cells that would play in environments of one name but different settings."""
    for cell in cells:
        differs = first_difference(cells[0].run.tables(), cell.run.tables(), ("env",))
        if differs is not None:
            one, other = cells[0].run.train, cell.run.train
            raise UsageError(
                f"{one.agent} and {other.agent} would play in two different {one.env}, {differs}; "
                "say that setting in [env] of --config, which holds for all"
            )
