"""Queries whose groups do not chain."""

from __future__ import annotations

import pytest

from engine.catalog.queries import JudgedQuery

Queries = list[JudgedQuery]


@pytest.fixture(scope="module")
def queries(tiny_queries: Queries) -> Queries:
    """Only the Exact, the accessory and two others stay judged, so that groups do not chain."""
    kept = []
    for query in tiny_queries:
        exact = [p for p, grade in query.grades.items() if grade == "E"]
        rest = [p for p, grade in query.grades.items() if grade == "I"]
        kept.append(
            JudgedQuery(
                query.query_id,
                query.query,
                "",
                {p: query.grades[p] for p in [*exact, *rest[:2]]},
                query.columns,
            )
        )
    return kept
