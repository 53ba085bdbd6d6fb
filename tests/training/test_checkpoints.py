"""Checkpoints that a disk has changed: a run goes on from an older one, or starts over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.catalog.queries import JudgedQuery
from engine.encoders.load import load_encoder
from engine.training.recipe import load_recipe
from engine.training.train import train

QUICK = ["lr=1e-3", "max_per_query=3", "epochs=3", "dev_products=180"]


def spoil(file: Path) -> None:
    """Change one byte in the middle; the size stays."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("file", "all_of_them"),
    [("model.safetensors", False), ("best.pt", False), ("optimizer.pt", True)],
)
def test_a_run_does_not_go_on_from_bytes_that_changed(
    file: str,
    all_of_them: bool,
    tiny_encoder_dir: Path,
    tiny_texts: dict[str, str],
    tiny_queries: list[JudgedQuery],
    tmp_path: Path,
) -> None:
    events: list[dict[str, Any]] = []
    place = tmp_path / "checkpoints"

    def run(name: str, **options: Any) -> list[Any]:
        train(
            load_recipe("infonce").with_set(QUICK),
            tiny_encoder_dir,
            [query for query in tiny_queries if query.split == "train"],
            [query for query in tiny_queries if query.split == "dev"],
            tiny_texts,
            tmp_path / name,
            device="cpu",
            report=events.append,
            **options,
        )
        return load_encoder(tmp_path / name, "cpu").encode_documents(["red tent"]).tolist()

    def stop() -> bool:
        """In the second epoch."""
        return any(event.get("epoch", 0) > 1.3 for event in events)

    whole = run("whole")
    events.clear()
    run("cut", checkpoints=place, should_stop=stop)
    older, newer = sorted(int(path.name.rpartition("-")[2]) for path in place.iterdir())
    for step in (older, newer) if all_of_them else (newer,):
        spoil(place / f"checkpoint-{step}" / file)
    events.clear()
    again = run("again", checkpoints=place)
    said = " ".join(str(event.get("message", "")) for event in events)
    assert f"The checkpoint of step {newer} is damaged and was deleted." in said
    assert ("the run starts over" if all_of_them else f"Going on from step {older}.") in said
    assert again == whole
