"""Synthetic training data on disk: a teacher's scores of what a log's queries find.

A directory `synth/<name>/` holds `rows.parquet` (query, product_id, text_hash, score: the teacher's
logit) and `card.json`. It appears whole or not at all, and is never rewritten.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.catalog.normalise import normalise_query
from engine.catalog.template import content_hashes
from engine.encoders.card import FILE_NAME, Card
from engine.errors import RankbenchError, UsageError
from engine.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

ROWS = "rows.parquet"
COLUMNS = ("query", "product_id", "text_hash", "score")
_BEST = 4
"""One document of so many of a list is among the teacher's best."""

ScoredList = tuple[str, tuple[str, ...], tuple[float, ...]]
"""A query, product ids, and the teacher's logits of them."""


@dataclass(frozen=True, slots=True)
class SynthCard:
    """What the `card.json` of a synthetic set says.

    Attributes:
        name: of the set.
        log: "name" and "sha256" of the log file, its "format", "queries" and "searches".
        counts: "queries" scored, "pairs"; of the queries "head" and "tail"; "held_out": queries of
            the log left out because they (nearly) repeat a judged one of dev or test.
        teacher: "id" as it was named, "name" where the workspace made it, "weights" (hash),
            "trained_on": in words.
        encoder: "name" and "fingerprint" of the student whose candidates were scored.
        check: `Check.to_json()` of teacher against student on dev; empty where none could be made.
        accepted: the teacher did not beat the student, or could not be compared, and was accepted.
        seed: of the queries' draw.
        data: "catalog" and "template", as an encoder's card; "rows", the hash of the rows.
        seen: normalised queries that whoever is trained on this has seen beside the set's own:
            judged ones that these nearly repeat, and all that the teacher has seen.
        seconds: of the scoring; rate: pairs a second; created: UTC, ISO 8601.
    """

    name: str
    log: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    teacher: Mapping[str, Any] = field(default_factory=dict)
    encoder: Mapping[str, str] = field(default_factory=dict)
    check: Mapping[str, Any] = field(default_factory=dict)
    accepted: bool = False
    seed: int = 0
    data: Mapping[str, str] = field(default_factory=dict)
    seen: tuple[str, ...] = ()
    seconds: float = 0.0
    rate: float = 0.0
    created: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_synth_card(directory: Path) -> SynthCard:
    """The card of a synthetic set.

    Raises:
        RankbenchError: there is none, or it cannot be read.
    """
    try:
        data = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))
        known = {item.name for item in fields(SynthCard)}
        values = {key: value for key, value in data.items() if key in known}
        return SynthCard(**{**values, "seen": tuple(values.get("seen", ()))})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RankbenchError(
            f"{directory} is no synthetic set: {error}.", "`rankbench synth` lists those there are."
        ) from None


def synth_sets(ws: Workspace) -> list[Path]:
    """The directories of the workspace's sets, newest last."""
    if not ws.synth_dir.is_dir():
        return []
    whole = [path for path in ws.synth_dir.iterdir() if not path.name.startswith(".")]
    whole = [path for path in whole if (path / FILE_NAME).is_file() and (path / ROWS).is_file()]
    return sorted(whole, key=lambda path: (read_synth_card(path).created, path.name))


def find_synth(ws: Workspace, name: str = "") -> Path:
    """The set of that name, or the newest.

    Raises:
        UsageError: there is none of that name.
        RankbenchError: there is none at all.
    """
    found = synth_sets(ws)
    if not found and not name:
        raise RankbenchError(
            "There is no synthetic set to train on.",
            "`rankbench synth LOG` makes one from a search log.",
        )
    if not name:
        return found[-1]
    for path in found:
        if path.name == name:
            return path
    names = ", ".join(sorted(path.name for path in found))
    raise UsageError(
        f"There is no synthetic set called {name!r}.",
        f"There are: {names}." if found else "`rankbench synth LOG` makes one from a search log.",
    )


def read_rows(directory: Path) -> pl.DataFrame:
    """The rows of a set, in their order.

    Raises:
        RankbenchError: they cannot be read.
    """
    import polars as pl

    try:
        return pl.read_parquet(directory / ROWS, columns=list(COLUMNS))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RankbenchError(
            f"{directory / ROWS} cannot be read: {error}.",
            "Make the set again with `rankbench synth`.",
        ) from None


def synth_lists(
    directory: Path, texts: Mapping[str, str], documents_per_query: int, seed: int
) -> list[ScoredList]:
    """A list of `documents_per_query` products of every query, with the teacher's logits.

    A quarter of a list is drawn from the teacher's best `documents_per_query`; the rest evenly over
    its whole ranking, one product from each of as many equal stretches, so that a softmax over the
    list tells the good from the middling and both from the bad. Queries stand in the set's order.

    Args:
        texts: product id -> rendered text; a product that is gone, or whose text changed since it
            was scored, is left out, and a query with fewer than two left too.
        documents_per_query: 2 or more; a query with fewer gives what it has.
        seed: of the draw; another seed, other lists.

    Raises:
        RankbenchError: the set cannot be read, or nothing of it fits the catalog any more.
    """
    rng = random.Random(seed)
    kept = dict(zip(texts, content_hashes(texts.values()), strict=True))
    scored: dict[str, list[tuple[float, str]]] = {}
    for query, product, text_hash, score in read_rows(directory).iter_rows():
        if texts.get(product) and kept[product] == text_hash and math.isfinite(score):
            scored.setdefault(query, []).append((score, product))
    lists: list[ScoredList] = []
    for query, found in scored.items():
        if len(found) < 2:
            continue
        ranked = sorted(found, key=lambda pair: (-pair[0], pair[1]))
        chosen = _draw(ranked, documents_per_query, rng)
        lists.append((query, tuple(p for _, p in chosen), tuple(s for s, _ in chosen)))
    if not lists:
        raise RankbenchError(
            f"Nothing in {directory} fits the catalog any more: its texts have changed.",
            "Make the set again with `rankbench synth`.",
        )
    return lists


def _draw(
    ranked: Sequence[tuple[float, str]], count: int, rng: random.Random
) -> list[tuple[float, str]]:
    """`count` of a ranking, best first."""
    if len(ranked) <= count:
        return list(ranked)
    top = range(min(count, len(ranked)))
    places = set(rng.sample(top, max(1, count // _BEST)))
    rest = [place for place in range(len(ranked)) if place not in places]
    needed = count - len(places)
    for turn in range(needed):
        low, high = len(rest) * turn // needed, len(rest) * (turn + 1) // needed
        places.add(rest[rng.randrange(low, high)])
    return [ranked[place] for place in sorted(places)]


def rows_hash(rows: pl.DataFrame) -> str:
    """SHA-256 (16 hex) of the rows in their order."""
    digest = hashlib.sha256()
    for row in rows.select(COLUMNS).iter_rows():
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()[:16]


def distilled(card: Card, synth: SynthCard, queries: Iterable[str]) -> Card:
    """The card of a student that was trained on `queries` of a set, and learnt from its teacher.

    No judgment reached it but through the teacher: what that one has seen, the student has.
    """
    own = {normalise_query(query) for query in queries}.union(card.trained_queries)
    inherited = set(synth.seen).union(card.inherited_queries).difference(own)
    note = f"distilled from {synth.teacher.get('id', 'a teacher')} ({synth.name})"
    if synth.accepted:
        note += ", which was not shown to beat its student"
    return replace(
        card,
        trained_queries=tuple(sorted(own)),
        inherited_queries=tuple(sorted(inherited)),
        asked={**card.asked, "source": "log", "synth": synth.name},
        data={
            **card.data,
            "synth": str(synth.data.get("rows", "")),
            "teacher": str(synth.teacher.get("weights", "")),
        },
        note="; ".join(filter(None, [card.note, note])),
    )
