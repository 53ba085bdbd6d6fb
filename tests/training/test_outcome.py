"""What a run came to: a tie with the base is no win, and counts are told in the right number."""

from __future__ import annotations

import random
from statistics import fmean
from types import SimpleNamespace
from typing import Any

from engine.training.examples import Examples
from engine.training.finish import Material, make_card, make_note
from engine.training.outcome import Best, Candidate
from engine.training.recipe import load_recipe

DEV: Any = SimpleNamespace(measure="dev catalog NDCG@10", ids=("q1", "q2"), queries=("a", "b"))


def made(scores: tuple[float, ...], base_score: float) -> tuple[Any, Best]:
    best = Best(chosen=Candidate(1, 1.0, scores), base=(base_score,) * len(scores))
    material = Material(Examples((), {}, (), "rows", ()))
    return make_card(load_recipe("infonce"), 0, material, DEV, best), best


def test_the_same_scores_as_the_bases_do_not_beat_it() -> None:
    rng = random.Random(0)
    for _ in range(200):
        scores = tuple(rng.random() for _ in range(18))
        assert Candidate(1, 1.0, scores).score == fmean(scores)
        assert made(scores, fmean(scores))[0].beats_base is False
    assert made((0.5, 0.5), 0.5 - 1e-12)[0].beats_base is False
    assert made((0.5, 0.5), 0.499)[0].beats_base is True


def test_one_held_out_query_is_told_as_one() -> None:
    card, best = made((0.5, 0.5), 0.4)
    assert make_note(card, best, ["red tent"]) == "trained on 1 query of the dev and test splits"
    assert "trained on 2 queries of" in make_note(card, best, ["red tent", "kettle"])
