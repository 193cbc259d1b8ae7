"""What a training run is made of: its own settings, the environment's and the agent's."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.conversion import check_finite
from encoders.errors import UsageError
from experiments.names import CANONICAL

TABLES = ("train", "env", "agent")
"""The tables of settings, as in config.toml."""
FREE = {"out", "device", "eval_users", "checkpoint_seconds"}
"""Settings of [train] that may differ when a run goes on, since they do not change what is learnt."""
SAME_VARIANT = FREE | {"seed", "log_every"}
"""Settings of [train] in which two runs of one variant of an agent may differ."""


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How long, on whom and with what seed an agent is trained, and on how many users it is judged."""

    env: str = "slatelab/Movies-v0"
    """Environment id, or module:Id of your own."""
    agent: str = "slateq"
    """Agent name, or module:Class of your own."""
    seed: int = 0
    """Seed of the agent and of the training users; the test users are the same for every seed."""
    steps: int = 300_000
    """User-steps in all (slates shown, one to one user), rounded up to whole steps of all users."""
    num_users: int = 512
    """Users met in parallel."""
    device: str = "auto"
    """Torch device: auto (CUDA where there is one), cpu, cuda, cuda:1, …"""
    out: Path | None = None
    """Run folder; without one, runs/ENV--AGENT--seedSEED, with a mark of the settings that are not as usual."""
    eval_users: int = 1000
    """Test users on whom the agent and every baseline are compared at the end."""
    myopic_companion: bool = True
    """Let a twin with discount 0 learn from the same steps: the baseline `myopic`."""
    log_every: int = 10_000
    """User-steps between two rows of metrics."""
    checkpoint_seconds: float = 30.0
    """Seconds between two checkpoints; they do not change the result."""

    def __post_init__(self) -> None:
        """Refuse what cannot be, before anything is built."""
        for name, least in (("seed", 0), ("steps", 0), ("num_users", 1), ("eval_users", 2), ("log_every", 1)):
            value = getattr(self, name)
            if value < least:
                raise UsageError(f"{name} is {value}; it has to be at least {least}")
        if not self.checkpoint_seconds >= 0:
            raise UsageError(f"checkpoint_seconds is {self.checkpoint_seconds}; it has to be at least 0")

    @property
    def num_steps(self) -> int:
        """Return how many steps all users take together."""
        return -(-self.steps // self.num_users)

    @property
    def log_steps(self) -> int:
        """Return how many steps lie between two rows of metrics."""
        return max(1, round(self.log_every / self.num_users))


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Everything that a run depends on."""

    train: TrainSettings
    env: Any
    """The simulator's Settings."""
    agent: Any
    """The agent's Settings."""

    def __post_init__(self) -> None:
        """Bring every name into its one form; refuse numbers that are not finite."""
        for table in TABLES:
            check_finite(getattr(self, table), f"[{table}] ")
        for (table, name), canonical in CANONICAL.items():
            settings = getattr(self, table)
            value = getattr(settings, name, None)
            if isinstance(value, str) and canonical(value) != value:
                object.__setattr__(self, table, dataclasses.replace(settings, **{name: canonical(value)}))

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return the tables [train], [env] and [agent] of plain values, as in config.toml.

        ``None`` becomes the string ``"None"``, as on the command line, since TOML has no null.
        """
        return {
            table: {name: _plain(value) for name, value in dataclasses.asdict(getattr(self, table)).items()}
            for table in TABLES
        }


def _plain(value: Any) -> Any:
    if value is None:
        return "None"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
