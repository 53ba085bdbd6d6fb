"""What a person should be told of a basket, and why one cannot be trained on."""

from __future__ import annotations

from collections.abc import Sequence

from engine.catalog.normalise import normalise_query
from engine.encoders.card import Card
from engine.training.basket import HELD_OUT, Basket, Group
from engine.training.recipe import Recipe


def remarks(made: Basket, dropped: int, recipe: Recipe, include_test: bool) -> tuple[str, ...]:
    """What was decided or left out, a sentence each; `dropped`: pairs beyond `max_rows`."""
    groups = made.groups
    rows = [row for group in groups for row in group.rows]
    agreed = sum(any(p.source == "agreed top" for p in group.positives) for group in groups)
    disputed = sum(row.disputed for row in rows)
    held = [g for g in groups if g.split in HELD_OUT]
    notes = []
    if agreed:
        have = many(agreed, "query has", "queries have")
        notes.append(f"{have} no Exact result: the best of the agreed top is taken")
    if disputed:
        results = many(disputed, "result", "results")
        notes.append(
            f"judges disagree on {results}: the majority's word counts, the newest where they are "
            "even"
        )
    if held and not include_test:
        queries, are = many(len(held), "query", "queries"), _are(len(held))
        notes.append(f"{queries} of the dev and test splits {are} left out")
    elif used := [g for g in held if g.pairs]:
        queries, are = many(len(used), "query", "queries"), _are(len(used))
        notes.append(f"{queries} of the dev and test splits {are} trained on")
    if twins := {n.query_id for g in groups if g.pairs and g.split == "train" for n in g.near}:
        queries = many(len(twins), "query", "queries")
        notes.append(
            f"{queries} of the dev and test splits counted as seen: nearly what is trained on"
        )
    if dropped:
        pairs = many(dropped, "pair is", "pairs are")
        notes.append(f"{pairs} left out by chance: `max_rows` is {made.pairs:,}")
    rows_in_all = made.pairs + made.judged
    if "replay" in recipe.parameters and rows_in_all and made.replay < 3 * rows_in_all:
        notes.append(f"only {made.replay:,} replay rows: flags are more than a quarter of the rows")
    if len(made.trained) == 1 and made.judged == 0:
        notes.append("flags of one query only: expect little beyond it")
    return tuple(notes)


def flattered_by(base: str, card: Card | None, dev: Sequence[str]) -> str:
    """What to say where the base has seen of what chooses among its descendants; "" for nothing."""
    seen = set(card.seen_queries()) if card else set()
    known = sum(normalise_query(query) in seen for query in dev)
    if not known:
        return ""
    return (
        f"{known:,} of {len(dev):,} dev queries trained or chose {base} already: its score on dev "
        "is flattered, and only unseen queries tell which is better."
    )


def many(count: int, one: str, more: str) -> str:
    """A count with its noun: `1 query`, `2,000 queries`."""
    return f"{count:,} {one if count == 1 else more}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def refuse(groups: Sequence[Group]) -> tuple[str, str]:
    """Why no pair came of the verdicts, and what to do."""
    if not groups:
        return "There are no verdicts to train on.", (
            "Flag a bad result first: `rankbench flag QUERY PRODUCT_ID I`, or `x` in the app."
        )
    reasons: dict[str, int] = {}
    for group in groups:
        for row in group.rows:
            why = row.becomes.removeprefix("left out: ")
            reasons[why] = reasons.get(why, 0) + 1
    why = max(reasons, key=lambda reason: reasons[reason])
    total = sum(reasons.values())
    what = "The one verdict cannot be trained on"
    if total > 1:
        what = f"None of the {total:,} verdicts can be trained on"
    if "Exact" in why and "text" not in why:
        return f"{what}: their queries have no Exact result.", "Grade a right result E first."
    if why.endswith(" query"):
        return f"{what}: their queries are in the dev and test splits.", (
            "Flag results of other queries, or add `--include-test` and give up measuring on these."
        )
    some = f" ({reasons[why]:,} of them)" if reasons[why] < total else ""
    return f"{what}: {why}{some}.", "Flag other results, or select some again."
