"""A cross-validation's table made again from its run files, by other people's code.

    python tests/benchmarks/recompute.py DIR

DIR is what `rankbench crossval` named last. NDCG, reciprocal rank, recall and precision are made
by ir_measures (trec_eval) from the runs and qrels, strict RBO to the ideal by the rbo package, and
cosines from the pairs' file. Prints the largest difference of each mean; exits with 1 past 1e-6.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from ir_measures import RR, P, R, nDCG
from rbo import RankingSimilarity

LIMIT = 1e-6
Values = Mapping[str, float]


def main() -> None:
    place = Path(sys.argv[1])
    result = json.loads((place / "result.json").read_text(encoding="utf-8"))
    rows = {row["measure"]: row["means"] for row in (*result["table"], *result["cosines"])}
    worst = 0.0
    for measure, found in {**ranked(place), **cosines(place)}.items():
        off = max(abs(found[side] - rows[measure][side]) for side in found)
        worst = max(worst, off)
        print(f"{measure:20} {off:.1e}")
    sys.exit(worst > LIMIT)


def ranked(place: Path) -> dict[str, Values]:
    """Measure -> side -> mean, from the runs."""
    qrels = list(ir_measures.read_trec_qrels(str(place / "qrels.txt")))
    exact = max(line.relevance for line in qrels)
    over_catalog = {
        "ndcg@10": nDCG @ 10,
        "mrr@10": RR(rel=exact) @ 10,
        "recall@50": R(rel=exact) @ 50,
        "precision@10": P(rel=exact) @ 10,
    }
    folds = sorted(place.glob("fold*.run"))
    judged = [path for path in folds if path.name.endswith(".judged.run")]
    catalog = [path for path in folds if path not in judged]
    found = {}
    for name, measure in over_catalog.items():
        sides = {"base": [place / "base.run"], "tuned": catalog}
        found[name] = {side: mean(qrels, files, measure) for side, files in sides.items()}
    sides = {"base": [place / "base.judged.run"], "tuned": judged}
    found["ndcg"] = {side: mean(qrels, files, nDCG) for side, files in sides.items()}
    found["rbo_ideal_strict"] = {side: strict(qrels, files) for side, files in sides.items()}
    return found


def mean(qrels: Sequence[Any], files: Iterable[Path], measure: Any) -> float:
    """Over the queries, each the mean of its seeds; a query that a run lacks counts 0."""
    of_query: dict[str, list[float]] = defaultdict(list)
    for path in files:
        run = list(ir_measures.read_trec_run(str(path)))
        ids = {line.query_id for line in run}
        some = [line for line in qrels if line.query_id in ids]
        for found in ir_measures.iter_calc([measure], some, run):
            of_query[found.query_id].append(found.value)
    every = {line.query_id for line in qrels if line.relevance > 0}
    return float(np.mean([np.mean(of_query.get(query, [0.0])) for query in sorted(every)]))


def strict(qrels: Sequence[Any], files: Iterable[Path]) -> float:
    """RBO, p = .9, of each judged ranking with the judged products by grade, then by id."""
    relevance: dict[str, dict[str, int]] = defaultdict(dict)
    for line in qrels:
        relevance[line.query_id][line.doc_id] = line.relevance
    of_query: dict[str, list[float]] = defaultdict(list)
    for path in files:
        runs: dict[str, list[Any]] = defaultdict(list)
        for line in ir_measures.read_trec_run(str(path)):
            runs[line.query_id].append(line)
        for query, lines in runs.items():
            order = [line.doc_id for line in sorted(lines, key=lambda line: -line.score)]
            ideal = sorted(relevance[query], key=lambda item: (-relevance[query][item], item))
            of_query[query].append(RankingSimilarity(order, ideal).rbo_ext(p=0.9))
    return float(np.mean([np.mean(values) for values in of_query.values()]))


def cosines(place: Path) -> dict[str, Values]:
    """Field figure -> side -> mean, from the pairs' files."""
    sides = {"base": [place / "base.cosines.csv"], "tuned": place.glob("fold*.cosines.csv")}
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for side, files in sides.items():
        pairs: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for path in files:
            with path.open(newline="", encoding="utf-8") as file:
                for line in csv.DictReader(file):
                    key = (line["field"], line["grade"], line["query_id"], line["product_id"])
                    pairs[key].append(float(line["cosine"]))
        for field in sorted({key[0] for key in pairs}):
            exact, irrelevant = (
                np.mean([np.mean(v) for k, v in pairs.items() if k[:2] == (field, grade)])
                for grade in "EI"
            )
            found[f"{field}_cosine"][side] = float(exact)
            found[f"{field}_margin"][side] = float(exact - irrelevant)
    return found


if __name__ == "__main__":
    main()
