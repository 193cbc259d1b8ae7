"""What Gymnasium and stable-baselines3 ask of an environment."""

import warnings
from typing import Any

from envs.single import SlateEnv
from experiments.checking.verdicts import CheckFailed, told

ALLOWED_BY_SB3 = ("It seems that your observation", "unconventional shape", "flatten")
"""SB3 warns of boxes that are neither vectors nor images; its default extractor flattens them."""


def gymnasium_accepts_it(simulator: Any) -> None:
    """Gymnasium's check_env finds nothing."""
    from gymnasium.utils.env_checker import check_env

    _check("Gymnasium's check_env", lambda: check_env(SlateEnv(simulator), skip_render_check=True))


def stable_baselines3_accepts_it(simulator: Any) -> None:
    """stable-baselines3's check_env finds nothing but unusual shapes."""
    from stable_baselines3.common.env_checker import check_env

    _check("stable-baselines3's check_env", lambda: check_env(SlateEnv(simulator), warn=True), ALLOWED_BY_SB3)


def _check(whose: str, run: Any, allowed: tuple[str, ...] = ()) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            run()
        except AssertionError as error:
            raise CheckFailed(f"{whose} says: {told(error)}") from error
    found = [str(warning.message) for warning in caught]
    found = [text for text in found if not any(part in text for part in allowed)]
    if found:
        raise CheckFailed(f"{whose} says: {' '.join(found[0].split())}")


CHECKS = (gymnasium_accepts_it, stable_baselines3_accepts_it)
