"""What a built wheel holds, and what it says it needs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the wheel."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [built] = directory.glob("rankbench-*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_the_wheel_holds_the_demo_shop(wheel: set[str]) -> None:
    names = ("products.csv", "judgments.csv", "queries.csv")
    assert {f"workbench/demo_shop/{name}" for name in names} <= wheel


@pytest.mark.parametrize("pattern", ["*.py", "*.tcss", "*.css", "*.j2", "*.toml", "*.html", "*.js"])
def test_the_wheel_holds_every_file_of_the_packages(pattern: str, wheel: set[str]) -> None:
    ours = {
        str(path.relative_to(ROOT))
        for package in ("engine", "workbench")
        for path in (ROOT / package).rglob(pattern)
    }
    assert ours and ours <= wheel


def test_the_wheel_holds_no_tests(wheel: set[str]) -> None:
    assert not [name for name in wheel if name.startswith(("tests/", "fixtures/"))]


def test_what_is_imported_is_required() -> None:
    """Not only what another requirement happens to bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[\w.-]+", line) for line in project["dependencies"]]
    required = {name[0].replace("-", "_") for name in names if name}
    ours = {"engine", "workbench"}
    renamed = {"sklearn": "scikit_learn"}
    found = imported() - set(sys.stdlib_module_names) - ours
    assert {renamed.get(name, name) for name in found} <= required


def imported() -> set[str]:
    """The top-level names of all modules that the two packages import."""
    found = set()
    for package in ("engine", "workbench"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.partition(".")[0])
    return found
