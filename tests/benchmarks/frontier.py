"""What flags fix against what they break, over interpolations and settings of the `flags` recipe.

    python tests/benchmarks/frontier.py --workspace DIR --scenario FILE [--settings "K=V K=V" ...]

One training run for each string of settings, interpolated at every alpha; no encoder is registered.
FILE is as in `loop.py`, and other than the one that is reported. What the run breaks is measured on
the dev split by imported judgments, and as the overlap with the base's rankings there (RBO): the
test split is not looked at.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from loop import flag

from engine.encoders.load import SentenceEncoder, load_model
from engine.encoders.registry import resolve
from engine.index.build import load_matrix
from engine.jobs.material import read_basket, read_merged, read_texts
from engine.measures.ndcg import ndcg
from engine.measures.rbo import rbo
from engine.training.recipe import load_recipe
from engine.training.train import train
from engine.workspace import Workspace, open_workspace

ALPHAS = (0.5, 0.75, 1.0)
Side = tuple[SentenceEncoder, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--scenario", type=Path, required=True)
    parser.add_argument("--settings", nargs="*", default=[""])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ws = open_workspace(options.workspace)
    scenario = json.loads(options.scenario.read_text(encoding="utf-8"))
    flag(ws, scenario)
    meter = Meter(ws, scenario)
    print(f"dev n {len(meter.dev)}, base ndcg@10 {fmean(meter.scores(meter.base)):.4f}")
    for settings in options.settings:
        started = time.monotonic()
        for alpha, encoder in tuned(ws, settings.split(), options.seed):
            line = f"{settings or 'defaults':44} alpha {alpha:.2f} {meter.line(encoder)}"
            print(f"{line}, {time.monotonic() - started:.0f} s", flush=True)


def tuned(ws: Workspace, settings: list[str], seed: int) -> Iterator[tuple[float, SentenceEncoder]]:
    """One run's weights at every alpha of the way from the base."""
    recipe = load_recipe("flags").with_set([*settings, "alphas=1.0", "alpha=1.0"])
    texts, merged = read_texts(ws)[0], read_merged(ws)
    matrix, base = load_matrix(ws, "base"), resolve(ws, "base").path
    basket = read_basket(ws, {"recipe": "flags", "set": settings}, merged, texts)
    vectors = matrix.ids, matrix.vectors
    with tempfile.TemporaryDirectory() as place:
        end_dir = Path(place) / "end"
        options = {"basket": basket, "queries": merged.queries, "base_vectors": vectors}
        train(recipe, base, [], [], texts, end_dir, seed=seed, **options)
        end = load_model(end_dir).state_dict()
    model = load_model(base)
    begin = {name: value.clone() for name, value in model.state_dict().items()}
    for alpha in ALPHAS:
        for name, value in begin.items():
            if value.is_floating_point():
                model.state_dict()[name].copy_(torch.lerp(value, end[name], alpha))
        yield alpha, SentenceEncoder(model)


class Meter:
    """Measures an encoder against the base on flags, paraphrases and the dev split."""

    def __init__(self, ws: Workspace, scenario: list[dict[str, list[str]]]) -> None:
        self._gains = ws.settings.gains
        self._texts = read_texts(ws)[0]
        matrix = load_matrix(ws, "base")
        self._ids = list(matrix.ids)
        self._row = {product: row for row, product in enumerate(self._ids)}
        self._flagged = [(item["query"], p) for item in scenario for p in item["flags"]]
        self._others = [(q, p) for i in scenario for q in i["paraphrases"] for p in i["flags"]]
        queries = read_merged(ws).queries
        self.dev = [query for query in queries if query.imported and query.split == "dev"]
        self.base: Side = SentenceEncoder(load_model(resolve(ws, "base").path)), matrix.vectors

    def line(self, encoder: SentenceEncoder) -> str:
        side = encoder, encoder.encode_documents([self._texts[p] for p in self._ids])
        moved = [self.moved(pairs, side) for pairs in (self._flagged, self._others)]
        delta = fmean(self.scores(side)) - fmean(self.scores(self.base))
        both = zip(self.rankings(side), self.rankings(self.base), strict=True)
        overlap = fmean(rbo(a[:100], b[:100]) for a, b in both)
        return f"flagged {moved[0]}; paraphrases {moved[1]}; dev {delta:+.4f}, rbo {overlap:.3f}"

    def moved(self, pairs: Sequence[tuple[str, str]], side: Side) -> str:
        before, after = self.ranks(pairs, self.base), self.ranks(pairs, side)
        shown = [new for old, new in zip(before, after, strict=True) if old <= 10]
        left = sum(rank > 10 for rank in shown)
        return f"{fmean(before):.1f} -> {fmean(after):.1f}, {left}/{len(shown)} left"

    def ranks(self, pairs: Sequence[tuple[str, str]], side: Side) -> list[int]:
        encoder, matrix = side
        queries = encoder.encode_queries([query for query, _ in pairs])
        scores = queries @ matrix.T
        own = [self._row[product] for _, product in pairs]
        return [int((line > line[row]).sum()) + 1 for line, row in zip(scores, own, strict=True)]

    def scores(self, side: Side) -> list[float]:
        """NDCG@10 of each dev query over the whole catalog."""
        found = []
        for ranking, query in zip(self.rankings(side), self.dev, strict=True):
            gains = {p: self._gains[grade] for p, grade in query.grades.items() if p in self._row}
            value = ndcg([gains.get(p, 0.0) for p in ranking], list(gains.values()), 10)
            found.append(value or 0.0)
        return found

    def rankings(self, side: Side) -> list[list[str]]:
        encoder, matrix = side
        scores = encoder.encode_queries([query.query for query in self.dev]) @ matrix.T
        order = np.argsort(-scores, axis=1, kind="stable")
        return [[self._ids[row] for row in line] for line in order]


if __name__ == "__main__":
    main()
