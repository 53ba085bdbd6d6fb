"""The ways to make an encoder smaller or faster: whose weights, how run, what they rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.encoders.load import load_float, load_model
from engine.encoders.quantised import QuantisedEncoder
from engine.encoders.save import save_model
from engine.experiments import paths
from engine.experiments.compress import projection, student
from engine.experiments.compress_plan import Plan
from engine.experiments.distil import drop_layers, layer_count
from engine.experiments.kept import Parent
from engine.training import adapter
from engine.training.outcome import Report, ShouldStop
from engine.training.vectors import encode_all


@dataclass(frozen=True, slots=True)
class Way:
    """A row to be: whose weights (None: the parent's), how they are run, and what it ranks."""

    plan: Plan | None
    path: str
    documents_too: bool = False
    note: str = ""

    @property
    def weights(self) -> str:
        return self.plan.name() if self.plan else "float32"

    def name(self, parent: str) -> str:
        """The encoder that is run so: the parent, one that `compress` makes of it, or ""."""
        if self.documents_too or self.path not in (paths.LIGHT, paths.ORT_INT8):
            return ""
        plan = self.plan
        if self.path == paths.ORT_INT8:
            plan = replace(plan, method="int8") if plan else Plan()
        return f"{parent}-{plan.name()}" if plan else parent

    @property
    def key(self) -> str:
        steps = f"-{self.plan.steps}" if self.plan and self.plan.layers else ""
        return f"{self.weights}{steps} {self.path}{' both' if self.documents_too else ''}"


BASELINE = Way(None, paths.LIGHT)
PLAIN = Way(None, paths.BARE)


def ways_of(directory: Path, dims: Sequence[int], steps: int) -> list[Way]:
    """Every way to be tried on the encoder in `directory`; dimensions it has not are left out."""
    size, count = int(load_float(directory, "cpu", live=True).dim), layer_count(directory)
    found = [PLAIN, BASELINE]
    found += [Way(None, path) for path in (paths.BF16, paths.BARE_INT8, paths.TORCH_INT8)]
    found += [Way(None, path) for path in paths.PRECISIONS]
    found += [Way(None, paths.ORT_INT8, documents_too=True, note="documents in int8 too")]
    smaller = [dim for dim in dims if dim < size]
    for method in ("pca", "truncate"):
        found += [Way(Plan(method, dim), paths.LIGHT) for dim in smaller]
    found += [Way(Plan("pca", dim), paths.ORT_INT8) for dim in smaller[:1]]
    for layers in dict.fromkeys((round(count * 2 / 3), count // 2)):
        if 1 <= layers < count:
            plan = Plan("layers", layers=layers, steps=steps)
            found += [Way(plan, path) for path in (paths.BARE, paths.LIGHT, paths.ORT_INT8)]
    return found


class Models:
    """The float32 weights of the rows and their document vectors, made when first needed."""

    def __init__(
        self,
        parent: Parent,
        place: Path,
        work: Path,
        steps: int,
        report: Report,
        stop: ShouldStop,
    ) -> None:
        self.parent, self.place, self.work = parent, place, work
        self.report, self.stop = report, stop
        self._directories: dict[Plan | None, Path] = {None: parent.directory}
        self._documents: dict[Plan | None, np.ndarray] = {None: parent.matrix.vectors}

    def directory(self, plan: Plan | None) -> Path:
        if plan not in self._directories:
            assert plan is not None
            self._directories[plan] = self._make(plan)
        return self._directories[plan]

    def documents(self, way: Way) -> np.ndarray:
        """The vectors [n, dim] that a way's queries rank."""
        plan, matrix = way.plan, self.parent.matrix
        texts = [self.parent.texts[product] for product in matrix.ids]
        if way.documents_too:
            encoder = paths.open_graph_path(self.directory(plan), self.work, way.path)
            return encode_all(Whole(encoder), texts, self.report, self.stop)
        if plan not in self._documents:
            assert plan is not None
            if plan.dim is None:
                encoder = load_float(self.directory(plan), "cpu")
                self._documents[plan] = encode_all(encoder, texts, self.report, self.stop)
            else:
                weight = projection(matrix.vectors, plan.dim, plan.method)
                self._documents[plan] = adapter.apply(weight, matrix.vectors)
        return self._documents[plan]

    def open(self, way: Way) -> paths.Queries | None:
        return paths.open_path(way.path, self.directory(way.plan), self.work)

    def bytes(self, way: Way) -> int:
        directory = self.directory(way.plan)
        if way.path in paths.PRECISIONS:
            name = paths.graph_name(directory, way.path)
            return (self.work / name).stat().st_size
        return sum(file.stat().st_size for file in directory.rglob("*.safetensors"))

    def empty(self) -> Path:
        """The parent without a layer: words, pooling, normalisation."""
        target = self.work / "no-layers"
        if not target.is_dir():
            model = load_model(self.parent.directory, "cpu")
            drop_layers(model, 0)
            save_model(model, target)
        return target

    def _make(self, plan: Plan) -> Path:
        if plan.dim is None:
            return student(self.parent, plan, self.place, self.report, self.stop)
        target = self.work / plan.name()
        weight = projection(self.parent.matrix.vectors, plan.dim, plan.method)
        save_model(adapter.attach(load_model(self.parent.directory, "cpu"), weight), target)
        return target


@dataclass(frozen=True, slots=True)
class Whole:
    """A quantised encoder whose documents are int8 too."""

    encoder: QuantisedEncoder

    @property
    def dim(self) -> int:
        return self.encoder.dim

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self.encoder.encode_queries(texts)

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        return self.encoder.encode_documents_int8(texts)
