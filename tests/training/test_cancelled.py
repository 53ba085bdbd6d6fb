"""A run that is stopped after a dev score keeps what was best by then, whatever trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.catalog.queries import JudgedQuery
from engine.encoders.card import read_card
from engine.training.recipe import load_recipe
from engine.training.train import train

QUICK = {
    "infonce": ["lr=1e-3", "max_per_query=3", "epochs=20", "dev_products=180"],
    "adapter": ["lr=1e-3", "epochs=20"],
}


@pytest.mark.parametrize("name", QUICK)
def test_the_best_weights_so_far_are_saved(
    name: str,
    tiny_encoder_dir: Path,
    tiny_texts: dict[str, str],
    tiny_queries: list[JudgedQuery],
    tmp_path: Path,
) -> None:
    events: list[dict[str, Any]] = []

    def stop() -> bool:
        # In the epoch after a scoring.
        scored = [n for n, e in enumerate(events) if e.get("score") is not None]
        return bool(scored) and any(e.get("loss") for e in events[scored[-1] :])

    result = train(
        load_recipe(name).with_set(QUICK[name]),
        tiny_encoder_dir,
        [query for query in tiny_queries if query.split == "train"],
        [query for query in tiny_queries if query.split == "dev"],
        tiny_texts,
        tmp_path / "tuned",
        report=events.append,
        should_stop=stop,
    )
    steps = next(e["steps"] for e in events if e.get("steps"))
    assert result.cancelled is not None and result.cancelled < steps
    card = read_card(tmp_path / "tuned")
    assert card is not None and card.scores["cancelled_after_step"] == result.cancelled
    assert card.scores["tuned"] == max(c["score"] for c in card.scores["candidates"])
    assert "cancelled after step" in card.note
