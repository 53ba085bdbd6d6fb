"""How verdicts are printed, by every command that shows one."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from engine.errors import RankbenchError
from engine.workspace import Workspace
from workbench.commands.output import cut, safe

if TYPE_CHECKING:
    from engine.records.verdicts import Verdict


def to_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict with its time as ISO 8601 in UTC; null for no rank."""
    from engine.formats.verdicts import iso_time

    return {
        "number": verdict.number,
        "query": verdict.query,
        "product_id": verdict.product_id,
        "grade": verdict.grade,
        "bad": verdict.bad,
        "note": verdict.note,
        "side": verdict.side,
        "rank": verdict.rank,
        "encoder": verdict.encoder,
        "judge": verdict.judge,
        "given": iso_time(verdict.given),
    }


def line(verdict: Verdict, title: str = "") -> str:
    """A verdict in one line: `tent pegs · p03 Tent pegs pack of 10: I, flagged`."""
    what = f"{safe(verdict.product_id)} {cut(title, 50)}".rstrip()
    return f"{cut(verdict.query, 60)} · {what}: {grade(verdict)}"


def grade(verdict: Verdict) -> str:
    """The grade, and whether it is a flag."""
    return f"{verdict.grade}, flagged" if verdict.bad else verdict.grade


def when(given: float) -> str:
    """A time as the person's clock shows it."""
    try:
        return datetime.fromtimestamp(given).strftime("%Y-%m-%d %H:%M") if given else ""
    except (OverflowError, OSError, ValueError):
        return ""


def quoted(query: str) -> str:
    """A query as an argument that can be typed."""
    return shlex.quote(safe(query))


def titles(workspace: Workspace, product_ids: Collection[str]) -> Mapping[str, str]:
    """Product id -> title where the catalog can tell."""
    from engine.index.known import open_known

    try:
        known = open_known(workspace)
    except RankbenchError:
        return {}
    try:
        return known.titles(product_ids)
    finally:
        known.close()
