"""The README's out-of-fold figures: `make crossval`.

    python tests/benchmarks/crossval.py [--seeds N] [--recipe R] [--keep DIR]

Runs `rankbench crossval` on the demo shop and, where RANKBENCH_ESCI names it, on the ESCI sample,
one thread each at the same time. A rerun with the same --keep goes on from the last fold.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="3")
    parser.add_argument("--recipe", default="infonce")
    parser.add_argument("--keep", type=Path, default=user_cache_path("rankbench") / "crossval")
    options = parser.parse_args()
    files = {
        "demo": ["--catalog", FIXTURES / "products.csv", "--judgments",
                 FIXTURES / "judgments.csv", "--queries", FIXTURES / "queries.csv"],
    }  # fmt: skip
    if esci := os.environ.get("RANKBENCH_ESCI"):
        files["esci-small"] = [
            "--catalog", Path(esci) / "products.parquet", "--judgments",
            Path(esci) / "judgments.csv",
        ]  # fmt: skip
    runs = {name: start(options, name, sources) for name, sources in files.items()}
    for name, run in runs.items():
        output, _ = run.communicate()
        print(f"{name}\n{output}")
    sys.exit(max(run.returncode for run in runs.values()))


def start(options: argparse.Namespace, name: str, files: list[object]) -> subprocess.Popen[str]:
    """Make the workspace if needed and start its cross-validation on one thread."""
    root = options.keep / name
    if not root.exists():
        subprocess.run(rankbench("init", root, *files), check=True, stdout=subprocess.DEVNULL)
    subprocess.run(rankbench("index", "-w", root), check=True)
    work = ["crossval", "-w", root, "--recipe", options.recipe, "--seeds", options.seeds]
    return subprocess.Popen(
        rankbench(*work),
        text=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def rankbench(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "workbench", *map(str, arguments)]


if __name__ == "__main__":
    main()
