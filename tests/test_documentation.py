"""The pages of `docs/` say what is true: their examples run, their commands exist."""

import ast
import configparser
import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_architecture import FLOORS

from agents import AGENTS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAP = (ROOT / "docs" / "architecture.md").read_text()
MINE = ("my_shop.py", "my_env.py", "my_recipes.py", "my_agent.py", "my_encoder.py")
SHORT = ["--steps", "2048", "--num-users", "64", "--eval-users", "20"]


def _files(page: Path) -> dict[str, str]:
    """Return the page's Python blocks that begin with their file name as a comment."""
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", page.read_text(), re.DOTALL)
    return dict(blocks)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of docs/extending.md and a small shop."""
    folder = tmp_path_factory.mktemp("workplace")
    files = _files(ROOT / "docs" / "extending.md")
    assert set(files) == {*MINE, "play.py", "train_dqn.py", "train_ppo.py"}
    for name, text in files.items():
        (folder / name).write_text(text)
    _write_shop(folder / "my-shop")
    return folder


def _write_shop(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    words = ["red", "blue", "old", "tiny", "grand", "lantern", "kettle", "chair", "lamp", "bowl"]
    items = [f"i{i}\t{' '.join(rng.choice(words, 3))} {i}\t{rng.choice(['Home', 'Garden'])}" for i in range(60)]
    (folder / "my-shop.item").write_text("item_id:token\ttitle:token_seq\tclass:token_seq\n" + "\n".join(items) + "\n")
    lines = [
        f"u{user}\ti{item}\t{rng.integers(1, 6)}\t{rng.integers(10**9)}"
        for user in range(60)
        for item in rng.permutation(60)[:30]
    ]
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    (folder / "my-shop.inter").write_text(header + "\n".join(lines) + "\n")


def _train(folder: Path, *arguments: str) -> str:
    return _run(folder, "-m", "experiments", "train", *SHORT, *arguments)


def _run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=_environment(folder), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--env", "my_env:Jukebox-v0", "--agent", "slateq"],
        ["--env", "my_env:Jukebox-v0", "--agent", "my_agent:ClickRate"],
        ["--env", "my_recipes:Recipes-v0", "--agent", "slateq", "--encoder", "my_encoder:Trigrams"],
        ["--env", "my_shop:MyShop-v0", "--env.min-ratings", "5", "--encoder", "my_encoder:Trigrams"],
        ["--env", "slatelab/Ratings-v0", "--env.data", "my-shop", "--encoder", "my_encoder:Trigrams"],
    ],
    ids=["environment", "agent", "text domain", "loader and encoder", "data"],
)
def test_the_examples_of_extending_train(workplace: Path, arguments: list[str], tmp_path: Path) -> None:
    printed = _train(workplace, *arguments, "--out", str(tmp_path / "run"))
    assert "random" in printed
    assert (tmp_path / "run" / "summary.json").is_file()


def test_the_examples_of_extending_pass_the_checks(workplace: Path) -> None:
    commands = (
        ["my_env:Jukebox-v0"],
        ["my_recipes:Recipes-v0"],
        ["my_agent:ClickRate"],
        ["my_agent:ClickRate", "--env", "my_env:Jukebox"],
    )
    code = f"import sys; from experiments.cli import main; sys.exit(max(main(['check', *line]) for line in {commands}))"
    printed = _run(workplace, "-c", code)
    assert printed.count("checks passed") == len(commands)
    assert "✗" not in printed


def test_the_example_for_gymnasium_plays(workplace: Path) -> None:
    assert "slate 1, reward " in _run(workplace, "play.py")


@pytest.mark.parametrize(("number", "path", "least"), [(1, "envs.text.world:World", 9), (2, "envs.text.view:View", 6)])
def test_the_tables_of_the_text_domain_name_what_can_be_overridden(number: int, path: str, least: int) -> None:
    module, name = path.split(":")
    cls = getattr(importlib.import_module(module), name)
    table = (ROOT / "docs" / "extending.md").read_text().split("| name | says | default |")[number].split("\n\n")[0]
    names = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert len(names) >= least
    assert names <= set(dir(cls)) | set(cls.__annotations__)


def test_the_example_for_stable_baselines3_trains(workplace: Path) -> None:
    _run(workplace, "train_dqn.py")
    assert (workplace / "dqn-on-films.zip").is_file()


PPO = "import train_ppo as t; model, users = t.train({steps}); print(*t.judge(model, users, sessions={sessions}))"
"""The recipe for PPO, and what it earns."""


def test_the_recipe_for_ppo_of_stable_baselines3_runs(workplace: Path) -> None:
    mean, half = map(float, _run(workplace, "-c", PPO.format(steps=8192, sessions=16)).split())
    assert 100 < mean < 250
    assert half > 0


@pytest.mark.slow
def test_the_recipe_for_ppo_of_stable_baselines3_beats_random(workplace: Path) -> None:
    from envs import simulator_class

    mean, half = map(float, _run(workplace, "-c", PPO.format(steps=300_000, sessions=1024)).split())
    anchors = {anchor.policy: anchor for anchor in simulator_class("slatelab/InterestEvolution-v0").ANCHORS}
    assert mean - half > anchors["random"].ci_high
    assert mean - half > anchors["myopic_oracle"].ci_high


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_the_pages_is_one_of_the_verbs(page: Path) -> None:
    from experiments.cli import VERBS

    in_code = re.findall(r"(?:`|^)slatelab ([a-z]+)", page.read_text(), re.MULTILINE)
    prose = {"answers"}  # a line of prose that begins with the project's name
    assert set(in_code) - prose <= set(VERBS)


@pytest.mark.parametrize("agent", AGENTS)
def test_every_agent_has_a_page_that_says_what_it_is_and_how_to_train_it(agent: str) -> None:
    page = (ROOT / "docs" / "agents" / f"{agent}.md").read_text()
    assert page.startswith(f"# {agent}\n")
    assert re.search(rf"slatelab train .*--agent {agent}\b", page)
    for part in ("**When.**", "**Equation.**", "**Logs**", "**Settings**"):
        assert part in page, part
    assert f"(agents/{agent}.md)" in (ROOT / "docs" / "agents.md").read_text()


NAMED = re.compile(r"`((?:encoders|envs|agents|experiments|tests|benchmarks|docs)[./][\w./]*\w/?)(?:\(\))?`")
"""A path or a dotted name of ours, in code style; what has a placeholder in capitals is neither."""


def _members(tree: ast.AST) -> dict[str, ast.AST]:
    """Return what a module or a class defines, by name."""
    found: dict[str, ast.AST] = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
    return found


def _exists(name: str) -> bool:
    """Return whether a path exists, or a dotted name is a module of ours or what one defines."""
    if "/" in name:
        return (ROOT / name).exists()
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        stem = ROOT.joinpath(*parts[:length])
        module = next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)
        if module is not None:
            here: ast.AST | None = ast.parse(module.read_text())
            for part in parts[length:]:
                here = None if here is None else _members(here).get(part)
            return here is not None
    return False


def test_names_are_told_from_what_does_not_exist() -> None:
    for name in ("envs/vector.py", "envs/shop/", "envs.vector", "envs.vector.SlateVectorEnv.step", "agents.AGENTS"):
        assert _exists(name), name
    for name in ("envs/victor.py", "envs.victor", "envs.vector.Nobody", "envs.vector.SlateVectorEnv.stop"):
        assert not _exists(name), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_and_name_in_the_pages_exists(page: Path) -> None:
    for name in NAMED.findall(page.read_text()):
        if not re.search(r"[A-Z]{2,}[-.]", name):
            assert _exists(name), f"{page.name} names {name}"


def test_the_map_has_every_room_and_what_it_may_use() -> None:
    from test_architecture import GRAPH, SOURCES

    rows = re.findall(r"^\| `((?:encoders|envs|agents|experiments)[\w/]*)/` \| [^|]* \| ([^|]*)\|$", MAP, re.MULTILINE)
    allowed = {path.replace("/", "."): set(re.findall(r"`(\w+)`", names)) for path, names in rows}
    rooms = {
        module: module if path.name == "__init__.py" else module.rpartition(".")[0] for module, path in SOURCES.items()
    }
    assert allowed.keys() == set(rooms.values())
    for room in allowed:
        assert ROOT.joinpath("tests", *room.split(".")).is_dir(), f"{room} has no tests of its own"
    for module, others in GRAPH.items():
        floor = module.partition(".")[0]
        used = {rooms[other].rpartition(".")[2] for other in others if rooms[other].startswith(f"{floor}.")}
        beyond = used - {rooms[module].rpartition(".")[2]} - allowed[rooms[module]]
        assert not beyond, f"{module} uses {beyond}, which the map does not allow"


def _rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agents_page_ends_with_its_row_of_the_scoreboard(agent: str) -> None:
    page = (ROOT / "docs" / "scoreboard.md").read_text()
    there: dict[str, str] = {}
    for matrix in re.findall(r"^\| agent \| interquartile mean .*?(?=\n\n)", page, re.MULTILINE | re.DOTALL):
        heads, _, *rows = _rows(matrix)
        row = next((found for found in rows if found[0] == f"**{agent}**"), heads)
        cells = zip(heads[3:], row[3:], strict=True)
        there |= {env: cell.split()[0] for env, cell in cells if cell[0].isdigit() or cell[0] == "-"}
    section = (ROOT / "docs" / "agents" / f"{agent}.md").read_text().partition("\n## Scoreboard\n")[2]
    rows = [found for found in _rows(section) if found[0].endswith("-v0") and found[4] not in ("", "n/a")]
    scores = {found[0]: found[4].split()[0] for found in rows}
    assert scores == there


def test_what_an_extra_installs_is_used() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    sources = "".join(path.read_text() for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
    for extra, requirements in setup["options.extras_require"].items():
        if extra not in ("test", "dev"):
            for package in re.findall(r"^[\w-]+", requirements.strip(), re.MULTILINE):
                module = package.removesuffix("-cpu").replace("-", "_")  # faiss-cpu is imported as faiss
                assert module in sources, f"{extra} installs {package}, which no code names"
