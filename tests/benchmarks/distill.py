"""An encoder taught by a cross-encoder on a search log, out of fold: `make distill`.

    RANKBENCH_ESCI=DIR python tests/benchmarks/distill.py [--folds 2] [--keep DIR]

For every fold a workspace whose test split is that fold: a teacher is trained from the other
queries' judgments, scores what the log's queries find (those that nearly repeat a held-out one left
out), and a student learns from its scores alone. The held-out queries are then ranked by the base,
by the student, and by the teacher reranking the candidates it is given. Stopped, it goes on from
the last step. Scores by query id land in tests/benchmarks/distill.json, without any text.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path
from recipes import rankbench

from engine.catalog.queries import JudgedQuery
from engine.catalog.splits import folds as make_folds
from engine.encoders.cross_encoder import load_cross_encoder
from engine.evaluation.intervals import paired_delta
from engine.experiments.fold import inner_split
from engine.jobs.material import read_judged, read_texts
from engine.ranking.sides import open_encoder_side, open_full_text_side
from engine.training.reranking import DEPTH, check
from engine.training.teachers import find_teacher
from engine.workspace import open_workspace

KEPT = Path(__file__).parent / "distill.json"
PER_QUERY = Path("per_query.json")  # in a fold's workspace
SYSTEMS = ("base", "student", "teacher")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=user_cache_path("rankbench") / "distill")
    options = parser.parse_args()
    esci = os.environ.get("RANKBENCH_ESCI")
    if not esci:
        sys.exit("RANKBENCH_ESCI names no directory of the ESCI sample.")
    found = [
        fold(Path(esci), options.keep, number, options.folds) for number in range(options.folds)
    ]
    kept = {"folds": options.folds, "runs": found}
    KEPT.write_text(json.dumps(kept, separators=(",", ":")) + "\n")
    print(table(kept))


def fold(esci: Path, keep: Path, number: int, folds: int) -> dict[str, Any]:
    """One fold from its workspace to its scores, every step that is there already left as it is."""
    root = keep / f"fold{number}-of-{folds}"
    if not root.exists():
        judged = keep / f"judgments{number}-of-{folds}.csv"
        split_for(esci / "judgments.csv", judged, number, folds)
        files = ("--catalog", esci / "products.parquet", "--judgments", judged)
        rankbench("init", root, *files)
    rankbench("index", "-w", root)
    if not (root / "teachers" / "teacher").exists():
        rankbench("teach", "--name", "teacher", "-w", root)
    if not (root / "synth" / "log").exists():
        log = esci / "ubi_queries.ndjson.gz"
        asked = ("--teacher", "teacher", "--name", "log", "--accept-teacher")
        rankbench("synth", log, *asked, "-w", root)
    if not (root / "encoders" / "student").exists():
        asked = ("--recipe", "distill", "--source", "log", "--name", "student")
        rankbench("train", *asked, "-w", root)
    return scores(root)


def split_for(source: Path, target: Path, number: int, folds: int) -> None:
    """The judgments with a split column: fold `number` is test, the rest train and dev."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    grades: dict[str, dict[str, str]] = {}
    for row in rows:
        grades.setdefault(row["query_id"], {})[row["product_id"]] = row["label"]
    text = {row["query_id"]: row["query"] for row in rows}
    queries = [JudgedQuery(query, text[query], found) for query, found in grades.items()]
    part = make_folds(queries, folds)
    train, dev = inner_split([q for q in queries if part[q.query_id] != number], 0)
    split = {q.query_id: name for name, group in (("train", train), ("dev", dev)) for q in group}
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "split"])
        writer.writeheader()
        writer.writerows({**row, "split": split.get(row["query_id"], "test")} for row in rows)


def scores(root: Path) -> dict[str, Any]:
    """Catalog NDCG@10 of the held-out queries by base, student and teacher, and what made them."""
    if (root / PER_QUERY).exists():
        return dict(json.loads((root / PER_QUERY).read_text()))
    asked = ("--candidate", "student", "--split", "test", "--per-query", "--json")
    measured = json.loads(rankbench("eval", *asked, "-w", root))
    per_query = {
        row["query_id"]: {
            "base": row["baseline"]["ndcg@10"],
            "student": row["candidate"]["ndcg@10"],
        }
        for row in measured["per_query"]
    }
    for query, score in reranked(root).items():
        per_query[query]["teacher"] = score
    card = json.loads((root / "synth" / "log" / "card.json").read_text())
    teacher = json.loads((root / "teachers" / "teacher" / "card.json").read_text())
    student = json.loads((root / "encoders" / "student" / "card.json").read_text())
    found = {
        "counts": card["counts"],
        "dev_check": {k: v for k, v in card["check"].items() if k != "per_query"},
        "teacher": {k: teacher[k] for k in ("recipe", "scores") if k in teacher},
        "student": {k: student[k] for k in ("recipe", "scores") if k in student},
        "per_query": per_query,
    }
    (root / PER_QUERY).write_text(json.dumps(found))
    return found


def reranked(root: Path) -> dict[str, float]:
    """Query id -> the teacher's score where it reranks the best of the base and of bm25."""
    ws = open_workspace(root)
    queries = [query for query in read_judged(ws) if query.split == "test"]
    base, full_text = open_encoder_side(ws, "base"), open_full_text_side(ws)
    base.prepare([query.query for query in queries])
    found = check(
        load_cross_encoder(find_teacher(ws, "teacher").source),
        queries,
        (
            lambda query: base.rank(query, DEPTH).product_ids,
            lambda query: full_text.rank(query, DEPTH).product_ids,
        ),
        read_texts(ws)[0],
        ws.settings.gains,
        report=lambda event: None,
        should_stop=lambda: False,
    )
    return dict(zip(found.query_ids, found.teacher, strict=True))


def table(kept: dict[str, Any]) -> str:
    """Markdown: the mean of each system and its difference from the base."""
    rows = [row for run in kept["runs"] for row in run["per_query"].values()]
    rows = [row for row in rows if all(row.get(system) is not None for system in SYSTEMS)]
    values = {system: [row[system] for row in rows] for system in SYSTEMS}
    lines = ["| | n | catalog ndcg@10 | − base (95 % interval) | p | +/=/− |", "| --- " * 6 + "|"]
    for system in SYSTEMS:
        mean = sum(values[system]) / len(rows)
        cells = [system, str(len(rows)), f"{mean:.3f}", "", "", ""]
        if system != "base":
            delta = paired_delta(values["base"], values[system], unchanged=0.01, bound=1.0)
            cells[3:] = [
                f"{delta.mean:+.3f} ({delta.low:+.3f} to {delta.high:+.3f})",
                f"{delta.p:.3f}",
                f"{delta.improved}/{delta.unchanged}/{delta.harmed}",
            ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
