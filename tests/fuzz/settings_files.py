"""TOML files of settings, and flags of every command."""

import random
from typing import Any

import tomli_w
from cases import Case
from mutations import WORDS, damaged

from encoders.errors import Failure, UsageError
from experiments import config

PAIRS = (
    ("toy:Toy-v0", "toy:ToyAgent"),
    ("slatelab/Movies-v0", "slateq"),
    ("slatelab/InterestEvolution-v0", "dqn"),
    ("slatelab/Boredom-v0", "actor_critic"),
)
VALUES = (0, -1, 1, 7, 2**62, -(2**62), 0.0, -0.5, 1e300, float("nan"), float("inf"), True, False, [], [1], ["a"], {})
"""Values of TOML for any setting."""


def toml(case: Case) -> None:
    """A file of settings is understood, or refused in a sentence."""
    rng = case.rng
    env, agent = rng.choice(PAIRS)
    tables = config.resolve({"train": {"env": env, "agent": agent}}).tables()
    del tables["train"]["out"]
    for _ in range(rng.randint(0, 3)):
        _change(tables, rng)
    content = tomli_w.dumps(tables).encode()
    if rng.random() < 0.4:
        content = damaged(content, rng)
    path = case.folder / "my.toml"
    path.write_bytes(content)
    case.note(f"settings {content!r}")
    layer = case.attempt(lambda: config.read_tables(path))
    if not isinstance(layer, UsageError | Failure):
        case.attempt(lambda: config.resolve(layer))


def _change(tables: dict[str, Any], rng: random.Random) -> None:
    """Give some setting another value, name or place."""
    table = tables[rng.choice(sorted(tables))] if rng.random() < 0.9 else tables
    if not isinstance(table, dict) or not table:
        return
    name = rng.choice(sorted(table))
    new = rng.choice((name, name, name, name.upper(), rng.choice(WORDS) or "empty", f"{name}s"))
    value = rng.choice((*VALUES, *WORDS))
    if isinstance(table[name], dict) and rng.random() < 0.7:
        _change({"nested": table[name]}, rng)
    else:
        table[new] = value


RUN = ["--device", "cpu", "--steps", "32", "--num-users", "8", "--eval-users", "4", "--log-every", "16"]
SMALL = ("--steps", "--num-users", "--eval-users", "--log-every", "--users", "--seeds", "--workers")
"""Flags that say how much is done: a huge number is a long way, not a fault."""
FLAGS: dict[str, tuple[str, ...]] = {
    "train": (
        *("--env", "--agent", "--seed", "--steps", "--num-users", "--device", "--out", "--eval-users", "--log-every"),
        *("--no-myopic-companion", "--checkpoint-seconds", "--encoder", "--config", "--resume", "--overwrite"),
        *("--env.tiring", "--env.time-limit", "--agent.discount", "--agent.exploration.rate", "--agent.mode", "--x"),
    ),
    "evaluate": ("--users", "--split", "--seed", "--device", "--x"),
    "report": ("--out", "--x"),
    "list": ("--x",),
    "score": ("--encoder", "--device", "--x"),
    "check": ("--env", "--device", "--env.time-limit", "--agent.discount", "--x"),
    "benchmark": ("--agents", "--envs", "--only-table", "--out", "--x"),
    "dashboard": ("--port", "--x"),
}
NAMES = ("toy:Toy-v0", "toy:ToyAgent", "Toy-v0", "toy", "json:loads", "::", ".x:y", ":", "slatelab/", "cosine", "tiny")
PLACES = ("nowhere", "my.toml", ".", "a/b", "\x00", "a" * 300, "")


def flags(case: Case) -> None:
    """A command does what it is asked, or refuses it in a sentence with the exit code of a refusal."""
    rng = case.rng
    verb = rng.choice((*FLAGS, "train", "train", "trian"))
    line = ["--env", "toy:Toy-v0", "--agent", "toy:ToyAgent", *RUN] if verb == "train" else []
    if verb in ("evaluate", "report", "dashboard", "check", "score"):
        line += rng.sample((*PLACES, *NAMES), rng.randint(0, 2))
    if verb == "benchmark":
        line += ["--envs", "toy:Toy-v0", "--agents", "cosine", "--steps", "32", "--eval-users", "4", "--device", "cpu"]
    for _ in range(rng.randint(0, 3)):
        flag = rng.choice(FLAGS.get(verb, ("--x",)))
        words = (*WORDS, *NAMES, *PLACES, "cpu:0", "cuda:99", "test", "9" * 30)
        if flag in SMALL:
            words = ("0", "-1", "1", "3", "nan", "", "2.5", "1e1")
        # A benchmark without names is every agent in every environment: a long way, not a fault.
        bare = rng.random() > 0.9 and verb != "benchmark"
        line += [flag] if bare else [flag, rng.choice(words)]
    if rng.random() < 0.1:
        (case.folder / "my.toml").write_text('[train]\nseed = "seven"\n')
    code = case.command([verb, *line])
    made = [path.parent for path in case.folder.rglob("config.toml")]
    assert code == 0 or not made or verb == "train", f"refused, but {made} is there"
    if code == 0 and verb == "train" and not {"-h", "--help"} & set(line):
        assert all((folder / "summary.json").is_file() for folder in made), f"{made} is half a run"
