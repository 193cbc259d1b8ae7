"""Find what is to be checked, and tell whether it is an environment or an agent."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from agents import AGENTS
from encoders.errors import Failure, UsageError
from encoders.registry import load_module, unknown_name
from experiments.checking.verdicts import told
from experiments.config import agent_class, simulator_class
from experiments.names import canonical_env

Built = TypeVar("Built")
AGENT = ("act", "update", "state_dict", "load_state_dict")
ENVIRONMENT = ("sample_users", "start_noise", "start", "step_noise", "step", "observe", "candidate_ids", "item_vectors")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A class that is to be checked."""

    name: str
    kind: Literal["environment", "agent"]
    cls: type[Any]


def find(what: str | type[Any]) -> Found:
    """Return the class behind a registered name, a ``"module:Class"``, a ``"module:Id-v0"``, or a class itself.

    Raises:
        UsageError: there is no such thing, or it is neither an environment nor an agent.
        Failure: it cannot be imported.
    """
    if not isinstance(what, str):
        return _classified(what, f"{getattr(what, '__module__', '')}:{getattr(what, '__qualname__', what)}")
    if what in AGENTS:
        return Found(name=what, kind="agent", cls=agent_class(what))
    import envs

    module, _, attribute = what.rpartition(":")
    if module and module != "envs":
        imported = attempt(f'the module "{module}" cannot be imported', lambda: load_module(module))
        if hasattr(imported, attribute):
            return _classified(getattr(imported, attribute), what)
    try:
        return Found(name=what, kind="environment", cls=simulator_class(canonical_env(what)))
    except UsageError as error:
        if module:
            raise UsageError(
                f'"{what}": the module "{module}" has no class "{attribute}" and registers no such environment'
            ) from error
        raise unknown_name("environment or agent", what, [*AGENTS, *envs.known_ids()]) from error


def attempt(trouble: str, act: Callable[[], Built]) -> Built:
    """Return what a user's own code gives; what it raises becomes a `Failure`, one sentence."""
    try:
        return act()
    except (UsageError, Failure):
        raise
    except (Exception, SystemExit) as error:
        raise Failure(f"{trouble}: {told(error)}") from error


def settings_class(found: Found) -> type[Any]:
    """Return the dataclass of its settings.

    Raises:
        Failure: it has none.
    """
    settings = getattr(found.cls, "Settings", None)
    if not (isinstance(settings, type) and dataclasses.is_dataclass(settings)):
        raise Failure(
            f"{found.name} has no Settings, a dataclass with a default for every field; docs/extending.md shows one"
        )
    return settings


def _classified(found: Any, name: str) -> Found:
    if not isinstance(found, type):
        raise UsageError(f'"{name}" is no class but of type {type(found).__name__}; check the class')
    of_agent, of_environment = (
        sum(hasattr(found, method) for method in methods) / len(methods) for methods in (AGENT, ENVIRONMENT)
    )
    if hasattr(found, "observation_space") or (hasattr(found, "reset") and of_environment < 0.5):
        raise UsageError(
            f"{name} is an environment of Gymnasium; slatelab's are simulators of many users at once, from which it "
            "makes environments of Gymnasium (docs/extending.md)"
        )
    if not of_agent and not of_environment:
        raise UsageError(
            f"{name} is neither an agent, which has {', '.join(AGENT)}, "
            f"nor an environment, which has {', '.join(ENVIRONMENT)}"
        )
    return Found(name=name, kind="agent" if of_agent > of_environment else "environment", cls=found)
