"""What a command that only talks may cost, and who may import whom."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = (
    "torch",
    "transformers",
    "sentence_transformers",
    "lancedb",
    "polars",
    "pyarrow",
    "numpy",
    "scipy",
    "textual",
    "rich",
    "datasets",
    "onnx",
    "onnxruntime",
)


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after `code`."""
    script = f"import json, sys\n{code}\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


HELP = "from workbench import cli\ntry:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass"


@pytest.mark.parametrize("code", ["import workbench.cli", HELP], ids=["import", "help"])
def test_the_command_line_starts_without_heavy_modules(code: str) -> None:
    assert not modules_after(code) & set(HEAVY)


def test_every_command_module_is_light() -> None:
    from workbench.cli import COMMANDS

    lines = [f"import workbench.commands.{module}" for module, _ in COMMANDS.values()]
    assert not modules_after("\n".join(lines)) & set(HEAVY)


def test_the_app_paints_before_torch_is_there() -> None:
    heavy = {"torch", "transformers", "sentence_transformers", "lancedb", "polars", "scipy"}
    heavy |= {"onnx", "onnxruntime"}
    assert not modules_after("import workbench.app") & heavy


def test_the_engine_knows_no_terminal() -> None:
    rooms = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "engine").rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    )
    code = "import importlib\nfor name in " + repr(rooms) + ":\n    importlib.import_module(name)"
    assert not modules_after(code) & {"textual", "workbench", "click"}


def test_help_answers_at_once() -> None:
    best = min(_help_seconds() for _ in range(3))
    assert best < 0.4


def _help_seconds() -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "workbench", "--help"], capture_output=True, check=True, cwd=ROOT
    )
    return time.perf_counter() - started


def test_each_room_imports_only_rooms_below_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "importlinter.cli", "lint-imports"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
