"""What is registered, as tables; read from the source text, so that torch is not imported."""

import ast
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from encoders.errors import Failure, UsageError


def tables(kind: str | None) -> list[Table]:
    """Return the tables of one kind, or of all; environments in full only if asked for by themselves."""
    from agents import AGENTS
    from encoders import ENCODERS, PRIVILEGED
    from envs import ENVIRONMENTS

    made = []
    if kind in (None, "envs"):
        made.append(_environments(ENVIRONMENTS) if kind else _described("environment", ENVIRONMENTS))
    if kind in (None, "agents"):
        made.append(_described("agent", AGENTS))
    if kind in (None, "encoders"):
        encoders = _described("encoder", ENCODERS)
        for name, meaning in PRIVILEGED.items():
            encoders.add_row(name, meaning)
        made.append(encoders)
    return made


def first_line(path: str) -> str:
    """Return the first docstring line of ``"module:name"``, or nothing, without importing the module."""
    module, _, name = path.partition(":")
    try:
        # This imports the package above the module, and ours import nothing heavy.
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            return ""
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    except (ModuleNotFoundError, SyntaxError, OSError):
        return ""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def _described(kind: str, registry: Mapping[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(kind, no_wrap=True)
    table.add_column("what it is")
    for name, path in registry.items():
        table.add_row(name, first_line(path))
    return table


def _environments(registry: Mapping[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("environment", "slate", "candidates", "anchors (return)", "what it is"):
        table.add_column(column, no_wrap=column == "environment")
    for name, path in registry.items():
        slate, candidates, anchors = _sizes(name)
        table.add_row(name, slate, candidates, anchors, first_line(path))
    return table


def _sizes(env: str) -> tuple[str, str, str]:
    from experiments.config import simulator_class

    try:
        cls = simulator_class(env)
        settings: Any = cls.Settings()
    except (Failure, UsageError, ImportError) as error:
        return "", "", f"cannot be imported: {error}"
    anchors = "\n".join(f"{anchor.policy} {anchor.mean:.2f}" for anchor in cls.ANCHORS)
    return str(getattr(settings, "slate_size", "")), str(getattr(settings, "num_candidates", "")), anchors
