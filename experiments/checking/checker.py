"""Check an environment or an agent, one's own or a registered one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from encoders.errors import UsageError
from envs.simulator import Simulator, resolve_device
from experiments import config
from experiments.checking.agents import AGENT_CHECKS
from experiments.checking.comparing import global_numbers_used
from experiments.checking.environments import ENVIRONMENT_CHECKS
from experiments.checking.finding import Found, attempt, find, settings_class
from experiments.checking.small_settings import small_agent, small_environment
from experiments.checking.subjects import AgentSubject
from experiments.checking.verdicts import CheckFailed, CheckReport, Verdict, judge

Watch = Callable[[Verdict], None]


def check(
    what: str | type[Any],
    *,
    settings: Mapping[str, Any] | None = None,
    env: str | type[Any] | None = None,
    device: str = "cpu",
) -> CheckReport:
    """Check what an environment or an agent has to do; takes seconds.

    Args:
        what: a class, its import path ``"module:Class"``, an environment's id or an agent's name.
        settings: of it, by name, over small ones for settings of known names, over its defaults.
        env: environment that an agent is for, where it needs what no other shows.
        device: where it runs.

    Raises:
        UsageError: there is no such thing, or a setting that cannot be.
        Failure: it cannot be imported or built.
    """
    found = find(what)
    return check_found(found, quick_settings(found, settings or {}), None if env is None else find(env), device)


def check_found(
    found: Found,
    settings: Any,
    env: Found | None = None,
    device: str = "cpu",
    watch: Watch = lambda verdict: None,
) -> CheckReport:
    """Check a class with these settings; ``watch`` is told each verdict as it comes."""
    if found.kind == "environment" and env is not None:
        raise UsageError("env is where an agent is checked; leave it out for an environment")
    if found.kind == "environment":
        verdicts = _environment(found, settings, device, watch)
    else:
        verdicts = _agent(found, settings, env, device, watch)
    return CheckReport(subject=found.name, kind=found.kind, verdicts=tuple(verdicts))


def quick_settings(found: Found, settings: Mapping[str, Any]) -> Any:
    """Return settings by name, over those that are quick to check if it takes them, over its defaults.

    Raises:
        UsageError: an unknown name, a wrong type, or a value that cannot be.
    """
    cls, part = settings_class(found), "agent" if found.kind == "agent" else "env"
    small = small_agent(cls) if found.kind == "agent" else small_environment(cls)

    def built(*layers: Mapping[str, Any]) -> Any:
        # A default that is missing, or what a dataclass of one's own does with them.
        return attempt(
            f"the settings of {found.name} cannot be built",
            lambda: config.build(cls, part, *({part: layer} for layer in layers)),
        )

    try:
        built(small)
    except UsageError:
        small = {}
    return built(small, settings)


def build_environment(found: Found, settings: Any, device: str) -> Simulator:
    """Build a simulator.

    Raises:
        UsageError: a device that is not there.
        Failure: its code breaks.
    """
    where = str(resolve_device(device))
    simulator: Simulator = attempt(f"{found.name} cannot be built", lambda: found.cls(settings, device=where))
    return simulator


def _environment(found: Found, settings: Any, device: str, watch: Watch) -> list[Verdict]:
    built: list[Simulator] = []
    whose = global_numbers_used(lambda: built.append(build_environment(found, settings, device)))

    def building_leaves_global_random_numbers_alone(simulator: Simulator) -> None:
        """Building it leaves the global random numbers of torch, numpy and Python alone."""
        if whose:
            raise CheckFailed(f"building it draws or seeds the global random numbers of {whose}; use a torch.Generator")

    return _judged((building_leaves_global_random_numbers_alone, *ENVIRONMENT_CHECKS), built[0], watch)


def _agent(found: Found, settings: Any, env: Found | None, device: str, watch: Watch) -> list[Verdict]:
    subject = AgentSubject(
        cls=found.cls,
        settings=settings,
        device=resolve_device(device),
        simulator=None if env is None else build_environment(env, quick_settings(env, {}), device),
    )
    return _judged(AGENT_CHECKS, subject, watch)


def _judged(checks: Sequence[Callable[[Any], None]], subject: Any, watch: Watch) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for each in checks:
        verdicts.append(judge(each, subject, after_a_fault=any(verdict.fault for verdict in verdicts)))
        watch(verdicts[-1])
    return verdicts
