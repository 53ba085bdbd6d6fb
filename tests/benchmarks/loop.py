"""The loop, measured: flag bad results, retrain from them, look at what changed.

    python tests/benchmarks/loop.py --workspace DIR --scenario FILE [--seeds N] [--set KEY=VALUE]

FILE is a JSON list of {"query", "flags": [product ids], "paraphrases": [queries]}, written before
any run. Paraphrases are never flagged: a list of pinned products would leave them as they are. DIR
is an indexed workspace with judgments; it keeps the verdicts and gets one encoder a seed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from engine.errors import RankbenchError
from engine.evaluation.query_set import evaluate_query_set
from engine.evaluation.run_verdict import Flagged, RunVerdict, judge_run
from engine.ranking.comparer import Comparer
from engine.workspace import Workspace, open_workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--scenario", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--name", default="loop")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    ws = open_workspace(options.workspace)
    scenario = json.loads(options.scenario.read_text(encoding="utf-8"))
    flag(ws, scenario)
    for seed in range(options.seeds):
        name = f"{options.name}-{seed}"
        first_step, seconds = train(ws, name, seed, options.set)
        report(ws, scenario, name, f"first step {first_step:.1f} s, done {seconds:.0f} s")


def flag(ws: Workspace, scenario: list[dict[str, Any]]) -> None:
    """Flag what is not flagged yet, at the rank the base gives it."""
    comparer = Comparer(ws)
    for item in scenario:
        words = comparer.words(item["query"])
        ranks = comparer.side("base").rank(item["query"]).ranks()
        for product in item["flags"]:
            if product not in words:
                place = ["--side", "base", "--rank", ranks[product]] if product in ranks else []
                rankbench(ws, "flag", item["query"], product, "x", *place)
    comparer.close()


def train(ws: Workspace, name: str, seed: int, settings: list[str]) -> tuple[float, float]:
    """Seconds from the start to the first training step, and to the indexed encoder."""
    before = set(ws.jobs_dir.iterdir()) if ws.jobs_dir.is_dir() else set()
    started = time.time()
    options = [part for setting in settings for part in ("--set", setting)]
    rankbench(ws, "train", "--recipe", "flags", "--name", name, "--seed", seed, *options)
    ended = time.time()
    (job,) = {path for path in ws.jobs_dir.iterdir() if path.is_dir()} - before
    events = [json.loads(line) for line in (job / "events.jsonl").read_text().splitlines()]
    steps = [e["t"] for e in events if e.get("phase") == "training" and e.get("step", 0) > 0]
    return min(steps) - started, ended - started


def report(ws: Workspace, scenario: list[dict[str, Any]], name: str, spent: str) -> None:
    comparer = Comparer(ws)
    base, tuned = comparer.side("base"), comparer.side(name)
    try:
        unseen = evaluate_query_set(comparer, "base", name, split="unseen", verdicts=False)
    except RankbenchError:
        unseen = None
    imported = {query.query: query.grades for query in comparer.imported_queries()}
    flagged, paraphrases = [], []
    for item in scenario:
        query = item["query"]
        before = imported.get(query, {})
        after = comparer.find_query(query).grades
        rise = [product for product, grade in after.items() if grade == "E"]
        flagged.append(Flagged(query, before, after, item["flags"], rise))
        paraphrases += [
            Flagged(text, before, after, item["flags"], rise) for text in item["paraphrases"]
        ]
    gains, catalog = ws.settings.gains, comparer.titles()
    verdict = judge_run(base, tuned, flagged, unseen, gains, catalog)
    others = judge_run(base, tuned, paraphrases, unseen, gains, catalog)
    comparer.close()
    print(f"{name}: {spent}")
    show("flagged queries", verdict)
    show("their paraphrases", others)
    print(f"  unseen: {verdict.call}. {verdict.why} RBO to base {verdict.rbo or 0:.3f}", flush=True)


def show(what: str, verdict: RunVerdict) -> None:
    left, shown = verdict.left_top_ten
    ranks = verdict.mean_ranks() or (0, 0)
    print(
        f"  {what} (n {len(verdict.flagged)}): flagged results mean rank {ranks[0]:.1f} -> "
        f"{ranks[1]:.1f}, {left} of {shown} left the top 10; NDCG@10 before the flags "
        f"{means(verdict, 'imported')}, after {means(verdict, 'merged')}"
    )


def means(verdict: RunVerdict, judged: str) -> str:
    found = verdict.mean_ndcg(judged)
    return f"{found[0]:.3f} -> {found[1]:.3f}" if found else "-"


def rankbench(ws: Workspace, *arguments: object) -> None:
    command = [sys.executable, "-m", "workbench", "-w", str(ws.root), *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
