"""No batch holds a false negative, each row comes once, and the Trainer gets such batches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.catalog.normalise import normalise_query
from engine.catalog.queries import JudgedQuery
from engine.training.batches import Row, batch_rows, fit_length, plan
from engine.training.examples import build_examples
from engine.training.outcome import Best
from engine.training.recipe import load_recipe


def false_negatives(rows: Sequence[Row], batch: Sequence[int]) -> int:
    """How many ordered pairs of rows of `batch` would teach a false negative."""
    return sum(
        a != b
        and (rows[a].query == rows[b].query or not rows[a].relevant.isdisjoint(rows[b].documents))
        for a in batch
        for b in batch
    )


def random_rows(seed: int, count: int) -> list[Row]:
    """Rows over few products, so that queries often share relevant ones."""
    rng = random.Random(seed)
    relevant = {f"q{n}": frozenset(f"d{rng.randrange(60)}" for _ in range(4)) for n in range(25)}
    rows = []
    for _ in range(count):
        query = rng.choice(sorted(relevant))
        positive = rng.choice(sorted(relevant[query]))
        others = sorted({f"d{n}" for n in range(60)} - relevant[query])
        rows.append(Row(query, frozenset([positive, rng.choice(others)]), relevant[query]))
    return rows


def test_no_batch_ever_holds_a_false_negative_and_every_row_comes_once() -> None:
    for seed in range(30):
        rows = random_rows(seed, 200)
        batches = plan(rows, 8, seed)
        assert all(false_negatives(rows, batch) == 0 for batch in batches)
        assert sorted(i for batch in batches for i in batch) == list(range(200))
        assert all(1 <= len(batch) <= 8 for batch in batches)


def test_the_check_sees_a_false_negative() -> None:
    rows = [
        Row("a", frozenset(["x", "n"]), frozenset(["x", "y"])),
        Row("b", frozenset(["z", "y"]), frozenset(["z"])),
        Row("a", frozenset(["y"]), frozenset(["x", "y"])),
        Row("c", frozenset(["w"]), frozenset(["w"])),
    ]
    assert false_negatives(rows, [0, 1]) == 1
    assert false_negatives(rows, [0, 2]) == 2
    assert false_negatives(rows, [0, 3]) == 0


def test_one_query_with_all_rows_gives_batches_of_one() -> None:
    rows = [Row("q", frozenset([f"d{n}"]), frozenset(["d0"])) for n in range(100)]
    assert [len(batch) for batch in plan(rows, 8, 0)] == [1] * 100


def test_the_number_of_batches_can_be_fixed() -> None:
    assert fit_length([[1], [2, 3], [4, 5, 6]], 2) == [[2, 3], [4, 5, 6]]
    assert fit_length([[1], [2]], 5) == [[1], [2], [1], [2], [1]]


def test_what_the_trainer_is_given_holds_no_false_negative(
    tiny_encoder_dir: Path,
    tiny_texts: dict[str, str],
    tiny_queries: list[JudgedQuery],
    tmp_path: Path,
) -> None:
    from engine.encoders.load import load_model
    from engine.training.fitting import Checkpoints, Watch, _trainer
    from engine.training.objectives import OBJECTIVES
    from engine.training.weights import plain_weights

    train = [query for query in tiny_queries if query.split == "train"]
    # The same query under another id and spelling must count as the same query.
    train.append(replace(train[0], query_id="again", query=train[0].query.upper()))
    examples = build_examples(train, tiny_texts, max_per_query=3, negatives=1, seed=0)
    recipe = load_recipe("infonce").with_set(["batch_size=8"])
    model = load_model(tiny_encoder_dir, "cpu")
    weights = plain_weights(model)
    watch = Watch(model, weights, recipe, None, Best(), lambda event: None, lambda: False, False)
    objective = OBJECTIVES["infonce"](examples, recipe)
    trainer = _trainer(model, recipe, objective, 0, Checkpoints(tmp_path), watch)
    loader = trainer.get_train_dataloader()
    rows = batch_rows(examples)
    seen: list[list[list[int]]] = []
    for epoch in range(3):
        loader.batch_sampler.set_epoch(epoch)
        batches = list(loader.batch_sampler)
        assert len(batches) == len(loader)
        assert all(false_negatives(rows, batch) == 0 for batch in batches)
        seen.append(batches)
    assert seen[0] != seen[1]
    names = {normalise_query(row.query) for row in examples.rows}
    assert len(names) == len(train) - 1
