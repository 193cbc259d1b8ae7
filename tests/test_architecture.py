"""The floors hold: agents know of the environments only their pure modules."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PURE = {"envs.interface", "envs.choice", "envs.slates"}


def _imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def test_agents_import_only_the_pure_modules_of_envs() -> None:
    files = sorted((ROOT / "agents").glob("*.py"))
    assert files
    for path in files:
        below = {name for name in _imported(path) if name.split(".")[0] in ("envs", "encoders", "experiments")}
        assert below <= PURE, f"{path.name} imports {sorted(below - PURE)}"


def test_every_module_stays_under_400_lines() -> None:
    for package in ("encoders", "envs", "agents", "experiments"):
        for path in (ROOT / package).rglob("*.py"):
            assert path.read_text().count("\n") <= 400, path
