"""After how many slates a session is truncated, and how Gymnasium is told."""

import copy

from gymnasium.envs.registration import EnvSpec

from encoders.errors import UsageError


def shortest(time_limit: int, max_episode_steps: int | None) -> int:
    """Return the simulator's own limit, or the one asked for where it is shorter; None and -1 ask for none.

    Raises:
        UsageError: less than one slate.
    """
    if max_episode_steps in (None, -1):
        return time_limit
    if isinstance(max_episode_steps, bool) or not isinstance(max_episode_steps, int) or max_episode_steps < 1:
        raise UsageError(f"max_episode_steps is {max_episode_steps!r}; make it a whole number, 1 or more")
    return min(time_limit, max_episode_steps)


def with_limit(spec: EnvSpec | None, time_limit: int) -> EnvSpec | None:
    """Return a specification with the limit that holds, where Gymnasium and other libraries look for it."""
    if spec is None:
        return None
    limited = copy.copy(spec)
    limited.max_episode_steps = time_limit
    return limited
