"""The directory of a cross-validation: settings, one set of files a fold and seed, run files."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.catalog.queries import JudgedQuery
from engine.encoders.fingerprint import fingerprint
from engine.encoders.registry import BASE, encoder_fingerprint, resolve
from engine.errors import RankbenchError
from engine.evaluation.pair_cosines import Fields, Pair
from engine.evaluation.runs import whole_gains
from engine.formats.runs import write_qrels, write_run
from engine.formats.writing import inert_cell, plain_cell
from engine.index.store import catalog_hash
from engine.records import Records
from engine.training.examples import queries_hash
from engine.training.recipe import Recipe
from engine.training.rows import Products
from engine.workspace import Workspace, unwritable

LOCK = ".running.lock"
_FORMAT = 2
_PAIR_TEXTS = ("query_id", "product_id", "field", "grade")
Scores = Mapping[str, Mapping[str, float | None]]
"""Query id -> measure -> value."""


def settings_of(
    recipe: Recipe,
    base_dir: Path,
    texts: Mapping[str, str],
    queries: Sequence[JudgedQuery],
    folds: int,
    gains: Mapping[str, float],
    rbo_p: float,
    fields: Fields,
    products: Products,
) -> dict[str, Any]:
    """What two runs must share for their folds to be one experiment. Seeds may be added later."""
    what = recipe.to_json()
    what.pop("summary")
    what["parameters"].pop("seed", None)
    read: dict[str, Mapping[str, Any]] = {}
    if recipe.get("strata", "") == "category":
        read["categories"] = products.categories
    if recipe.get("strata", "") == "source":
        read["sources"] = {q.query_id: sorted(q.sources.items()) for q in queries}
    if recipe.get("strata", "") == "locale":
        read["locales"] = {q.query_id: q.columns.get("locale", "") for q in queries}
    if recipe.get("descriptions", 0):
        read["descriptions"] = products.descriptions
    return {
        "recipe": what,
        "base": fingerprint(base_dir),
        "catalog": digest(sorted(texts.items())),
        "judgments": queries_hash(queries),
        "folds": folds,
        "gains": dict(gains),
        "rbo_p": rbo_p,
        "fields": {name: digest(sorted(texts.items())) for name, texts in fields.items()},
        **{name: digest(sorted(texts.items())) for name, texts in read.items()},
    }


def digest(value: object) -> str:
    """Sixteen hexadecimal digits that stand for a JSON value."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def directory_of(ws: Workspace, recipe: Recipe, folds: int) -> Path:
    """Where a workspace keeps a recipe's folds: other settings, base, catalog or judgments, another
    directory. Seeds share one. `_FORMAT` is of the files in it."""
    with Records(ws.records_path) as records:
        judgments = queries_hash(records.judged_queries())
    what = recipe.to_json()["parameters"]
    what.pop("seed", None)
    key = [_FORMAT, what, folds, encoder_fingerprint(resolve(ws, BASE)), judgments]
    key += [catalog_hash(ws), ws.settings.template, dict(ws.settings.gains)]
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=list).encode()).hexdigest()[:8]
    return ws.reports_dir / f"crossval-{recipe.name}-{digest}"


@contextmanager
def held(path: Path, what: str = "cross-validation", parts: str = "folds") -> Iterator[None]:
    """Keep the directory, made where it is missing, to this run of `what`, which has `parts`.

    Raises:
        RankbenchError: another run has it, or it cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise RankbenchError(
            f"Another {what} is at work in {path}.",
            f"Wait for it to end, or stop it; the {parts} it has finished are kept.",
        ) from None
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        yield
    finally:
        lock.release()


def clear(path: Path) -> None:
    """Remove what an experiment left, so that it starts anew.

    Raises:
        RankbenchError: as `held`.
    """
    with held(path):
        for left in path.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            elif left.name != LOCK:
                left.unlink(missing_ok=True)


class Store:
    """Reads and writes the directory; a fold's JSON comes last and whole, so its presence is done.

    `<name>.json`, `<name>.run` (catalog), `<name>.judged.run` and `<name>.cosines.csv` (a line a
    pair and field), where name is `fold0-seed0`, `base` or `bm25`; `qrels.txt` and `settings.json`
    beside them.
    """

    work_prefix = ".work-"

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Open or make the directory, which the caller has `held`.

        Raises:
            RankbenchError: it holds an experiment with other settings, or cannot be written.
        """
        self.path = path
        self.settings = dict(settings)
        try:
            path.mkdir(parents=True, exist_ok=True)
            for left in path.glob(f"{self.work_prefix}*"):
                shutil.rmtree(left, ignore_errors=True)
            known = path / "settings.json"
            if known.is_file():
                self._check(json.loads(known.read_text(encoding="utf-8")))
            else:
                self._write("settings.json", self.settings)
        except ValueError:
            raise RankbenchError(f"{path} cannot be read.", "Remove it, and start anew.") from None
        except OSError as error:
            raise unwritable(path, error) from None

    @staticmethod
    def name(fold: int, seed: int) -> str:
        return f"fold{fold}-seed{seed}"

    def has(self, fold: int, seed: int) -> bool:
        return (self.path / f"{self.name(fold, seed)}.json").is_file()

    def has_baseline(self, name: str) -> bool:
        return (self.path / f"{name}.json").is_file()

    def write_scores(
        self,
        name: str,
        scores: Scores,
        catalog: Mapping[str, Sequence[str]],
        judged: Mapping[str, Sequence[str]],
        facts: Mapping[str, Any],
    ) -> None:
        """Run files first, then the scores, which make the fold done."""
        write_run(self.path / f"{name}.run", catalog, tag=name)
        write_run(self.path / f"{name}.judged.run", judged, tag=name)
        try:
            self._write(f"{name}.json", {**facts, "queries": scores})
        except OSError as error:
            raise unwritable(self.path, error) from None

    def write_pairs(self, name: str, pairs: Sequence[Pair]) -> None:
        """The cosines of an encoder's pairs; before its scores, which make it done."""
        try:
            with (self.path / f"{name}.cosines.csv").open(
                "w", newline="", encoding="utf-8"
            ) as file:
                lines = csv.writer(file)
                lines.writerow(item.name for item in dataclasses.fields(Pair))
                for pair in pairs:
                    *texts, cosine = dataclasses.astuple(pair)
                    lines.writerow([*map(inert_cell, texts), cosine])
        except OSError as error:
            raise unwritable(self.path, error) from None

    def read_pairs(self, name: str) -> list[Pair]:
        """The cosines of an encoder's pairs.

        Raises:
            RankbenchError: they are damaged.
        """
        path = self.path / f"{name}.cosines.csv"
        try:
            with path.open(newline="", encoding="utf-8") as file:
                return [
                    Pair(
                        cosine=float(line["cosine"]),
                        **{name: plain_cell(line[name]) for name in _PAIR_TEXTS},
                    )
                    for line in csv.DictReader(file)
                ]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RankbenchError(
                f"{path} cannot be read: {error}.",
                f"Remove it and {name}.json; the next run makes them again.",
            ) from None

    def read(self, name: str) -> dict[str, Any]:
        """One fold's or baseline's JSON.

        Raises:
            RankbenchError: it is damaged.
        """
        path = self.path / f"{name}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RankbenchError(
                f"{path} cannot be read: {error}.", "Remove it; the next run makes it again."
            ) from None

    def write_qrels(
        self, queries: Sequence[JudgedQuery], gains: Mapping[str, float], texts: Mapping[str, str]
    ) -> None:
        """The judgments in the catalog as the smallest whole multiples of the gains."""
        whole = whole_gains(gains)
        grades = {
            query.query_id: {
                product: whole[grade]
                for product, grade in query.grades.items()
                if texts.get(product)
            }
            for query in queries
        }
        write_qrels(self.path / "qrels.txt", grades)

    def write_result(self, result: Mapping[str, Any]) -> None:
        self._write("result.json", result)

    def _check(self, known: Mapping[str, Any]) -> None:
        differing = [key for key, value in self.settings.items() if known.get(key) != value]
        if differing:
            raise RankbenchError(
                f"{self.path} holds another experiment: {', '.join(differing)} differ.",
                "Choose another directory, or remove that one.",
            )

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        beside = self.path / f"{name}.tmp"
        beside.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(beside, self.path / name)
