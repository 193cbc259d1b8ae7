"""The flags of ``slatelab benchmark``."""

from dataclasses import dataclass
from pathlib import Path

from encoders.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings:
    """Train agents in environments with several seeds, and make one scoreboard of it.

    Runs that are finished are not repeated and interrupted ones go on: after a kill, simply repeat the command.
    """

    agents: tuple[str, ...] = ()
    """Agents, each a name or module:Class of your own; all without it."""
    envs: tuple[str, ...] = ()
    """Environments; without it all that need no data of yours."""
    encoders: tuple[str, ...] = ()
    """Encoders through which the environments over texts are seen, each a name, a local folder or a hub name, or world
    (privileged, a ceiling); without it each environment's own."""
    seeds: int = 5
    """Runs of each agent in each environment, with the seeds 0, 1, …; one of a policy that has nothing to learn."""
    steps: int | None = None
    """User-steps of each run; without it the preset's of the pair."""
    eval_users: int = 1000
    """Test users who judge every policy."""
    out: Path = Path("runs/benchmark")
    """Folder of run folders, per-user returns, results.csv and scoreboard.md."""
    workers: int = 1
    """Processes that train side by side, each with one torch thread; 1 trains in this process."""
    config: Path | None = None
    """TOML file with [train], [env] and [agent]; [agent.NAME] and [env.NAME] hold for one alone."""
    data: Path | None = None
    """Folder of your own ratings, which brings in slatelab/Ratings-v0."""
    device: str | None = None
    """Torch device: auto, cpu, cuda, …"""
    myopic_companion: bool = True
    """Let a twin with discount 0 learn beside each agent: the column − twin."""
    seeds_at_once: bool = False
    """Train the seeds of an agent at once where it can: faster, and equal up to rounding."""
    overwrite: bool = False
    """Replace runs that were made with other settings or another version, instead of refusing them."""
    trust: bool = False
    """Use encoders that --config names as module:Name, which runs their code; what you type needs no --trust."""
    only_table: bool = False
    """Train nothing; make results.csv and scoreboard.md anew of what is there."""

    def __post_init__(self) -> None:
        """Refuse what cannot be, before anything is built."""
        for name, least in (("seeds", 1), ("eval_users", 2), ("workers", 1)):
            value = getattr(self, name)
            if value < least:
                raise UsageError(f"{name} is {value}; it has to be at least {least}")
        if self.steps is not None and self.steps < 0:
            raise UsageError(f"steps is {self.steps}; it has to be at least 0")
