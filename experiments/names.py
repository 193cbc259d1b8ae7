"""Names in one form: what is accepted in several ways is looked up, stored and compared in one."""

from collections.abc import Mapping
from typing import Any


def canonical_env(env: str) -> str:
    """Return the id of an environment in full.

    ``News-v0`` and ``envs:slatelab/News-v0`` are ``slatelab/News-v0``. An id that a module of the user's has registered
    gets that module in front, so that a later process finds it.
    """
    module, _, name = env.rpartition(":")
    if module.partition(".")[0] not in ("", "envs"):
        return env
    from envs import ENVIRONMENTS

    full = name if "/" in name else f"slatelab/{name}"
    if full in ENVIRONMENTS:
        return full
    import gymnasium as gym

    spec = None if module else gym.registry.get(env)
    home = str((spec.kwargs if spec is not None else {}).get("simulator", "")).partition(":")[0]
    return f"{home}:{env}" if home not in ("", "__main__") else env


def canonical_agent(agent: str) -> str:
    """Return the name of an agent: ``agents.slateq:SlateQ`` is ``slateq``."""
    from agents import AGENTS

    return _registered(agent, AGENTS)


def canonical_encoder(encoder: str) -> str:
    """Return the name of an encoder: ``encoders.tiny:tiny_encoder`` is ``tiny``."""
    from encoders import ENCODERS

    return _registered(encoder, ENCODERS)


def canonical_device(device: str) -> str:
    """Return the name of a device: there is one CPU."""
    return "cpu" if device == "cpu:0" else device


CANONICAL = {
    ("train", "env"): canonical_env,
    ("train", "agent"): canonical_agent,
    ("train", "device"): canonical_device,
    ("env", "encoder"): canonical_encoder,
}
"""Table and setting to the function that gives its one form."""


def canonical_tables(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return tables of settings with every name in its one form."""
    return {
        table: {
            name: CANONICAL[table, name](value) if (table, name) in CANONICAL and isinstance(value, str) else value
            for name, value in settings.items()
        }
        for table, settings in tables.items()
    }


def _registered(name: str, table: Mapping[str, str]) -> str:
    return {path: known for known, path in table.items()}.get(name, name)
