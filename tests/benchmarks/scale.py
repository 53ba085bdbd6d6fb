"""5,000 judged queries and 54,450 products: evaluation, report and the Queries screen.

    python fixtures/build.py --out DIR --scale 25
    python tests/benchmarks/scale.py --data DIR [--keep WORKSPACE]

The sides are bm25 and the base. The workspace is made and indexed first (minutes), once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

SIDES = ("--baseline", "bm25", "--candidate", "base")
KEYS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--app", action="store_true", help="the Queries screen alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        root = options.keep or Path(work) / "workspace"
        if not root.exists():
            make(root, options.data)
        if not options.app:
            commands(root, Path(work))
        print("\n".join(asyncio.run(queries(root))))


def commands(root: Path, work: Path) -> None:
    began = time.perf_counter()
    found = json.loads(rankbench("eval", "-w", root, *SIDES, "--split", "all", "--json"))
    n = found["queries"]
    print(f"eval: {n:,} queries in {time.perf_counter() - began:.0f} s")
    page = work / "report.html"
    began = time.perf_counter()
    rankbench("report", "-w", root, *SIDES, "--split", "all", "--no-cosines", "-o", page)
    size = page.stat().st_size / 2**20
    print(f"report: {time.perf_counter() - began:.0f} s, {size:.1f} MiB")


def make(root: Path, data: Path) -> None:
    files = [data / name for name in ("products.csv", "judgments.csv", "queries.csv")]
    rankbench("init", root, "--catalog", files[0], "--judgments", files[1], "--queries", files[2])
    rankbench("index", "-w", root)


async def queries(root: Path) -> list[str]:
    """F2 in the real app, without a terminal: the evaluation there, then keys."""
    from engine.workspace import open_workspace
    from workbench.app import RankbenchApp
    from workbench.screens.queries import QueriesScreen

    app = RankbenchApp(open_workspace(root))
    async with app.run_test(size=(120, 40)) as pilot:
        while len(app.sides) < len(SIDES) // 2:
            await asyncio.sleep(0.05)
        for place, name in (("baseline", "bm25"), ("candidate", "base")):
            app.choose_side(place, name)
            await pilot.pause(0.5)
        began = time.perf_counter()
        await pilot.press("f2")
        screen = app.screen
        assert isinstance(screen, QueriesScreen)
        while not screen.rows:
            await asyncio.sleep(0.05)
        took = time.perf_counter() - began
        # The app owns what is printed while it runs.
        found = [f"Queries: {len(screen.rows):,} rows {took:.0f} s after F2"]
        await pilot.pause(2)
        for name, keys in {
            "a row down": ["down"] * KEYS,
            "a page down": ["pagedown"] * KEYS,
            "another order": ["s"] * 10,
            "unseen, seen, all": ["u"] * 9,
            "bars on and off": ["d"] * 10,
        }.items():
            times = []
            for key in keys:
                began = time.perf_counter()
                await pilot.press(key)
                times.append(1000 * (time.perf_counter() - began))
            p50, p95 = quantiles(times, n=20)[9::9]
            found.append(f"  {name}: p50 {p50:.0f} ms, p95 {p95:.0f} ms")
    return found


def rankbench(*arguments: object) -> str:
    command = [sys.executable, "-m", "workbench", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
