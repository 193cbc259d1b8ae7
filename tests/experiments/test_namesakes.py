"""A user's own envs/, agents.py, … in the working folder do not get in the way, however slatelab was installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.namesakes import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = f"import sys; sys.path += {[entry for entry in sys.path if entry.endswith('-packages')]!r}"
EDITABLE = f"""
{LIBRARIES}
import importlib.machinery
class Finder:  # as setuptools installs it, behind all others
    def find_spec(name, path=None, target=None):
        if name in {PACKAGES!r}:
            return importlib.machinery.PathFinder.find_spec(name, [{str(ROOT)!r}])
sys.meta_path.append(Finder)
"""
WHEEL = f"{LIBRARIES}; sys.path.append({str(ROOT)!r})"
AS_SCRIPT = "del sys.path[0]"
AS_MODULE = "import os; sys.path[0] = os.getcwd()"
RUN = "from experiments.__main__ import main; sys.exit(main())"


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """Return a folder with modules of three of the names."""
    for name in ("envs", "agents.py", "encoders.py"):
        path = tmp_path / name if name.endswith(".py") else tmp_path / name / "__init__.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise RuntimeError('mine')")
    return tmp_path


def python(folder: Path, code: str, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": path}
    # Without "site", which would bring in the install that the tests run in.
    command = [sys.executable, "-S", "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("start", [AS_SCRIPT, AS_MODULE], ids=["script", "module"])
@pytest.mark.parametrize("install", [EDITABLE, WHEEL], ids=["editable", "wheel"])
def test_ours_win_over_namesakes_in_the_working_folder(crowded: Path, install: str, start: str) -> None:
    done = python(crowded, "\n".join([install, start, RUN]), "list")
    assert done.returncode == 0, done.stderr
    assert "slatelab/Movies-v0" in done.stdout


def test_processes_that_are_begun_later_find_ours_too(crowded: Path) -> None:
    # A worker of the benchmark is spawned: it gets sys.path alone.
    child = "[sys.executable, '-S', '-c', f'import sys; sys.path = {sys.path!r}; import envs']"
    spawn = f"import subprocess; sys.exit(subprocess.run({child}).returncode)"
    own = "from experiments.namesakes import own_packages_first; own_packages_first()"
    done = python(crowded, "\n".join([EDITABLE, AS_SCRIPT, own, spawn]))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["envs", "encoders"])
def test_a_namesake_that_was_put_first_is_named(crowded: Path, name: str) -> None:
    for other in {"envs", "encoders"} - {name}:
        (crowded / f"{other}.py").unlink(missing_ok=True)
    (crowded / "agents.py").unlink()
    if name != "envs":
        (crowded / "envs" / "__init__.py").unlink()
        (crowded / "envs").rmdir()
    done = python(ROOT.parent, "\n".join([WHEEL, RUN]), "list", path=str(crowded))
    assert done.returncode == 1
    assert done.stderr.startswith(f'slatelab: Python finds another package named "{name}"')
    assert len(done.stderr.splitlines()) == 1


def test_in_python_a_namesake_is_named_by_the_error(crowded: Path) -> None:
    done = python(crowded, "\n".join([EDITABLE, AS_MODULE, "from experiments import train"]))
    assert done.stderr.splitlines()[-1].startswith('ImportError: Python finds another package named "encoders"')


@pytest.mark.parametrize("line", ["from agents import mine", "import agents.mine"])
def test_a_users_module_that_imports_its_own_namesake_is_told_to_rename_it(crowded: Path, line: str) -> None:
    (crowded / "my_env.py").write_text(line)
    done = python(crowded, "\n".join([EDITABLE, AS_SCRIPT, RUN]), "train", "--env", "my_env:Mine-v0")
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith('slatelab: "agents" is a package of slatelab\'s')
    assert done.stderr.strip().endswith("rename it")
