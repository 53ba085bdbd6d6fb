"""A little shop in files, a workspace made of it, and a way to run commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workbench.cli import _run

ROOT = Path(__file__).parents[2]

PRODUCTS = """\
sku,name,brand,colour
p01,Canopy tent 3x3 m,Halden,white
p02,Pop-up canopy tent with walls,Halden,blue
p03,Tent pegs pack of 10,Cragwen,
p04,Running sneakers for men,Velsano,black
p05,Running sneakers for women,Velsana,red
p06,Sneaker laces 120 cm,Velsano,white
p07,Cotton face mask washable,Kirrabel,black
p08,Clay face mask for dry skin,Mossgaten,
p09,Garden hose 15 m,Gritstow,green
p10,Hose nozzle with 7 patterns,Gritstow,green
p11,Sauce pan without handles,Pemlock,steel
p12,Sauce pan with two handles,Pemlock,steel
p13,Frying pan 24 cm,Pemlark,black
p14,Lid for frying pan 24 cm,Pemlark,glass
p15,Sleeping bag for children,Dapplekin,yellow
p16,Sleeping bag 0 degrees,Northmoor,blue
"""

JUDGED = {
    "canopy tent": {"p01": "E", "p02": "E", "p03": "C"},
    "ez up": {"p02": "E", "p01": "S", "p16": "I"},
    "trainers": {"p04": "E", "p05": "E", "p06": "C", "p13": "I"},
    "womens trainers": {"p05": "E", "p04": "S"},
    "face mask": {"p07": "E", "p08": "S", "p15": "I"},
    "hose": {"p09": "E", "p10": "C"},
    "pan without handles": {"p11": "E", "p12": "I"},
    "frying pan": {"p13": "E", "p14": "C", "p11": "S"},
    "kids sleeping bag": {"p15": "E", "p16": "S"},
    "winter sleeping bag": {"p16": "E", "p15": "S"},
    "shoe laces": {"p06": "E", "p04": "C"},
    "glass lid": {"p14": "E", "p13": "C"},
}


@dataclass(frozen=True)
class Result:
    """What a command left: exit status and both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    def assert_error(self, code: int, *words: str) -> None:
        """One line of what, one of what to do, nothing else on stderr, no traceback."""
        lines = [line for line in self.err.splitlines() if line]
        assert self.code == code, self
        assert len(lines) == 2, self.err
        assert lines[0].startswith("error: ") and lines[1].startswith("  "), self.err
        for word in words:
            assert word.lower() in self.err.lower(), (word, self.err)


Rankbench = Callable[..., Result]


@pytest.fixture
def rankbench(capsys: pytest.CaptureFixture[str]) -> Rankbench:
    """Run a command in this process."""

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        code = _run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def rankbench_process() -> Rankbench:
    """Run a command in a process of its own."""

    def run(*arguments: object, **options: Any) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "workbench", *map(str, arguments)],
            capture_output=True,
            text=True,
            **{"cwd": ROOT, **options},
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with products.csv and judgments.csv."""
    directory = tmp_path_factory.mktemp("shop")
    (directory / "products.csv").write_text(PRODUCTS, encoding="utf-8")
    lines = ["query_id,query,product_id,label"]
    for number, (query, grades) in enumerate(JUDGED.items()):
        lines += [f"q{number:02},{query},{product},{grade}" for product, grade in grades.items()]
    (directory / "judgments.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def made(shop: Path, tiny_encoder_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the tiny encoder as its indexed base. Not to be written to."""
    root = tmp_path_factory.mktemp("made") / "workspace"
    init = ["init", root, "--catalog", shop / "products.csv"]
    init += ["--judgments", shop / "judgments.csv", "--encoder", tiny_encoder_dir]
    assert _run([str(part) for part in init]) == 0
    assert _run(["index", "-w", str(root)]) == 0
    return root


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    """A copy of the made workspace, free to be changed, without what others evaluated in it."""
    leave = shutil.ignore_patterns("runs.jsonl")
    return Path(shutil.copytree(made, tmp_path / "workspace", ignore=leave))


@pytest.fixture
def fragile_sides(shop: Path, tmp_path: Path, rankbench: Rankbench) -> list[object]:
    """Options for two sides that differ a little on eight of 24 queries, the second one worse.

    The interval of their difference excludes 0; one query more would cancel it.
    """
    queries = [f"query {number}" for number in range(24)]
    lines = [f"q{n},{query},p01,E" for n, query in enumerate(queries)]
    lines += [f"q{n},{query},p02,S" for n, query in enumerate(queries)]
    judgments = tmp_path / "judgments.csv"
    judgments.write_text("\n".join(["query_id,query,product_id,label", *lines]) + "\n")
    root = tmp_path / "w"
    options = ["--catalog", shop / "products.csv", "--judgments", judgments]
    assert rankbench("init", root, *options).code == 0
    for name, worse in (("a", set()), ("b", set(range(8)))):
        rows = []
        for n in range(24):
            order = ["p01", "p03", "p02"] if n in worse else ["p01", "p02", "p03"]
            rows += [f"q{n} Q0 {product} {at} {10 - at} t" for at, product in enumerate(order, 1)]
        (tmp_path / f"{name}.run").write_text("\n".join(rows) + "\n")
    sides = [f"run:{tmp_path / name}.run" for name in ("a", "b")]
    return ["-w", root, "--baseline", sides[0], "--candidate", sides[1]]
