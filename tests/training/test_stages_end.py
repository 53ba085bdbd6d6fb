"""A stage may end before its epochs are over: by patience, by a cancel, or by a cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.supervise.whole import newest_step
from engine.training import train as one_run
from tests.training.conftest import Runs

SHORT = ["epochs=30", "warmup=0", "patience=1", "alphas=1", "margin=9"]


def told(runs: Runs) -> list[str]:
    return [str(event["message"]) for event in runs.events if "message" in event]


def cut_while_saving(runs: Runs, monkeypatch: pytest.MonkeyPatch, *settings: str) -> None:
    """Run to the end of the training, which is lost before the encoder is written."""

    def lost(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(one_run, "save", lost)
        with pytest.raises(KeyboardInterrupt):
            runs(settings[0], "cut", *settings[1:], checkpoints=runs.out / "checkpoints")
    runs.events.clear()


def test_what_patience_ended_a_resume_does_not_go_on_with(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = runs("infonce", "whole", *SHORT)
    cut_while_saving(runs, monkeypatch, "infonce", *SHORT)
    again = runs("infonce", "again", *SHORT, checkpoints=runs.out / "checkpoints")
    assert again.steps == whole.steps < 30 * 6
    assert again.card.scores == whole.card.scores and again.dev == whole.dev
    assert np.array_equal(runs.vectors("again"), runs.vectors("whole"))


def test_a_run_cut_after_its_last_step_tells_its_steps(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_while_saving(runs, monkeypatch, "infonce")
    again = runs("infonce", "again", checkpoints=runs.out / "checkpoints")
    assert again.steps == runs("infonce", "whole").steps > 0


def test_patience_ends_a_stage_and_the_next_counts_the_epochs_there_were(runs: Runs) -> None:
    settings = ["first_epochs=30", "epochs=1", "warmup=0", "patience=1", "alphas=1", "lr=3e-3"]
    card = runs("hard-negatives", "o", *settings).card
    epochs = [one["epoch"] for one in card.scores["candidates"]]
    assert epochs == list(range(1, len(epochs) + 1)) and 2 < len(epochs) < 30
    lines = [line for line in told(runs) if "No better dev score" in line]
    assert lines[0] == "No better dev score for 1 epoch: this stage ends here."


def test_patience_ends_an_adapter_and_keeps_what_was_best(runs: Runs) -> None:
    settings = ["epochs=100", "lr=1e-2", "alphas=1", "alpha=1", "margin=9"]
    whole = runs("adapter", "whole", *settings)
    runs.events.clear()
    card = runs("adapter", "o", *settings, "patience=20").card
    scores = [event for event in runs.events if event.get("phase") == "dev"]
    best = max(scores, key=lambda event: event["score"])
    assert scores[-1]["epoch"] == best["epoch"] + 20 < 100
    assert card.scores["chosen"] == {"epoch": best["epoch"], "alpha": 1.0}
    assert "No better dev score for 20 epochs: this run ends here." in told(runs)
    tried = card.scores["candidates"]
    assert whole.card.scores["candidates"][: len(tried)] == tried


def test_patience_without_a_dev_set_is_said(runs: Runs) -> None:
    runs.queries = [query for query in runs.queries if query.split != "dev"]
    runs("infonce", "o", "patience=1", "max_steps=2")
    assert any("patience has no score to wait for" in line for line in told(runs))
    runs.events.clear()
    runs("infonce", "p", "max_steps=2")
    assert not any("patience" in line for line in told(runs))


def test_a_run_stopped_while_it_mines_has_something_to_go_on_from(runs: Runs) -> None:
    place = runs.out / "checkpoints"

    def stop() -> bool:
        return any(event.get("phase") == "mining" for event in runs.events)

    assert newest_step(place) is None
    cut = runs("hard-negatives", "cut", checkpoints=place, should_stop=stop)
    assert newest_step(place) == cut.cancelled and cut.cancelled
    # Half a file of the stage is none.
    kept = place / "stage-0.pt"
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1])
    assert newest_step(place) is None
    kept.write_bytes(whole)
    runs.events.clear()
    again = runs("hard-negatives", "again", checkpoints=place)
    steps = [event["step"] for event in runs.events if event.get("phase") == "training"]
    assert min(steps) == cut.cancelled + 1 and max(steps) == again.steps
    assert newest_step(place) == again.steps
