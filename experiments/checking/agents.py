"""What every agent has to do, whoever wrote it."""

from collections.abc import Callable

from experiments.checking import learning, ranking, saving
from experiments.checking.subjects import AgentSubject

AGENT_CHECKS: tuple[Callable[[AgentSubject], None], ...] = (*ranking.CHECKS, *learning.CHECKS, *saving.CHECKS)
"""Functions of a subject, each of which raises `CheckFailed` with a sentence if something does not hold."""
