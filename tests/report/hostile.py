"""A report over fake sides whose texts are as bad as a catalog's can be."""

from __future__ import annotations

from dataclasses import replace

from engine.evaluation.cosines import SideCosines
from engine.evaluation.evaluate import evaluate
from engine.evaluation.frame import Evaluation
from engine.evaluation.intervals import Delta
from engine.report.provenance import Provenance, SideFacts, versions
from engine.report.report import Report, assemble
from tests.evaluation.fake_sides import ScoredSide, make_catalog, make_queries

GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\x1b[31mred\x1b[0m size [/] 10 | 20 `code` **bold** _it_",
    "abc\u202egnp.exe\u2066",
    '=HYPERLINK("http://example.com","x")',
    "@SUM(1)\t\r\n+1",
    "{{ 7 * 7 }} {% raw %} [link](http://example.com) www.example.com",
    "</style></bdi></article><svg onload=alert(1)>",
)
CATALOG = make_catalog()
TITLES = {
    product: f"{HOSTILE[number % len(HOSTILE)]} {product}" for number, product in enumerate(CATALOG)
}


def evaluated(count: int = 60, candidate: float = 0.65, **options: object) -> Evaluation:
    """Two sides, the second better by `candidate` - .5, over queries with hostile texts."""
    queries = [
        replace(
            query,
            query=f"{HOSTILE[number % len(HOSTILE)]} {number}",
            columns={"=stratum<b>": HOSTILE[number % 3], "only": str(number)},
        )
        for number, query in enumerate(make_queries(CATALOG, count))
    ]
    sides = (
        ScoredSide("base", CATALOG, queries, 0.5),
        ScoredSide("<i>tuned", CATALOG, queries, candidate),
    )
    return evaluate(
        *sides, queries, CATALOG, gains=GAINS, keep_rankings=True, resamples=400, **options
    )  # type: ignore[arg-type]


def reported(evaluation: Evaluation, examples: int = 4) -> Report:
    facts = SideFacts("base", "encoder", "b1", fingerprint="0123456789abcdef", source=HOSTILE[0])
    tuned = replace(
        facts,
        name="<i>tuned",
        recipe="infonce",
        parameters={"lr": 2e-5, "alphas": [0.5, 1.0]},
        data={"template": HOSTILE[1], "rows": "abc123"},
        verdict={"call": "safe to try", "base": "base", "why": HOSTILE[0]},
    )
    origin = Provenance(
        workspace=HOSTILE[0],
        made="2026-11-21T12:00:00+00:00",
        versions=versions(),
        sides=(facts, tuned),
        commands=(("rankbench eval --candidate '<i>tuned'", "prints the table"),),
    )
    cosines = SideCosines(
        {"title_cosine": 0.5, "title_margin": 0.1},
        {"title_cosine": 0.51, "title_margin": 0.1},
        {"title_cosine": Delta(0.01, -0.0123, 0.0323, 0.3, 0, 0, 0, n=29)},
    )
    return assemble(
        evaluation,
        TITLES,
        origin,
        judged=evaluation.queries + 7,
        most_examples=examples,
        cosines=cosines,
    )
