"""The verdict on a run, drawn when its encoder is indexed: in its card, for every later reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.encoders.card import write_card
from engine.encoders.registry import resolve
from engine.errors import RankbenchError
from engine.evaluation.query_set import evaluate_query_set
from engine.evaluation.run_verdict import RunVerdict, judge_run
from engine.jobs.context import Context
from engine.ranking.comparer import Comparer
from engine.training.basket import Basket

FLAGGED = "flagged.json"  # in the job's directory; a resumed job may find other verdicts


@dataclass(frozen=True, slots=True)
class Flagged:
    """A query that people spoke of; see `engine.evaluation.run_verdict.Flagged`."""

    query: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    fall: tuple[str, ...]
    rise: tuple[str, ...]


def keep_flagged(context: Context, basket: Basket) -> None:
    """Write down which results this run should move, before it trains."""
    flagged = basket.flagged()
    moved = [
        {
            "query_id": group.query_id,
            "query": group.query,
            "fall": [
                product
                for product in group.becoming("negative")
                if (group.query_id, product) in flagged
            ],
            "rise": [positive.product_id for positive in group.positives],
        }
        for group in basket.trained
    ]
    (context.directory / FLAGGED).write_text(json.dumps(moved), encoding="utf-8")


def draw_verdict(context: Context, name: str) -> RunVerdict | None:
    """Compare an indexed encoder with what it was trained from, and put the verdict in its card.

    None where either side cannot answer; the log says why. The encoder stays as it is.
    """
    comparer = Comparer(context.ws)
    try:
        verdict = _judge(context, comparer, name)
        info = resolve(context.ws, name)
        assert info.card is not None  # it was trained
        write_card(info.path, replace(info.card, verdict=verdict.to_json()))
    except (RankbenchError, OSError) as error:
        context.events.emit("log", message=f"no verdict on {name}: {error}")
        return None
    finally:
        comparer.close()
    context.events.emit("log", message=f"{verdict.call}: {verdict.why}")
    return verdict


def _judge(context: Context, comparer: Comparer, name: str) -> RunVerdict:
    card = resolve(context.ws, name).card
    assert card is not None
    base, tuned = comparer.side(card.base), comparer.side(name)
    try:
        unseen = evaluate_query_set(comparer, card.base, name, split="unseen", verdicts=False)
    except RankbenchError:
        # No query is left that neither has seen: the verdict says so.
        unseen = None
    return judge_run(
        base,
        tuned,
        _flagged(context, comparer),
        unseen,
        context.ws.settings.gains,
        comparer.titles(),
        card.seconds,
    )


def _flagged(context: Context, comparer: Comparer) -> list[Flagged]:
    try:
        kept = json.loads((context.directory / FLAGGED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    imported = {query.query_id: query.grades for query in comparer.imported_queries()}
    found = []
    for item in kept:
        known = comparer.find_query(item["query"])
        after = known.grades if known is not None else {}
        before = imported.get(item["query_id"], {})
        fall, rise = tuple(item["fall"]), tuple(item["rise"])
        found.append(Flagged(item["query"], before, after, fall, rise))
    return found
