"""How long the explanation of a visible hit takes, as the app makes it: on the search thread's
terms, both encoders in memory, nothing kept of the hit's text.

    python tests/benchmarks/why.py --workspace DIR [--hits 50]
"""

from __future__ import annotations

import argparse
import random
import time
from itertools import pairwise
from pathlib import Path

from engine.ranking.words import MOST_WORDS
from engine.workspace import open_workspace
from workbench.live import LiveComparer

SHOWN = 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--hits", type=int, default=50)
    options = parser.parse_args()
    comparer = LiveComparer(open_workspace(options.workspace))
    baseline = "base"
    comparer.prepare(baseline)
    encoders = [side.name for side in comparer.sides() if side.tuned]
    candidate = encoders[-1]
    comparer.prepare(candidate)
    queries = comparer.judged_queries()
    chosen = random.Random(0).sample(list(queries), min(options.hits, len(queries)))
    comparer.explain(queries[0].query, next(iter(comparer.titles())), baseline, candidate)
    took, spent, again, steps, words = [], [], [], [], []
    for number, judged in enumerate(chosen):
        shown = comparer.compare(judged.query, baseline, candidate)
        product = shown.candidate.hits[number % SHOWN].product_id
        marks: list[float] = [time.perf_counter()]

        def mark(marks: list[float] = marks) -> None:
            marks.append(time.perf_counter())

        busy = time.process_time()
        why = comparer.explain(judged.query, product, baseline, candidate, mark)
        mark()
        spent.append(time.process_time() - busy)
        took.append(marks[-1] - marks[0])
        steps += [after - before for before, after in pairwise(marks)]
        words.append(min(why.words, MOST_WORDS) + len(judged.query.split()))
        began = time.perf_counter()
        comparer.explain(judged.query, product, baseline, candidate)
        again.append(time.perf_counter() - began)
    print(f"{len(took)} hits, {baseline} and {candidate}, words left out: {spread(words, '', 1)}")
    print("explaining a hit, nothing kept:", spread(took))
    print("... processor time of it, both threads:", spread(spent))
    print("... one piece of it, between two looks for a search:", spread(steps))
    print("... the same hit again:", spread(again))
    began, pieces = time.perf_counter(), []
    product = next(iter(comparer.titles()))
    while True:
        start = time.perf_counter()
        near = comparer.nearby(queries[0].query, product, baseline, candidate)
        pieces.append(time.perf_counter() - start)
        if near.ready:
            break
    print(f"vectors of {near.total} judged queries: {time.perf_counter() - began:.2f} s in pieces,")
    print("... one piece:", spread(pieces))
    comparer.close()


def spread(values: list[float], unit: str = " ms", by: float = 1000) -> str:
    ordered = sorted(value * by for value in values)
    p50, p95 = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95))
    worst, n = ordered[-1], len(ordered)
    return f"p50 {p50:.0f}{unit}, p95 {p95:.0f}{unit}, worst {worst:.0f}{unit} (n {n})"


if __name__ == "__main__":
    main()
