"""Register simulators with Gymnasium and make them by id."""

import dataclasses
import typing
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from encoders.conversion import check_finite, convert
from encoders.errors import UsageError
from encoders.registry import load_module, load_object, unknown_name
from envs.adapters.rendering import RENDERING

NAMESPACE = "slatelab"
SINGLE = "envs.registration:make_single"
VECTOR = "envs.registration:make_vector"


class UnknownKeyword(UsageError, TypeError):  # noqa: N818 (what went wrong, as Python itself says it)
    """A keyword that an environment does not take: a TypeError, since that is what libraries catch when they probe."""


def register(env_id: str, simulator: str) -> None:
    """Register a simulator class, given as ``"module:Class"``, for `gym.make` and `gym.make_vec`.

    Args:
        env_id: such as ``slatelab/Movies-v0``.
        simulator: import path of a class that follows `envs.simulator.Simulator`.
    """
    gym.register(
        env_id,
        entry_point=SINGLE,
        vector_entry_point=VECTOR,
        kwargs={"simulator": simulator},
        disable_env_checker=True,
        order_enforce=False,
    )


def known_ids() -> list[str]:
    """Return the ids that were registered here, sorted."""
    return sorted(env_id for env_id in gym.registry if _is_ours(env_id))


def _is_ours(env_id: str) -> bool:
    return env_id in gym.registry and gym.registry[env_id].entry_point == SINGLE


def simulator_class(env_id: str) -> Any:
    """Return the simulator class behind an id; ``"my_module:MyEnv-v0"`` imports the module first.

    Raises:
        UsageError: no such id; the message suggests the nearest.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        try:
            load_module(module)
        except UsageError as error:
            raise UsageError(f'environment "{env_id}": {error}') from error
    for candidate in (name, f"{NAMESPACE}/{name}"):
        if _is_ours(candidate):
            return load_object("environment", gym.registry[candidate].kwargs["simulator"])
    raise unknown_name("environment", name, known_ids())


def make_simulator(simulator: str, device: str = "auto", *, history: int | None = None, **settings: Any) -> Any:
    """Build a simulator from its import path, with settings by name.

    Args:
        simulator: ``"module:Class"``.
        device: where it runs.
        history: show the totals of the session and its last ``history`` events too, see `envs.history.WithHistory`.
        settings: those of the simulator.

    Raises:
        UsageError: an unknown setting, or a value that cannot be.
    """
    cls = load_object("environment", simulator)
    hints = typing.get_type_hints(cls.Settings)
    names = [field.name for field in dataclasses.fields(cls.Settings)]
    for name in settings:
        if name not in names:
            unknown = unknown_name("setting", name, names)
            raise UnknownKeyword(f"{cls.__name__} got an unexpected keyword argument '{name}': {unknown}")
    built = cls.Settings(**{name: convert(hints[name], settings[name], name) for name in settings})
    check_finite(built)
    kernel = cls(built, device=device)
    if history is None:
        return kernel
    from envs.history import WithHistory

    return WithHistory(kernel, history)


def make_vector(
    simulator: str,
    num_envs: int = 1,
    *,
    device: str = "auto",
    split: str = "train",
    as_tensors: bool = False,
    autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
    **settings: Any,
) -> Any:
    """Entry point of `gym.make_vec`: a `SlateVectorEnv`; what is not named here is for `make_simulator`."""
    from envs.adapters.given import check_autoreset
    from envs.simulator import check_split
    from envs.vector import SlateVectorEnv

    known_split, mode = check_split(split), check_autoreset(autoreset_mode)
    kernel = make_simulator(simulator, device, **settings)
    return SlateVectorEnv(
        kernel,
        num_envs,
        split=known_split,
        as_tensors=as_tensors,
        autoreset_mode=mode,
        max_episode_steps=max_episode_steps,
        render_mode=render_mode,
    )


def make_single(
    simulator: str,
    *,
    device: str = "cpu",
    split: str = "train",
    render_mode: str | None = None,
    **settings: Any,
) -> Any:
    """Entry point of `gym.make`: a `SlateEnv`; what is not named here is for `make_simulator`."""
    from envs.simulator import check_split
    from envs.single import SlateEnv

    known_split = check_split(split)
    kernel = make_simulator(simulator, device, **settings)
    return SlateEnv(kernel, split=known_split, render_mode=render_mode)


make_single.metadata = RENDERING  # type: ignore[attr-defined]  # read by `gym.make`, which warns of other render modes
