"""How often an interval excludes zero: where nothing differs, and where something does.

    python tests/benchmarks/power.py [--samples N]

Prints three tables of seeded simulations of the intervals that every command shows, and for each n
the smallest difference that `smallest_visible` says is seen in four samples of five.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.evaluation.power import smallest_visible
from tests.evaluation.differences import (
    NULL,
    SKEWED,
    Draw,
    around,
    partly_equal,
    share_excluding_zero,
    share_sure,
)

TRUE = (0.01, 0.02, 0.03, 0.05)
SPREADS = (0.08, 0.10)
SEED = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000)
    samples = parser.parse_args().samples
    print(f"No difference: intervals that exclude zero, per cent of {samples:,} (the aim is 5)")
    line("differences", [f"n {n}" for n in (24, 120)])
    for name, draw in NULL.items():
        line(name, [shown(draw, n, samples) for n in (24, 120)])
    print(
        "\nNo difference, skewed or sparse: the same, and in brackets those not said to be fragile"
    )
    line("differences", [f"n {n}" for n in (24, 60, 120)], 14)
    for name, draw in SKEWED.items():
        cells = [f"{shown(draw, n, samples)} ({sure(draw, n, samples)})" for n in (24, 60, 120)]
        line(name, cells, 14)
    print(f"\nA true difference: intervals that exclude zero, per cent of {samples:,}")
    line("n, SD of the differences", [*(f"{true:.2f}" for true in TRUE), "80 % at"])
    for n in (24, 60, 120):
        for sd in SPREADS:
            for name, kind in (("normal", around), ("40 % zeros", partly_equal)):
                found = [shown(kind(true, sd), n, samples) for true in TRUE]
                line(f"{n}, {sd:.2f}, {name}", [*found, f"{smallest_visible(n, sd):.3f}"])


def shown(draw: Draw, n: int, samples: int) -> str:
    share = share_excluding_zero(draw(np.random.default_rng(SEED), (n, samples)))
    return f"{100 * share:.1f}"


def sure(draw: Draw, n: int, samples: int) -> str:
    return f"{100 * share_sure(draw(np.random.default_rng(SEED), (n, samples))):.1f}"


def line(name: str, cells: Sequence[str], width: int = 9) -> None:
    print(f"{name:24}" + "".join(f"{cell:>{width}}" for cell in cells))


if __name__ == "__main__":
    main()
