"""Look names up in tables of strings, so that nothing is imported before it is used."""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from encoders.errors import UsageError


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error that says ``name`` is unknown and suggests the nearest known name."""
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f'; did you mean "{nearest[0]}"?' if nearest else ""
    return UsageError(f'unknown {kind} "{name}"{hint} (known: {", ".join(names)})')


def load_module(name: str) -> ModuleType:
    """Import a module.

    Raises:
        UsageError: there is none, or a module cannot have that name.
    """
    if not all(name.split(".")) or not name.isprintable():
        raise UsageError(f'"{name}" cannot be the name of a module; what is your own is named module:Name')
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and not name.startswith(error.name):
            raise
        cure = f'; name the module, not the file: "{name.removesuffix(".py")}"' if name.endswith(".py") else ""
        raise UsageError(f'there is no module "{name}" to import{cure}') from error


def load_object(kind: str, path: str) -> Any:
    """Import ``"module:attribute"``.

    Raises:
        UsageError: the module or the attribute does not exist.
    """
    module_name, _, attribute = path.partition(":")
    try:
        module = load_module(module_name)
    except UsageError as error:
        raise UsageError(f'{kind} "{path}": {error}') from error
    if not hasattr(module, attribute):
        raise UsageError(f'{kind} "{path}": module "{module_name}" has no "{attribute}"')
    return getattr(module, attribute)


def lookup(kind: str, name: str, table: Mapping[str, str]) -> Any:
    """Return the object registered as ``name``, or a user's own given as ``"module:attribute"``.

    Args:
        kind: what the table holds, for the error message ("agent").
        name: a key of ``table`` or an import path with a colon.
        table: from name to import path.

    Raises:
        UsageError: the name is not known; the message suggests the nearest.
    """
    if name in table:
        return load_object(kind, table[name])
    if ":" in name:
        return load_object(kind, name)
    raise unknown_name(kind, name, table)
