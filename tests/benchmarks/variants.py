"""What moves a recipe's gains: text template, interpolation, rate, rounds, seeds, in one table.

    RANKBENCH_ESCI=DIR python tests/benchmarks/variants.py [--folds 2] [--only NAME ...]

Every row is `rankbench crossval` with other settings or another template, and is compared with the
base on titles alone, query by query: what a longer text gains without training is its own row.
Stopped, it goes on from the last fold; scores by query id land in tests/benchmarks/variants/.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import recipes
from platformdirs import user_cache_path

from engine.evaluation.intervals import paired_delta

HERE = Path(__file__).parent / "variants"
TITLE, CATEGORY = "{title}", "{title} {category}"
PLAIN = "hard-negatives"
SAME = ("base", "judgments", "gains")  # the catalog's texts are what a template changes
MEASURES = ("ndcg@10", "ndcg", "rbo_ideal", "rbo_ideal_strict")


@dataclass(frozen=True, slots=True)
class Variant:
    """A recipe, its settings, the text of a product, and how many seeds."""

    recipe: str
    settings: tuple[str, ...] = ()
    template: str = TITLE
    seeds: str = "1"

    @property
    def label(self) -> str:
        parts = [self.recipe, *self.settings]
        parts += [f"{self.seeds} seeds"] if self.seeds != "1" else []
        parts += [self.template] if self.template != TITLE else []
        return ", ".join(parts)


VARIANTS: dict[str, Variant] = {
    "two-stage-category": Variant("hard-negatives", template=CATEGORY),
    "two-stage-half": Variant("hard-negatives", ("alphas=0.5", "alpha=0.5")),
    "two-stage-faster": Variant("hard-negatives", ("lr=5e-5",)),
    "two-stage-seeds": Variant("hard-negatives", seeds="3"),
    "infonce-seeds": Variant("infonce", seeds="3"),
    "two-rounds": Variant("hard-negatives", ("rounds=2",)),
    "listwise-category": Variant("listwise", template=CATEGORY),
    "contrastive-ten": Variant("contrastive", ("epochs=10", "descriptions=0")),
}
SEEDS = ("two-stage-seeds", "infonce-seeds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", default="2")
    parser.add_argument("--only", nargs="*", choices=VARIANTS)
    parser.add_argument("--keep", type=Path, default=user_cache_path("rankbench") / "variants")
    parser.add_argument("--table", action="store_true", help="no runs: the table alone")
    options = parser.parse_args()
    if not options.table:
        for name in options.only or VARIANTS:
            run(name, VARIANTS[name], options.keep, options.folds)
    kept = {name: HERE / f"{name}.json" for name in VARIANTS}
    plain = recipes.HERE / f"{PLAIN}.json"
    if not plain.exists():
        sys.exit(f"{plain} is missing, which all are compared with: `make recipes` first.")
    found = {name: json.loads(path.read_text()) for name, path in kept.items() if path.exists()}
    print(table(json.loads(plain.read_text()), found))


def run(name: str, variant: Variant, keep: Path, folds: str) -> None:
    place = keep / ("title" if variant.template == TITLE else "category")
    root = recipes.workspace(place, variant.template)
    found = recipes.run(root, variant.recipe, variant.settings, folds, variant.seeds)
    recipes.keep(HERE / f"{name}.json", found)


def table(plain: dict[str, Any], found: dict[str, dict[str, Any]]) -> str:
    """Markdown: the recipe as it is, its variants, and the base on their texts, each against the
    base on titles."""
    asked = {recipes.asked(f, SAME) for f in (plain, *found.values())}
    if len(asked) > 1:
        sys.exit("The kept scores are of other data or folds: run them again.")
    base = scores(plain, "base")
    lines = [
        "| | " + " | ".join(f"{measure} − base" for measure in MEASURES) + " |",
        "| --- " * (len(MEASURES) + 1) + "|",
    ]
    longer = [f for name, f in found.items() if VARIANTS[name].template == CATEGORY]
    sides = [(f"base, {CATEGORY}", scores(f, "base")) for f in longer[:1]]
    sides.append((PLAIN, scores(plain, "tuned")))
    sides += [(VARIANTS[name].label, scores(f, "tuned")) for name, f in found.items()]
    for label, side in sides:
        lines.append(f"| {label} | " + " | ".join(cell(base, side, m) for m in MEASURES) + " |")
    seeds = {VARIANTS[name].label: f for name, f in found.items() if name in SEEDS}
    return "\n".join([*lines, *recipes.between(seeds, *sorted(seeds))])


def scores(found: dict[str, Any], side: str) -> dict[str, dict[str, float | None]]:
    return {row["query_id"]: row[side] for row in found["per_query"]}


def cell(base: dict[str, Any], side: dict[str, Any], measure: str) -> str:
    """The difference with its interval, and relative to the base."""
    pairs = [(base[query][measure], side[query][measure]) for query in base if query in side]
    pairs = [(before, after) for before, after in pairs if None not in (before, after)]
    before, after = ([pair[place] for pair in pairs] for place in (0, 1))
    delta = paired_delta(before, after, bound=1.0)
    relative = delta.mean / (sum(before) / len(before))
    return f"{delta.mean:+.3f} ({delta.low:+.3f} to {delta.high:+.3f}), {relative:+.1%}"


if __name__ == "__main__":
    main()
