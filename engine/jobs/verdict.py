"""The verdict on a run, drawn when its encoder is indexed: in its card, for every later reader."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace

from engine.encoders.card import write_card
from engine.encoders.registry import resolve
from engine.errors import RankbenchError
from engine.evaluation.query_set import evaluate_query_set
from engine.evaluation.run_verdict import Flagged, RunVerdict, judge_run
from engine.jobs.context import Context
from engine.jobs.material import read_judged
from engine.ranking.comparer import Comparer
from engine.records import Merged
from engine.training.basket import Basket
from engine.training.outcome import Cancelled, check_stop

_TOLD_S = 0.5
FLAGGED = "flagged.json"  # in the job's directory; a resumed job may find other verdicts


def keep_flagged(context: Context, basket: Basket, merged: Merged) -> None:
    """Write down which results this run should move, and by which grades, before it trains.

    Verdicts given while it trains are none of its business: they would be held against it.
    """
    flagged = basket.flagged()
    before = {query.query_id: query.grades for query in read_judged(context.ws)}
    after = {query.query_id: query.grades for query in merged.queries}
    moved = [
        {
            "query": group.query,
            "before": before.get(group.query_id, {}),
            "after": after[group.query_id],
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

    Raises:
        Cancelled: the person asked for it.
    """
    comparer = Comparer(context.ws)
    try:
        verdict = _judge(context, comparer, name)
        info = resolve(context.ws, name)
        assert info.card is not None  # it was trained
        write_card(info.path, replace(info.card, verdict=verdict.to_json()))
    except Cancelled:
        raise
    except (RankbenchError, OSError) as error:
        context.events.emit("log", message=f"no verdict on {name}: {error}")
        return None
    finally:
        comparer.close()
    context.events.emit("log", message=f"{verdict.call}: {verdict.why} {verdict.caution}".rstrip())
    return verdict


def _judge(context: Context, comparer: Comparer, name: str) -> RunVerdict:
    card = resolve(context.ws, name).card
    assert card is not None
    told = -math.inf

    def progress(done: int, total: int) -> None:
        nonlocal told
        check_stop(context.should_stop)
        if (now := time.monotonic()) - told >= _TOLD_S or done == total:
            told = now
            context.events.emit("progress", phase="verdict", step=done, steps=total)

    progress(0, 0)
    base, tuned = comparer.side(card.base), comparer.side(name)
    unseen = None
    # Where no query is left that neither has seen, the verdict says so.
    if any(not (base.seen(q.query) or tuned.seen(q.query)) for q in comparer.imported_queries()):
        unseen = evaluate_query_set(
            comparer, card.base, name, split="unseen", verdicts=False, progress=progress
        )
    return judge_run(
        base,
        tuned,
        _flagged(context),
        unseen,
        context.ws.settings.gains,
        comparer.titles(),
        card.seconds,
    )


def _flagged(context: Context) -> list[Flagged]:
    try:
        kept = json.loads((context.directory / FLAGGED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [
        Flagged(
            item["query"],
            # A job begun by an older Rankbench kept no grades.
            item.get("before", {}),
            item.get("after", {}),
            tuple(item["fall"]),
            tuple(item["rise"]),
        )
        for item in kept
    ]
