"""Click logs into judgments: a file of its own, which nothing reads unless it is imported.

Clicks say which of a query's products is better, not how good the best one is. So a grade is by
what share of the query's most attractive product's attractiveness a product has: from .75 E, from
.5 S, from .25 C, below I, and I for one that nobody clicked. Only products with at least `EXAMINED`
looks (views weighted by how often their position is looked at) count, the best among them even
where the catalog has lost it; grades are for the catalog's, in queries with at least `CLICKS`
clicks on these.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import RankbenchError
from engine.formats.clicks import ClickLog, read_clicks, say_dropped
from engine.formats.writing import csv_line, inert_cell, write_lines
from engine.training.click_model import ClickModel, fit_clicks
from engine.workspace import Workspace

EXAMINED = 5.0
CLICKS = 3
ENOUGH = 20
"""Clicks a position, on average, below which the curve of examination is said to be rough."""
STEPS = ((0.75, "E"), (0.5, "S"), (0.25, "C"), (0.0, "I"))
_UNKNOWN = "products that the catalog lacks"
HEADER = ("query", "product_id", "label", "attractiveness", "views", "clicks", "source")


@dataclass(frozen=True, slots=True)
class ClickFindings:
    """What a click log gave.

    Attributes:
        path: the judgment file that was written.
        method: "pbm" or "coec" (`engine.training.click_model`).
        shown, clicks: impressions, and of these clicked.
        examination: position -> how often it is looked at, against the most looked at.
        judgments, queries: written; grades: of each.
        dropped: reason -> how many were left out.
        notes: one sentence each on what was guessed.
    """

    path: Path
    method: str
    shown: int
    clicks: int
    examination: Mapping[int, float]
    judgments: int
    queries: int
    grades: Mapping[str, int]
    dropped: Mapping[str, int]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}


def judge_by_clicks(ws: Workspace, file: Path) -> ClickFindings:
    """Estimate what the clicks of `file` say and write it as `clicks/clicks-<name>.csv`; where
    another log of that name gave other judgments, with a number behind.

    The workspace's judgments are not touched: grades from clicks are people's only if somebody
    imports them, and then under the file's own name.

    Raises:
        RankbenchError: as `read_clicks`, nothing to grade, or the disk refuses.
    """
    from engine.index.store import read_items

    ws.check_writable()
    log = read_clicks(file)
    pairs, model = estimate(log)
    catalog = set(read_items(ws, ["product_id"])["product_id"].to_list())
    rows, dropped = _graded(pairs, model, catalog)
    if not rows:
        reasons = "; ".join(say_dropped({**log.dropped, **dropped}))
        todo = f"A query needs {CLICKS} clicks, a product {EXAMINED:g} looks: give a longer log."
        if dropped.get(_UNKNOWN, 0) == len(pairs):
            todo = "Check that the log is this shop's: its product ids are to be the catalog's."
        raise RankbenchError(
            f"{file} gives no judgment: {int(model.views.sum()):,} impressions, "
            f"{int(model.clicks.sum()):,} clicked, but {reasons}.",
            todo,
        )
    source = f"clicks ({model.method})"
    lines = [csv_line(HEADER)]
    for query, product, grade, value, views, clicks in rows:
        texts = (inert_cell(log.spellings[query]), inert_cell(product))
        lines.append(csv_line([*texts, grade, f"{value:.4f}", str(views), str(clicks), source]))
    path = _free(ws.root / "clicks", f"clicks-{_stem(file)}", lines)
    write_lines(path, lines)
    grades = Counter(row[2] for row in rows)
    return ClickFindings(
        path,
        model.method,
        int(model.views.sum()),
        int(model.clicks.sum()),
        dict(zip(model.positions.tolist(), model.examination.round(4).tolist(), strict=True)),
        len(rows),
        len({row[0] for row in rows}),
        {grade: grades[grade] for grade in "ESCI"},
        {**log.dropped, **dropped},
        (*log.notes, *_rough(model)),
    )


def _rough(model: ClickModel) -> tuple[str, ...]:
    clicks, positions = int(model.clicks.sum()), len(model.positions)
    if clicks >= ENOUGH * positions:
        return ()
    return (f"Only {clicks:,} clicks over {positions:,} positions: read the examination as rough.",)


def estimate(log: ClickLog) -> tuple[list[tuple[str, str]], ClickModel]:
    """The (query, product) pairs of a log, in their order, and the model of them."""
    numbers: dict[tuple[str, str], int] = {}
    pair = [numbers.setdefault((row.query, row.product_id), len(numbers)) for row in log.shown]
    positions = [row.position for row in log.shown]
    clicks = [row.clicks for row in log.shown]
    views = np.array([row.views for row in log.shown], np.float64)
    return list(numbers), fit_clicks(np.array(pair), np.array(positions), np.array(clicks), views)


def _graded(
    pairs: list[tuple[str, str]], model: ClickModel, catalog: set[str]
) -> tuple[list[tuple[str, str, str, float, int, int]], dict[str, int]]:
    """(query, product, grade, attractiveness, views, clicks) of what can be told, by query."""
    dropped: Counter[str] = Counter()
    by_query: dict[str, list[int]] = {}
    clicks: Counter[str] = Counter()
    best: dict[str, float] = {}
    for number, (query, product) in enumerate(pairs):
        told = model.examined[number] >= EXAMINED
        if told:
            best[query] = max(best.get(query, 0.0), float(model.attractiveness[number]))
        if product not in catalog:
            dropped[_UNKNOWN] += 1
        elif not told:
            dropped[f"products with fewer than {EXAMINED:g} looks"] += 1
        else:
            by_query.setdefault(query, []).append(number)
            clicks[query] += int(model.clicks[number])
    rows = []
    for query in sorted(by_query):
        numbers = by_query[query]
        if clicks[query] < CLICKS:
            dropped[f"products of queries with fewer than {CLICKS} clicks"] += len(numbers)
            continue
        for number in sorted(numbers, key=lambda n: (-model.attractiveness[n], pairs[n][1])):
            value = float(model.attractiveness[number])
            views, times = int(model.views[number]), int(model.clicks[number])
            # What nobody clicked has the average product's attractiveness at most, by the prior.
            share = value / best[query] if times else 0.0
            grade = next(grade for least, grade in STEPS if share >= least)
            rows.append((query, pairs[number][1], grade, value, views, times))
    return rows, dict(dropped)


def _free(directory: Path, name: str, lines: list[str]) -> Path:
    """Where a file of these lines can lie without replacing another."""
    text = "".join(lines).encode()
    names = (name if n == 1 else f"{name}-{n:02d}" for n in itertools.count(1))
    paths = (directory / f"{each}.csv" for each in names)
    return next(path for path in paths if not path.exists() or path.read_bytes() == text)


def _stem(file: Path) -> str:
    """The file's name without its last ending."""
    return file.stem.strip(".") or "log"
