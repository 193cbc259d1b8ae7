"""The house holds: floors import downwards, nothing imports in a circle, no room is overfull."""

import ast
from collections import Counter
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("encoders", "envs", "agents", "experiments")
"""From the ground up."""
PURE = {"envs.interface", "envs.choice", "envs.slates"}
"""What agents may use of the environments."""
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for floor in FLOORS
    for path in sorted((ROOT / floor).rglob("*.py"))
}
"""Module to file, of every room on every floor."""


def imports(source: str, known: Iterable[str]) -> set[str]:
    """Return which of the known modules a text imports, at its top, inside functions or for the type checker alone."""
    names, known = set(), set(known)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names & known


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the modules of one circle of imports, empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


GRAPH = {name: imports(path.read_text(), SOURCES) - {name} for name, path in SOURCES.items()}
PACKAGES = {name for name, path in SOURCES.items() if path.name == "__init__.py"}
MODULES = {name: others - PACKAGES for name, others in GRAPH.items() if name not in PACKAGES}
"""The graph without packages: a package and what it names are one, and a lazy export is no import."""


def room(module: str) -> str:
    """Return the folder a module lies in, such as ``envs.shop``; the root of a floor is no room."""
    package = module if SOURCES[module].name == "__init__.py" else module.rpartition(".")[0]
    return package if "." in package else ""


def test_the_graph_sees_every_way_to_import() -> None:
    source = "import a.b\nfrom c import d\nfrom e.f import g\ndef late():\n    from h import i\n"
    assert imports(source, ["a.b", "c", "c.d", "e.f", "h.i", "z"]) == {"a.b", "c", "c.d", "e.f", "h.i"}
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []


def test_imports_point_down_only() -> None:
    heights = {name: height for height, name in enumerate(FLOORS)}
    upward = [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        for other in others
        if heights[other.partition(".")[0]] > heights[module.partition(".")[0]]
    ]
    assert not upward


def test_no_modules_import_in_a_circle() -> None:
    assert circle(MODULES) == []


def test_no_rooms_import_in_a_circle() -> None:
    rooms: dict[str, set[str]] = {}
    for module, others in GRAPH.items():
        rooms.setdefault(room(module), set()).update(map(room, others))
    within = {name: others - {name, ""} for name, others in rooms.items() if name}
    assert len(within) > 10
    assert circle(within) == []


def test_agents_import_only_the_pure_modules_of_envs() -> None:
    for module, others in GRAPH.items():
        if module.startswith("agents."):
            below = {other for other in others if not other.startswith("agents") and other != "envs"}
            assert below <= PURE, f"{module} imports {sorted(below - PURE)}"


def reached(module: str, graph: Mapping[str, set[str]]) -> set[str]:
    """Return all that a module imports, and what that imports in turn."""
    found, waiting = set(), {module}
    while waiting:
        found |= waiting
        waiting = {other for name in waiting for other in graph[name]} - found
    return found


def test_no_encoder_and_no_view_reaches_a_world() -> None:
    worlds = [name for name in GRAPH if name.startswith("envs.") and name.endswith(".world")]
    assert len(worlds) == 5
    for world in worlds:
        assert not {other for other in GRAPH[world] if other.startswith("encoders")}, f"{world} imports encoders"
        readers = {"encoders.loading", "encoders.bert", "envs.text.features", "envs.text.view", "envs.text.domain"}
        assert not reached(world, MODULES) & readers
    assert "envs.text.features" in reached("envs.shop.simulator", MODULES)


def test_no_folder_holds_more_than_30_modules() -> None:
    folders = Counter(path.parent for path in SOURCES.values() if path.name != "__init__.py")
    assert {folder.name: number for folder, number in folders.items() if number > 30} == {}


def test_every_room_says_what_it_is_for_and_imports_nothing() -> None:
    for module, path in SOURCES.items():
        if path.name == "__init__.py" and module not in FLOORS:
            tree = ast.parse(path.read_text())
            assert ast.get_docstring(tree), f"{module} has no docstring"
            assert len(tree.body) == 1, f"{module} does more than say what it is for"


@pytest.mark.parametrize("module", SOURCES)
def test_every_module_stays_under_400_lines(module: str) -> None:
    assert SOURCES[module].read_text().count("\n") <= 400
