"""`rankbench why`: one hit explained."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from engine.errors import UsageError
from engine.workspace import Workspace
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import (
    count,
    cut,
    emit_json,
    number,
    progress_bar,
    safe,
    say,
    table,
)

if TYPE_CHECKING:
    from engine.ranking.judged_near import Nearby
    from engine.ranking.why import Reading, Standing, Why

_NAME = 24
_SCORES = {"cosine": "cosine", "bm25": "bm25", "fused": "fused (rrf)", "run": "the run's order"}


@click.command("why")
@click.argument("words", metavar="QUERY PRODUCT_ID", nargs=-1, required=True)
@click.option("--baseline", metavar="SIDE", help="base, bm25, hybrid:NAME, run:FILE, an encoder.")
@click.option("--candidate", metavar="SIDE", help="The side to compare with it.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    words: tuple[str, ...],
    baseline: str | None,
    candidate: str | None,
    as_json: bool,
) -> None:
    """Explain why PRODUCT_ID is where it is for QUERY.

    Its rank and score on both sides and for bm25; by how much each encoder's cosine drops when a
    word is left out; the nearest judged queries. A word is what stands between spaces.
    """
    from engine.ranking.comparer import Comparer
    from engine.ranking.why import Explainer

    if len(words) < 2 or not " ".join(words[:-1]).strip():
        what = "The query is empty." if len(words) > 1 else "why needs a query and a product id."
        raise UsageError(what, '`rankbench why "tent pegs" B00X` explains one result.')
    query, product = " ".join(words[:-1]), words[-1]
    comparer = Comparer(workspace)
    try:
        left = baseline or workspace.settings.baseline
        right = candidate or comparer.default_candidate()
        explainer = Explainer(comparer)
        why = explainer.explain(query, product, left, right)
        with progress_bar("judged queries", "queries", quiet=as_json) as report:
            while not (near := explainer.nearby(query, product, left, right)).ready:
                report(near.done, near.total)
    finally:
        comparer.close()
    if as_json:
        emit_json(to_json(why, near))
    else:
        show(why, near)


def to_json(why: Why, near: Nearby) -> dict[str, Any]:
    """The explanation as plain values; each side with its encoder's reading, or null."""
    sides = {
        key: {
            **asdict(standing),
            "encoder": reading.encoder if reading else None,
            "cosine": reading.cosine if reading else None,
            "query_words": [asdict(word) for word in reading.query] if reading else None,
            "text_words": [asdict(word) for word in reading.text] if reading else None,
        }
        for key, standing, reading in (
            ("baseline", why.baseline, why.readings[0]),
            ("candidate", why.candidate, why.readings[1]),
        )
    }
    return {
        "query": why.query,
        "product_id": why.product_id,
        "title": why.title,
        "text": why.text,
        "template": why.template,
        "grade": why.grade,
        "words": why.words,
        "products": why.products,
        **sides,
        "bm25": asdict(why.bm25),
        "near": {
            "encoder": near.encoder or None,
            "queries": near.total,
            "hits": [asdict(hit) for hit in near.hits],
        },
    }


def show(why: Why, near: Nearby) -> None:
    """Print where the product stands, the words of query and text, the nearest judged queries."""
    width = shutil.get_terminal_size((120, 24)).columns
    click.echo(cut(why.title, width) or safe(why.product_id))
    grade = f"grade {why.grade}" if why.grade else "not judged"
    click.echo(f"for {cut(why.query, 60)}  ({grade}, {count(why.products, 'product')})")
    click.echo()
    standings = [
        _standing_row(why.baseline, why.readings[0]),
        _standing_row(why.candidate, why.readings[1]),
    ]
    if "bm25" not in (why.baseline.side, why.candidate.side):
        standings.append(_standing_row(why.bm25, None))
    fused = any(row[-1] for row in standings)
    headers = ["side", "score is", "rank", "score", *(["cosine"] if fused else [])]
    table(headers, [row[: len(headers)] for row in standings], left=2)
    if any(why.readings):
        _show_words(why, width)
    else:
        say("Neither side has an encoder: no words to leave out, no nearest queries.")
        return
    click.echo()
    if not near.hits:
        say("No other judged query.")
        return
    name = cut(near.encoder, _NAME)
    rows = [
        [cut(hit.query, max(20, width - 40)), number(hit.cosine), hit.grade or "·"]
        for hit in near.hits
    ]
    table([f"nearest of {near.total:,} judged queries", f"cosine by {name}", "grade of this"], rows)


def _standing_row(standing: Standing, reading: Reading | None) -> list[str]:
    found = standing.rank is not None
    # An encoder's score is its cosine already.
    beside = reading is not None and standing.kind != "cosine"
    return [
        cut(standing.side, _NAME),
        _SCORES[standing.kind],
        f"{standing.rank:,}" if found else "not found",
        number(standing.score),
        number(reading.cosine) if reading is not None and beside else "",
    ]


def _show_words(why: Why, width: int) -> None:
    from engine.ranking.why import strongest
    from engine.ranking.words import words_of

    left, right = why.readings
    names = [reading.encoder if reading else "" for reading in why.readings]
    # One encoder behind both sides reads the same twice.
    columns = [0] if names[0] == names[1] else [at for at in (0, 1) if names[at]]
    parts = (
        ("the query", left and left.query, right and right.query, len(words_of(why.query))),
        (cut(why.template, 30), left and left.text, right and right.text, why.words),
    )
    for what, before, after, every in parts:
        rows = strongest(before, after)
        of = f"first {len(rows)} of {every:,} words" if len(rows) < every else count(every, "word")
        click.echo()
        cells = [
            [cut(word, max(20, width - 60)), *(number(drops[at], sign=True) for at in columns)]
            for word, *drops in rows
        ]
        headers = [
            f"left out of {what} ({of})",
            *(f"{cut(names[at], _NAME)} drop" for at in columns),
        ]
        table(headers, cells)
        if every == 1:
            say(f"Without its one word nothing is left of {what}: no drop.")
