"""Every recipe on the ESCI sample, out of fold, in one table: `make recipes`.

    RANKBENCH_ESCI=DIR python tests/benchmarks/recipes.py [--folds 2] [--seeds 1] [--only R ...]

Stopped, it goes on from the last fold (--keep names where the workspace lies). Scores by query id
land in tests/benchmarks/recipes/, without any text of the data; --table makes the table from them
alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from engine.evaluation.intervals import paired_delta
from engine.evaluation.multiple import holm

HERE = Path(__file__).parent / "recipes"
RUNS: dict[str, tuple[str, ...]] = {
    # What differs from a recipe's own settings is time: an epoch of pairs costs two CPU minutes.
    "infonce": (),
    "hard-negatives": (),
    "triplet": (),
    "listwise": (),
    "cosent": (),
    "cosine": (),
    "contrastive": ("epochs=2", "descriptions=0"),
    "adapter": (),
}
MEASURES = ("ndcg@10", "ndcg", "rbo_ideal", "rbo_ideal_strict", "mrr@10", "title_cosine",
            "title_margin")  # fmt: skip


SAME = ("base", "catalog", "judgments", "gains")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", default="2")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--only", nargs="*", choices=RUNS)
    parser.add_argument("--keep", type=Path, default=user_cache_path("rankbench") / "recipes")
    parser.add_argument("--table", action="store_true", help="no runs: the table alone")
    options = parser.parse_args()
    if not options.table:
        root = workspace(options.keep)
        for name in options.only or RUNS:
            found = run(root, name, RUNS[name], options.folds, options.seeds)
            keep(HERE / f"{name}.json", found)
    print(table({path.stem: json.loads(path.read_text()) for path in sorted(HERE.glob("*.json"))}))


def workspace(root: Path, template: str = "{title}") -> Path:
    esci = os.environ.get("RANKBENCH_ESCI")
    if not esci:
        sys.exit("RANKBENCH_ESCI names no directory of the ESCI sample.")
    if not root.exists():
        files = ("--catalog", f"{esci}/products.parquet", "--judgments", f"{esci}/judgments.csv")
        rankbench("init", root, *files, "--template", template)
    rankbench("index", "-w", root)
    return root


def run(root: Path, recipe: str, settings: Sequence[str], folds: str, seeds: str) -> dict[str, Any]:
    given = [part for text in settings for part in ("--set", text)]
    asked = ("--recipe", recipe, "--folds", folds, "--seeds", seeds, *given, "--json")
    print(" ".join((recipe, *settings)), "…", file=sys.stderr, flush=True)
    return dict(json.loads(rankbench("crossval", "-w", root, *asked)))


def keep(path: Path, found: dict[str, Any]) -> None:
    """The figures of a run and its scores by query id; no text of the data."""
    path.parent.mkdir(exist_ok=True)
    per_query = [
        {
            "query_id": row["query_id"],
            "fold": row["fold"],
            **{side: _rounded(row[side]) for side in ("base", "bm25", "tuned")},
        }
        for row in found["per_query"]
    ]
    named = (
        "recipe",
        "folds",
        "seeds",
        "queries",
        "excluded",
        "table",
        "cosines",
        "runs",
        "inputs",
    )
    kept = {key: found[key] for key in named} | {"per_query": per_query}
    path.write_text(json.dumps(kept, separators=(",", ":")) + "\n")


def _rounded(scores: dict[str, float | None]) -> dict[str, float | None]:
    return {key: None if value is None else round(value, 6) for key, value in scores.items()}


def table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown, best first; p of `ndcg@10` corrected by Holm over the recipes."""
    if len({(asked(f, SAME), str(f["seeds"])) for f in found.values()}) > 1:
        sys.exit("The kept scores are of other data, folds or seeds: run them again.")
    rows = {
        name: {r["measure"]: r for r in (*f["table"], *f["cosines"])} for name, f in found.items()
    }
    deltas = {name: measures["ndcg@10"]["deltas"]["base"] for name, measures in rows.items()}
    corrected = dict(zip(deltas, holm([d["p"] for d in deltas.values()]), strict=True))
    lines = [
        "| recipe | n | ndcg@10 | tuned − base (95 % interval) | p (Holm) | +/=/− | "
        + " | ".join(MEASURES[1:])
        + " | training s a fold |",
        "| --- " * (len(MEASURES) + 6) + "|",
    ]
    some = next(iter(rows.values()))
    for system in ("base", "bm25", "random"):
        lines.append(_plain(system, some))
    order = sorted(deltas, key=lambda name: -deltas[name]["mean"])
    for name in order:
        delta, measures, f = deltas[name], rows[name], found[name]
        seconds = [run["train_seconds"] for run in f["runs"]]
        counts = f"{delta['improved']}/{delta['unchanged']}/{delta['harmed']}"
        cells = [
            " ".join((name, *RUNS.get(name, ()))), str(delta["n"]),
            _number(measures["ndcg@10"]["means"]["tuned"]),
            f"{delta['mean']:+.3f} ({delta['low']:+.3f} to {delta['high']:+.3f})",
            f"{_p(delta['p'])} ({_p(corrected[name])})", counts,
            *(_number(measures[m]["means"]["tuned"]) for m in MEASURES[1:]),
            f"{sum(seconds) / len(seconds):.0f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, *between(found, *order[:2]), *_chosen(found, order)])


def _chosen(found: dict[str, dict[str, Any]], order: Sequence[str]) -> list[str]:
    """What the inner dev split chose in every fold: with few dev queries it is partly luck."""
    lines = ["", "Kept (epoch, interpolation; dev NDCG@10 of base and kept) by fold and seed:"]
    for name in order:
        runs = (
            f"{run['chosen']['epoch']}, {run['chosen']['alpha']:g}; "
            f"{run['dev']['base']:.3f}, {run['dev']['tuned']:.3f} (n {run['dev_queries']})"
            for run in found[name]["runs"]
        )
        lines.append(f"- {name}: " + " | ".join(runs))
    return lines


def asked(found: dict[str, Any], same: Sequence[str]) -> str:
    """What two runs must share for their scores to be compared."""
    return json.dumps([found["folds"], *(found["inputs"][key] for key in same)])


def between(found: dict[str, dict[str, Any]], best: str = "", other: str = "") -> list[str]:
    """The best against the second best, query by query."""
    if not other:
        return []
    first, second = (
        {row["query_id"]: row["tuned"]["ndcg@10"] for row in found[name]["per_query"]}
        for name in (best, other)
    )
    shared = [q for q in first if first[q] is not None and second.get(q) is not None]
    delta = paired_delta([second[q] for q in shared], [first[q] for q in shared], bound=1.0)
    span = f"({delta.low:+.3f} to {delta.high:+.3f})"
    return ["", f"{best} - {other}, ndcg@10: {delta.mean:+.3f} {span}, n {delta.n}"]


def _plain(system: str, measures: dict[str, Any]) -> str:
    def of(measure: str) -> float | None:
        row = measures[measure]
        return row["floor"] if system == "random" else row["means"].get(system)

    values = [_number(of(measure)) for measure in MEASURES[1:]]
    cells = [system, "", _number(of("ndcg@10")), "", "", "", *values, ""]
    return "| " + " | ".join(cells) + " |"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def rankbench(*arguments: object) -> str:
    command = [sys.executable, "-m", "workbench", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
