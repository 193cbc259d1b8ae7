"""Keep the four packages ours, whatever lies in the folder that a command is run from."""

import importlib.util
import sys
from pathlib import Path

PACKAGES = ("encoders", "envs", "agents", "experiments")
HOME = Path(__file__).resolve().parents[1]
"""The folder that holds the four."""


def own_packages_first() -> None:
    """Let Python look into the working folder last, for --agent my_module:MyAgent, and find our packages before it.

    Processes that are begun later inherit the order. An editable install names no folder but is asked last of all, so
    that its own has to be named here.
    """
    here = Path.cwd()
    if here != HOME and sys.path[:1] in ([""], [str(here)]):  # as python -m puts it
        del sys.path[0]
    for folder in (str(HOME), str(here)):
        if folder not in sys.path:
            sys.path.append(folder)


def namesake() -> str | None:
    """Return the sentence about a package that Python would import in place of one of ours; None if all are ours."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        found = None if spec is None or spec.origin is None else Path(spec.origin).resolve()
        if found is None or found.parents[1] != HOME:
            return (
                f'Python finds another package named "{name}" ({found or "a bare folder"}) before slatelab\'s; '
                "rename it if it is yours, else install slatelab into a virtual environment of its own"
            )
    return None


def hidden_by_us(module: str | None) -> str | None:
    """Return the sentence about a module of the user's that has the name of one of our packages, or lies in one.

    Args:
        module: what could not be imported.
    """
    package = (module or "").partition(".")[0]
    places = [Path.cwd() / package, Path.cwd() / f"{package}.py"]
    mine = next((place for place in places if place.exists()), None)
    if package not in PACKAGES or mine is None or Path.cwd() == HOME:
        return None
    return f'"{package}" is a package of slatelab\'s, so that {mine} cannot be imported by this name; rename it'
