"""The page of a run as lines: what it fixed, what it broke, and whether to try it.

The words are those of `rankbench encoders NAME`; every number stands with its name, its set and n.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from engine.evaluation.calls import DO_NOT, NOT_SHOWN, SAFE
from engine.evaluation.moved import median_ranks
from engine.measures import CATALOG_DEPTH
from workbench.text import change, count, fit, interval, measure, printable, short_measures
from workbench.widgets.painted import Piece

INKS = {SAFE: "gain", NOT_SHOWN: "warn", DO_NOT: "loss"}
"""The ink of each call."""
Line = list[Piece]
_NUMBERS = 22
_WIDEST = 110


def run_head(verdict: Mapping[str, Any]) -> Line:
    """`flags-01 against base: safe to try`."""
    call = str(verdict["call"])
    who = printable(f"{verdict['encoder']} against {verdict['base']}: ")
    return [("strong", f" {who}"), (INKS.get(call, "plain"), call)]


def run_news(name: str, verdict: Mapping[str, Any]) -> tuple[str, str]:
    """The notice for a run that has ended well, and how grave it is."""
    call = str(verdict.get("call", ""))
    if not call:
        return f"{name} is ready. F8 puts it on the right.", "information"
    told = f"{name} is ready: {call}. F7 says why, F8 puts it on the right."
    return told, "warning" if INKS.get(call) == "loss" else "information"


def run_lines(verdict: Mapping[str, Any], titles: Mapping[str, str], width: int) -> list[Line]:
    """The page in lines of `width` cells; `titles` are of the products known so far."""
    width = min(width, _WIDEST)
    why = short_measures(printable(verdict["why"]))
    lines = [_plain(line) for line in textwrap.wrap(why, width - 2)]
    caution = short_measures(str(verdict.get("caution", "")))  # an older card has none
    lines += [[("warn", f" {line}")] for line in textwrap.wrap(caution, width - 2)]
    lines.append([("faint", f" It was trained in {verdict['seconds']:,.0f} s.")])
    lines += _unseen(verdict)
    if verdict["flagged"]:
        lines += _flagged(verdict)
    if verdict["worst"]:
        lines += _worst(verdict, width)
    for query in verdict["flagged"]:
        lines += _query(query, titles, width)
    return lines


def _unseen(verdict: Mapping[str, Any]) -> list[Line]:
    lines: list[Line] = [[], _head("unseen queries", "judged as imported, no training saw them")]
    unseen = verdict["unseen"]
    if not unseen or unseen["mean"] is None:
        lines.append(_plain("none that are judged"))
    else:
        mean = unseen["mean"]
        span = f"({interval(unseen['low'], unseen['high'])}, n {unseen['n']:,})"
        counts = f"{unseen['improved']:,} improved, {unseen['unchanged']:,} unchanged, "
        lines += [
            [*_name("catalog NDCG@10"), (_ink(mean), change(mean)), ("plain", f" {span}")],
            [*_name("queries"), ("plain", f"{counts}{unseen['harmed']:,} harmed; {_p(unseen)}")],
        ]
        if verdict["rbo"] is not None:
            told = f"{measure(verdict['rbo'])} (mean of the same queries)"
            lines.append([*_name(f"rbo to {printable(verdict['base'])}"), ("plain", told)])
    return lines


def _flagged(verdict: Mapping[str, Any]) -> list[Line]:
    flagged = verdict["flagged"]
    lines: list[Line] = [[], _head("with verdicts", count(len(flagged), "query", "queries"))]
    for wanted, ink in (("fall", "loss"), ("rise", "gain")):
        if ranks := median_ranks(verdict, wanted):
            before, after = (_rank(rank, 1) for rank in ranks[:2])
            told = f"median rank {before} → {after} (n {count(ranks[2], 'result')})"
            lines.append([*_name(f"should {wanted}", ink), ("plain", told)])
            if wanted == "fall":
                left = f"{verdict['left_top_ten']:,} of {verdict['in_top_ten']:,}"
                lines.append([*_name(""), ("plain", f"{left} left the top 10")])
    for judged, words in (("imported", "before the flags"), ("merged", "with the flags")):
        if found := verdict["ndcg"][judged]:
            before, after, n = found
            told = f"by the judgments {words} (n {n:,})"
            lines.append([*_name("catalog NDCG@10"), *_pair(before, after), ("faint", f" {told}")])
    return lines


def _worst(verdict: Mapping[str, Any], width: int) -> list[Line]:
    room = width - _NUMBERS - 3
    columns = f" {'base':>6} {'tuned':>6} {'delta':>7}"
    head = fit("worst on unseen queries, catalog NDCG@10", room)
    lines: list[Line] = [[], [("strong", f" {head}"), ("faint", columns)]]
    for row in verdict["worst"]:
        delta = row["tuned"] - row["base"]
        lines.append(
            [
                ("plain", f"   {fit(printable(row['query']), room - 2)}"),
                ("plain", f" {measure(row['base']):>6} {measure(row['tuned']):>6} "),
                (_ink(delta), f"{change(delta):>7}"),
            ]
        )
    return lines


def _query(query: Mapping[str, Any], titles: Mapping[str, str], width: int) -> list[Line]:
    """One flagged query: its NDCG@10 under both sets of judgments, and its products' ranks."""
    room = width - _NUMBERS - 3
    said = "flagged" if any(moved["wanted"] == "fall" for moved in query["moved"]) else "graded E"
    head = fit(f"{said}: {printable(query['query'])}", room)
    columns = f" {'base rank':>10} {'tuned rank':>10}"
    lines: list[Line] = [[], [("strong", f" {head}"), ("faint", columns)]]
    for moved in query["moved"]:
        ink = "loss" if moved["wanted"] == "fall" else "gain"
        ranks = "".join(f" {_rank(moved[side]):>10}" for side in ("base", "tuned"))
        product = moved["product_id"]
        title = printable(titles.get(product) or product)
        lines.append(
            [
                (ink, f"   {moved['wanted']} "),
                ("plain", fit(title, room - 7)),
                ("plain", ranks),
            ]
        )
    for judged, words in (("imported", "before the flags"), ("merged", "with the flags")):
        if None in query[judged]:
            lines.append([("faint", f"   NDCG@10 {words}: not judged")])
        else:
            lines.append([("faint", f"   NDCG@10 {words} "), *_pair(*query[judged])])
    return lines


def _plain(text: str) -> Line:
    return [("plain", f" {text}")]


def _head(name: str, says: str) -> Line:
    return [("strong", f" {name}"), ("faint", f"  {says}")]


def _name(text: str, ink: str = "faint") -> Line:
    return [(ink, f"   {text:<17}")]


def _pair(before: float, after: float) -> Sequence[Piece]:
    delta = after - before
    return (("plain", f"{measure(before)} → {measure(after)} "), (_ink(delta), change(delta)))


def _ink(delta: float) -> str:
    return "faint" if abs(delta) < 5e-4 else "gain" if delta > 0 else "loss"


def _p(unseen: Mapping[str, Any]) -> str:
    p = unseen["p"]
    return "p < .001" if p is not None and p < 0.001 else f"p {measure(p).strip()}"


def _rank(rank: float | None, digits: int = 0) -> str:
    return f"{rank:,.{digits}f}" if rank else f"> {CATALOG_DEPTH:,}"
