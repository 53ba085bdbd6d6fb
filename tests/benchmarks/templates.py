"""Which text to encode: the base encoder over several templates of one catalog.

    python tests/benchmarks/templates.py --data DIR

Prints catalog NDCG@10 and judged NDCG of the base, untrained, and each template's difference from
titles alone with its 95 % interval over queries.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from engine.catalog.normalise import clean_query
from engine.catalog.template import Template
from engine.encoders.load import load_encoder
from engine.encoders.packaged import packaged_model_dir
from engine.evaluation.intervals import paired_delta
from engine.formats.judgments import read_judgments
from engine.formats.products import read_products
from engine.index.matrix import VectorMatrix, best
from engine.measures.query import measure_search
from engine.workspace import DEFAULT_GAINS

TEMPLATES = ("title", "{title} {brand}", "{title} {brand} {color}", "{title} {category}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("RANKBENCH_ESCI"))
    data = parser.parse_args().data
    if data is None:
        sys.exit("Name the data with --data DIR or RANKBENCH_ESCI.")
    products, _, _ = read_products(Path(data) / "products.parquet", {})
    judged = read_judgments(Path(data) / "judgments.csv").frame
    grades: dict[str, dict[str, str]] = {}
    for query, product, grade in judged.select("query", "product_id", "grade").iter_rows():
        grades.setdefault(query, {})[product] = grade
    encoder = load_encoder(packaged_model_dir())
    queries = encoder.encode_queries([clean_query(query) for query in grades])
    ids = products["product_id"].to_list()
    titles: list[list[float]] = []
    for text in TEMPLATES:
        texts = products.select(Template(text).expression())
        matrix = VectorMatrix.of(ids, encoder.encode_documents(texts.to_series().to_list()))
        found = [
            score(matrix, vector, wanted)
            for vector, wanted in zip(queries, grades.values(), strict=True)
        ]
        columns = [list(column) for column in zip(*found, strict=True)]
        titles = titles or columns
        told = [
            told_against(*pair, name)
            for *pair, name in zip(titles, columns, ("catalog NDCG@10", "judged NDCG"), strict=True)
        ]
        print(f"{text:24} n {len(found)}  {'   '.join(told)}", flush=True)


def told_against(titles: list[float], scores: list[float], name: str) -> str:
    """A measure's mean and its difference from titles alone."""
    delta = paired_delta(titles, scores)
    mean = sum(scores) / len(scores)
    return f"{name} {mean:.4f} ({delta.mean:+.4f}, {delta.low:+.4f} to {delta.high:+.4f})"


def score(matrix: VectorMatrix, query, grades: dict[str, str]) -> tuple[float, float]:
    """Catalog NDCG@10 and judged NDCG of one query vector."""
    scores = matrix.scores(query)
    rows, _ = best(scores, 1000)
    wanted = sorted(matrix.rows[product] for product in grades)
    order, _ = best(scores[wanted], len(wanted))
    judged = [matrix.ids[wanted[place]] for place in order]
    found = measure_search([matrix.ids[row] for row in rows], judged, grades, DEFAULT_GAINS)
    return found["ndcg@10"] or 0.0, found["ndcg"] or 0.0


if __name__ == "__main__":
    main()
