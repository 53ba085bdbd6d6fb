"""A smaller, faster encoder made of another one, that stays an encoder of the registry."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from engine.encoders.card import Card, write_card
from engine.encoders.fingerprint import GRAPH
from engine.encoders.graph import write_graph
from engine.encoders.licence import licence_in
from engine.encoders.load import Encoder, load_encoder, load_float, load_model
from engine.encoders.registry import EncoderInfo, check_name, list_encoders, publish, resolve
from engine.encoders.save import save_model
from engine.errors import RankbenchError, UsageError
from engine.experiments.compress_plan import Plan
from engine.experiments.distil import Lesson, distil
from engine.experiments.kept import Kept, Parent, kept, scores
from engine.experiments.store import held
from engine.index.build import build_index
from engine.index.store import catalog_hash
from engine.training import adapter
from engine.training.finish import lineage
from engine.training.outcome import Report, ShouldStop, check_stop
from engine.training.vectors import encode_all
from engine.workspace import Workspace, unwritable


@dataclass(frozen=True, slots=True)
class Compressed:
    """An encoder that was made: its registry entry, and what it keeps; None without queries."""

    info: EncoderInfo
    kept: Kept | None


@dataclass(frozen=True, slots=True)
class _Known:
    """An encoder that looks documents up: text -> its vector [dim]."""

    encoder: Encoder
    vectors: Mapping[str, np.ndarray]

    @property
    def dim(self) -> int:
        return self.encoder.dim

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self.encoder.encode_queries(texts)

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        if all(text in self.vectors for text in texts):
            return np.stack([self.vectors[text] for text in texts])
        return self.encoder.encode_documents(texts)  # the catalog has changed meanwhile


@dataclass(frozen=True, slots=True)
class Reduced:
    """An encoder directory and the vectors of the parent's documents by it [n, dim]."""

    directory: Path
    documents: np.ndarray


def compress(
    ws: Workspace,
    parent: Parent,
    plan: Plan,
    place: Path,
    *,
    name: str = "",
    report: Report | None = None,
    should_stop: ShouldStop | None = None,
) -> Compressed:
    """Make the encoder that `plan` asks for and put it among the workspace's.

    Its card has the parent's lineage: what the parent has seen, it has seen. Its index is made of
    the vectors it was measured with: of int8 those of the parent, no text is encoded again.

    Args:
        place: where it works, one run at a time, and where a distillation keeps its checkpoints
            and its student, for the next run; on the workspace's disk.
        name: by default the parent's and the plan's.

    Raises:
        UsageError: a plan that the encoder does not allow or that changes nothing, or a name that
            none can have.
        RankbenchError: the name is taken, `place` is another run's, the disk refuses, or what was
            saved does not read back.
        Cancelled: nothing was added; a distillation goes on from its checkpoint the next time.
    """
    report, stop = report or (lambda event: None), should_stop or (lambda: False)
    plan = plan.filled(parent.directory)
    _check_dim(plan, parent.matrix.vectors.shape[1])
    if (parent.directory / GRAPH).is_file() and plan.name() == "int8":
        raise UsageError(
            f"{parent.info.name} answers queries in int8 already.",
            "Add --dim or --layers, or compress another encoder.",
        )
    new = check_name(name or f"{parent.info.name}-{plan.name()}")
    if any(info.name == new for info in list_encoders(ws)):
        raise RankbenchError(
            f"There is an encoder called {new!r} already.", "Choose another with `--name`."
        )
    with held(place, "compression", "students"):
        encoder, reduced, measured = _make(ws, parent, plan, place, new, report, stop)
    known = zip(parent.matrix.ids, reduced.documents, strict=True)
    by_text = {parent.texts[product]: vector for product, vector in known}
    build_index(ws, new, encoder=_Known(encoder, by_text))
    return Compressed(resolve(ws, new), measured)


def _make(
    ws: Workspace,
    parent: Parent,
    plan: Plan,
    place: Path,
    new: str,
    report: Report,
    stop: ShouldStop,
) -> tuple[Encoder, Reduced, Kept | None]:
    """Make the encoder and put it in its place, not indexed yet; `place` is held."""
    for left in place.glob(".*.partial"):  # of a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    work = place / f".{new}.partial"
    try:
        reduced = reduce(parent, plan, place, work, report, stop)
        report({"event": "progress", "phase": "saving", "step": 0, "steps": 0})
        if plan.method == "int8":
            write_graph(work, work / GRAPH)
        encoder = load_encoder(work, "cpu", live=True)
        _check_saved(work, encoder, plan)
        measured = measure(parent, encoder, reduced.documents, ws.settings.unchanged)
        # Of the catalog it learned nothing but where its vectors lie; no query, no judgment.
        data = {"catalog": catalog_hash(ws), "template": ws.settings.template}
        learned = plan.dim is not None or plan.layers is not None
        write_card(work, _card(new, parent, plan, measured, data if learned else {}))
        check_stop(stop)
        publish(ws, work, new)
    except OSError as error:
        raise unwritable(ws.encoders_dir, error) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return encoder, reduced, measured


def reduce(
    parent: Parent, plan: Plan, place: Path, work: Path, report: Report, stop: ShouldStop
) -> Reduced:
    """The parent's float32 model with the plan's layers and dimensions, saved in `work`."""
    source, documents = parent.directory, parent.matrix.vectors
    if plan.layers is not None:
        source = student(parent, plan, place, report, stop)
        texts = [parent.texts[product] for product in parent.matrix.ids]
        documents = encode_all(load_float(source, "cpu"), texts, report, stop)
    model = load_model(source, "cpu")
    if plan.dim is not None:
        weight = projection(documents, plan.dim, plan.method)
        model = adapter.attach(model, weight)
        documents = adapter.apply(weight, documents)
    save_model(model, work)
    return Reduced(work, documents)


def student(parent: Parent, plan: Plan, place: Path, report: Report, stop: ShouldStop) -> Path:
    """The directory of the parent's student with the plan's layers, distilled where need be."""
    assert plan.layers is not None
    rows = [row for row, product in enumerate(parent.matrix.ids) if parent.texts[product].split()]
    texts = [parent.texts[parent.matrix.ids[row]] for row in rows]
    lesson = Lesson(texts, parent.matrix.vectors[rows], plan.steps, plan.seed)
    return distil(parent.directory, plan.layers, lesson, place, report, stop)


def projection(vectors: np.ndarray, dim: int, method: str) -> np.ndarray:
    """W [dim, d]: a vector's new one is W @ v.

    By "truncate" the first dimensions, which Matryoshka-trained encoders put most into; else the
    first principal directions of `vectors` [n, d] about the origin, where cosines are taken.

    Raises:
        UsageError: more dimensions than there are.
    """
    size = vectors.shape[1]
    if not 1 <= dim < size:
        raise UsageError(
            f"{dim} dimensions cannot be kept of {size}.", f"Give --dim from 1 to {size - 1}."
        )
    if method == "truncate":
        return np.eye(dim, size, dtype=np.float32)
    _, directions = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    return np.ascontiguousarray(directions[:, ::-1][:, :dim].T, np.float32)


def measure(
    parent: Parent, encoder: Encoder, documents: np.ndarray, unchanged: float
) -> Kept | None:
    """What the encoder's queries find among `documents`, beside what the parent finds."""
    if not parent.queries:
        return None
    texts = parent.query_texts()
    base = load_encoder(parent.directory, "cpu", live=True)
    # One at a time, as a person types them.
    before, after = (
        np.concatenate([by.encode_queries([text]) for text in texts]) for by in (base, encoder)
    )
    return kept(scores(parent, after, documents), scores(parent, before), unchanged)


def _card(
    name: str, parent: Parent, plan: Plan, measured: Kept | None, data: dict[str, str]
) -> Card:
    card = parent.info.card
    done: dict[str, Any] = {**plan.to_json(), "method": plan.method}
    if plan.method == "int8":
        done["documents"] = "float32"
    if measured is not None:
        done["measured"] = {"measure": "catalog ndcg@10, unseen", **measured.to_json()}
    return Card(
        name=name,
        **lineage(parent.info.name, parent.directory),
        data=data,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        note=_note(plan, measured),
        compression=done,
        licence=(card.licence if card else "") or licence_in(parent.directory),
    )


def _note(plan: Plan, measured: Kept | None) -> str:
    parts = [] if measured is None or measured.share is None else [_keeps(measured)]
    if plan.layers is not None:
        parts.append(f"{plan.layers} layers, distilled in {plan.steps:,} steps")
    if plan.dim is not None:
        how = "the first" if plan.method == "truncate" else "a PCA's first"
        parts.append(f"{how} {plan.dim} dimensions")
    if plan.method == "int8":
        parts.append("queries in int8 by onnxruntime, documents in float32")
    return "; ".join(parts)


def _keeps(measured: Kept) -> str:
    span = f"n {measured.n}"
    if measured.low is not None and measured.high is not None:
        span = f"{measured.low:.1%} to {measured.high:.1%}, {span}"
    return f"keeps {measured.share:.1%} of its parent's unseen catalog ndcg@10 ({span})"


def _check_saved(work: Path, encoder: Encoder, plan: Plan) -> None:
    """The fast path must give what the saved float32 weights give, int8 nearly so."""
    probe = ["red running shoes for women", "tent", "usb c cable 2 m"]
    found = encoder.encode_queries(probe)
    wanted = load_float(work, "cpu").encode_queries(probe)
    least = 0.9 if plan.method == "int8" else 0.9999
    if found.shape != wanted.shape or not (np.einsum("ij,ij->i", found, wanted) > least).all():
        raise RankbenchError(
            "The smaller encoder does not give its own float32 vectors.",
            "Its architecture may not stand 8 bits; try `--method pca` or `--method layers`.",
        )


def _check_dim(plan: Plan, size: int) -> None:
    if plan.dim is not None:
        projection(np.zeros((1, size), np.float32), plan.dim, "truncate")
