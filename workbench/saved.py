"""What one session leaves the next.

The last comparison, painted first; which jobs had ended; what was to go on a side after its job.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.ranking.comparison import SEARCH_MEASURES, Comparison, Hit, SideResult

FILE_NAME = "last-comparison.json"
ENDED_NAME = "ended-jobs.json"
_VERSION = 1
_MOST_BYTES = 1_000_000


def load(directory: Path) -> Comparison | None:
    """The comparison kept in `directory`, or None where there is none that can be read."""
    path = directory / FILE_NAME
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        data = json.loads(path.read_text(encoding="utf-8"))
        return _comparison(data) if data["version"] == _VERSION else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # A cache: what cannot be read is as good as absent.
        return None


def store(directory: Path, comparison: Comparison) -> None:
    """Keep `comparison` in `directory`. A disk that refuses is no trouble worth telling."""
    data = {
        "version": _VERSION,
        "catalog_rows": comparison.catalog_rows,
        "comparison": comparison.to_json(),
    }
    _write(directory / FILE_NAME, data)


def ended_before(directory: Path) -> frozenset[str] | None:
    """The jobs that had ended when the app was last closed; None where that is not known."""
    try:
        data = json.loads((directory / ENDED_NAME).read_text(encoding="utf-8"))
        return frozenset(str(mark) for mark in data["ended"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def awaited_before(directory: Path) -> dict[str, str]:
    """Encoders that waited for their index when the app was last closed, each with its side."""
    try:
        data = json.loads((directory / ENDED_NAME).read_text(encoding="utf-8"))
        awaited = data["awaited"].items()
        return {name: place for name, place in awaited if place in ("baseline", "candidate")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def store_ended(
    directory: Path, marks: Sequence[str], awaited: Mapping[str, str] | None = None
) -> None:
    """Keep which jobs have ended, for the next start to tell of those that ended since.

    Args:
        awaited: encoder -> the side it goes on once a job has indexed it.
    """
    data = {"version": _VERSION, "ended": list(marks), "awaited": dict(awaited or {})}
    _write(directory / ENDED_NAME, data)


def _write(path: Path, data: Mapping[str, Any]) -> None:
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(data), encoding="utf-8")
        os.replace(beside, path)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _comparison(data: dict[str, Any]) -> Comparison:
    shown = data["comparison"]
    return Comparison(
        query=str(shown["query"]),
        query_id=shown["query_id"],
        split=shown["split"],
        judged=int(shown["judged"]),
        baseline=_side(shown["baseline"]),
        candidate=_side(shown["candidate"]),
        delta={name: _number(shown["delta"].get(name)) for name in SEARCH_MEASURES},
        rbo=_number(shown["rbo"]),
        elapsed_ms=float(shown["elapsed_ms"]),
        catalog_rows=int(data["catalog_rows"]),
        shared_from=tuple(str(spelling) for spelling in shown.get("shared_from", ())),
    )


def _side(data: dict[str, Any]) -> SideResult:
    return SideResult(
        encoder=str(data["encoder"]),
        build=str(data["build"]),
        seen=bool(data["seen"]),
        hits=tuple(
            Hit(
                rank=int(hit["rank"]),
                product_id=str(hit["product_id"]),
                title=str(hit["title"]),
                score=float(hit["score"]),
                grade=hit["grade"] if hit["grade"] in ("E", "S", "C", "I") else None,
                other_rank=None if hit["other_rank"] is None else int(hit["other_rank"]),
                verdict=_verdict(hit.get("verdict")),
                overrules=bool(hit.get("overrules")),
            )
            for hit in data["hits"]
        ),
        measures={name: _number(data.get(name)) for name in SEARCH_MEASURES},
        unanswered=bool(data.get("unanswered")),
        fingerprint=str(data.get("fingerprint", "")),
        found_none=bool(data.get("found_none")),
    )


def _verdict(said: Any) -> str:
    return said if said in ("graded", "flagged") else ""


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
