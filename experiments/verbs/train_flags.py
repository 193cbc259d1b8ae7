"""The flags of ``slatelab train``: parsed twice, since the pair says which nested settings there are."""

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from encoders.errors import UsageError
from experiments import config
from experiments.names import CANONICAL
from experiments.settings import RunSettings, TrainSettings
from experiments.trust import check_trusted

PROG = "slatelab train"
MORE = (
    "The settings of environment and agent are nested: --env.NAME and --agent.NAME. "
    "slatelab train --env ENV --agent AGENT --help lists those of a pair. "
    "What wins, from weakest: defaults, the presets of agent and pair, --config, flags."
)


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What a command line may say beside the settings."""

    encoder: str | None = None
    """Text encoder: the setting `encoder` of the environment."""
    config: Path | None = None
    """TOML file with the tables [train], [env] and [agent], such as the config.toml of a run."""
    resume: Path | None = None
    """Run folder to go on with; a killed run continues to the same result."""
    overwrite: bool = False
    """Replace the run folder if it exists."""
    trust: bool = False
    """Use what --config or --resume names as module:Name, which runs its code; what you type needs no --trust."""


@dataclass(frozen=True, kw_only=True)
class TrainArguments:
    """A parsed command line."""

    run: RunSettings
    flags: Flags


@dataclass(frozen=True, kw_only=True)
class _CommonHelp:
    """Train an agent, compare it with every baseline on test users, print the table."""

    train: Annotated[TrainSettings, tyro.conf.arg(name="")]
    flags: Annotated[Flags, tyro.conf.arg(name="")]


def parse_train(arguments: Sequence[str]) -> TrainArguments:
    """Parse the command line of ``slatelab train``.

    Raises:
        UsageError: an unknown name or a value that cannot be.
        SystemExit: after --help (0) or a line that tyro refuses (2).
    """
    named = _scan(arguments)
    if {"-h", "--help"} & set(arguments) and named.env is None and named.agent is None:
        tyro.cli(
            _CommonHelp,
            prog=PROG,
            args=["--help"],
            description=f"{_CommonHelp.__doc__} {MORE}",
            default=_COMMON,
        )
    file = named.config if named.resume is None else named.resume / "config.toml"
    if named.resume is not None:
        _check_resume(named)
    layers: list[config.Tables] = [{} if file is None else config.read_tables(file)]
    if file is not None and not named.trust:
        check_trusted(
            layers[0], file, {kind for kind in ("env", "agent", "encoder") if getattr(named, kind) is not None}
        )
    if named.resume is not None:
        _check_same_pair(named, layers[0])
    flags = {"train": {name: getattr(named, name) for name in ("env", "agent") if getattr(named, name) is not None}}
    env, agent = config.choose_pair(*layers, flags)
    layers.insert(0, config.preset_tables(env, agent))
    parsed = _parse(arguments, env, agent, layers)
    run = RunSettings(train=parsed.train, env=_with_encoder(parsed, env), agent=parsed.agent)
    return TrainArguments(run=run, flags=parsed.flags)


def _scan(arguments: Sequence[str]) -> argparse.Namespace:
    """Find the flags that decide how the others are read."""
    parser = argparse.ArgumentParser(prog=PROG, add_help=False, allow_abbrev=False)
    parser.add_argument("--env")
    parser.add_argument("--agent")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--encoder", "--env.encoder")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--trust", action="store_true")
    return parser.parse_known_args(list(arguments))[0]


def _check_resume(named: argparse.Namespace) -> None:
    from experiments.folder import RunFolder

    for flag in ("config", "out", "overwrite"):
        if getattr(named, flag):
            raise UsageError(f"--resume goes on in its own folder with its own settings; leave --{flag} out")
    RunFolder(named.resume).check_is_run()


def _check_same_pair(named: argparse.Namespace, of_run: config.Tables) -> None:
    """Refuse another environment or agent at once: its settings would not fit those of the run."""
    for flag, theirs in zip(("env", "agent"), config.choose_pair(of_run), strict=True):
        asked = getattr(named, flag)
        if asked is not None and CANONICAL["train", flag](asked) != theirs:
            raise UsageError(
                f'the run in {named.resume} was made with {flag} "{theirs}", not "{asked}"; '
                f"resume it without --{flag}, or start another run with another --out"
            )


def _parse(arguments: Sequence[str], env: str, agent: str, layers: Sequence[config.Tables]) -> Any:
    env_settings, agent_settings = config.settings_classes(env, agent)
    default_train = config.build(TrainSettings, "train", *layers, {"train": {"env": env, "agent": agent}})
    flat = tyro.conf.arg(name="")
    fields: list[tuple[str, Any, Any]] = [
        ("train", Annotated[TrainSettings, flat], default_train),
        ("flags", Annotated[Flags, flat], Flags()),
        ("env", env_settings, config.build(env_settings, "env", *layers)),
        ("agent", agent_settings, config.build(agent_settings, "agent", *layers)),
    ]
    cls = dataclasses.make_dataclass(
        "TrainCommand",
        [(name, hint, dataclasses.field(default=default)) for name, hint, default in fields],
        frozen=True,
        kw_only=True,
    )
    return tyro.cli(cls, prog=PROG, args=list(arguments), description=f"{_CommonHelp.__doc__} {MORE}")


def _with_encoder(parsed: Any, env: str) -> Any:
    encoder = parsed.flags.encoder
    if encoder is None:
        return parsed.env
    if not any(field.name == "encoder" for field in dataclasses.fields(parsed.env)):
        raise UsageError(f"{env} reads no text, so it has no setting encoder; leave --encoder out")
    return dataclasses.replace(parsed.env, encoder=encoder)


_COMMON = _CommonHelp(train=TrainSettings(), flags=Flags())
