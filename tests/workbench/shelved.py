"""Encoders on disk that no training made: cards, verdicts and builds, without weights to load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.encoders.card import Card, write_card
from engine.state import Build, State
from engine.workspace import Workspace

WHY = {
    "safe to try": "On unseen queries catalog NDCG@10 moves by {}.",
    "not shown safe": (
        "On unseen queries a loss of more than 0.02 catalog NDCG@10 is not ruled out: {}."
    ),
    "do not use this one": "It is worse on unseen queries: catalog NDCG@10 {}.",
}


def shelve(
    ws: Workspace,
    name: str,
    verdict: dict[str, Any] | None = None,
    *,
    parents: Sequence[str] = ("base",),
    built: bool = True,
) -> None:
    """Put an encoder of the recipe `flags` on disk, with a build that answers for it."""
    directory = ws.encoders_dir / name
    directory.mkdir(parents=True)
    (directory / "modules.json").write_text("[]")
    (directory / "model.safetensors").write_bytes(b"\0" * 1_200_000)
    parameters = {"lr": 1e-5, "epochs": 2, "seed": 3, "alphas": [0.25, 0.5, 1.0], "replay": 256}
    card = Card(
        name=name,
        base=parents[0],
        recipe={"name": "flags", "loss": "flags", "parameters": parameters, "seed": 3},
        data={"catalog": "cf85e88319b5122c", "verdicts": "000c406f3165bc32", "template": "title"},
        scores={
            "measure": "dev catalog NDCG@10 (reduced to 1000 products)",
            "base": 0.55673,
            "tuned": 0.5658,
            "queries": 18,
        },
        parents=tuple(parents),
        created="2026-11-21T12:44:33+00:00",
        beats_base=True,
        verdict=verdict or {},
    )
    write_card(directory, card)
    if built:
        mark = f"print-of-{name}"
        table = f"vec_{name}"
        build = Build(f"{name[-2:]}34abcd", name, mark, "title", table, 2013, 384, 1, 9.0, 1.0)
        state = State(ws.state_path)
        state.activate(build)
        state.close()


def verdict(
    name: str = "flags-01",
    call: str = "safe to try",
    delta: tuple[float, float, float] = (0.012, -0.004, 0.028),
    queries: int = 2,
) -> dict[str, Any]:
    """A `RunVerdict.to_json()`: `queries` flagged queries, thirty unseen ones."""
    mean, low, high = delta
    told = f"{mean:+.3f} ({low:+.3f} to {high:+.3f}, n 30)"
    flagged = [
        {
            "query": f"{('blue', 'red', 'green')[number % 3]} desk lamp with a [/] name {number}",
            "moved": [
                {"product_id": "P008", "wanted": "fall", "base": 2, "tuned": 31},
                {"product_id": "P009", "wanted": "fall", "base": 7, "tuned": None},
                {"product_id": "P010", "wanted": "rise", "base": 12, "tuned": 1},
            ],
            "imported": (None, None) if number % 2 else (0.5, 0.61),
            "merged": (0.31, 0.58),
        }
        for number in range(queries)
    ]
    return {
        "encoder": name,
        "base": "base",
        "call": call,
        "why": WHY[call].format(told),
        "flagged": flagged,
        "unseen": {
            "mean": mean,
            "low": low,
            "high": high,
            "p": 0.2134,
            "improved": 6,
            "unchanged": 20,
            "harmed": 4,
            "n": 30,
        },
        "worst": [
            {"query": f"a query that got worse, number {n}", "base": 0.8, "tuned": 0.8 - 0.1 * n}
            for n in range(5, 0, -1)
        ],
        "rbo": 0.912,
        "seconds": 93.4,
        "measure": "ndcg@10",
        "left_top_ten": 2 * queries,
        "in_top_ten": 2 * queries,
        "mean_ranks": {
            "fall": (4.5, 516.0) if queries else None,
            "rise": (12.0, 1.0) if queries else None,
        },
        "ndcg": {
            "imported": (0.5, 0.61, (queries + 1) // 2) if queries else None,
            "merged": (0.31, 0.58, queries) if queries else None,
        },
    }
