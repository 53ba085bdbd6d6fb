"""What was found in a person's files while a workspace was made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.catalog.queries import WEIGHT, Added, weight_of
from engine.workspace import GRADES, Settings

if TYPE_CHECKING:
    from engine.catalog.schema import CatalogReport
    from engine.formats.judgments import JudgmentFile


@dataclass(frozen=True, slots=True)
class Change:
    """What an import did to the judgments there were.

    Attributes:
        new, changed: pairs of query and product that nobody had judged, or otherwise.
        echoed: of these, the ones whose grade is what people's verdicts say: an export with
            verdicts applied that comes home makes them look imported.
        first: whether there were no judgments before.
        weighed: pairs judged before that count otherwise in training now.
    """

    new: int = 0
    changed: int = 0
    echoed: int = 0
    first: bool = False
    weighed: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a judgment file in the records.

    Attributes:
        splits: split -> queries of the workspace.
        change: what became of the judgments there were.
        linked_by: the rule by which new queries were linked (`engine.catalog.splits.link`), or "".
        weight: how often the file's judgments count in training.
    """

    splits: Mapping[str, int]
    added: Added
    change: Change
    linked_by: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Named:
    """What became of a query set.

    Attributes:
        queries: how many judged queries it names.
        replaced: how many the set of that name had before; None where there was none.
        unknown: listed texts that nobody has judged, left out.
    """

    name: str
    queries: int
    replaced: int | None
    unknown: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "set": self.name,
            "queries": self.queries,
            "replaced": self.replaced,
            "unknown": list(self.unknown),
        }


@dataclass(frozen=True, slots=True)
class JudgmentFindings:
    """Of a judgment file.

    Attributes:
        grades: grade -> judgments; mapping: value (or range) in the file -> grade.
        duplicates: rows that repeat a pair; contradictions: those that repeat it with another
            grade.
        dropped: reason -> judgments left out.
        unknown_products: judgments whose product is not in the catalog.
        splits: split -> queries of the workspace.
        linked_by: the rule by which new queries were linked before they got splits, or "".
        joined: the file's query id -> the known id of the same text; renamed: -> a fresh id.
        change: what became of the judgments there were.
        unread_weights: query id -> its `weight`, where that is no number from 0.
        named: the query set that the file's queries were made, if one was asked for.
        weight: how often the file's judgments count in training.
    """

    format: str
    scale: str
    judgments: int
    queries: int
    grades: Mapping[str, int]
    mapping: Mapping[str, str]
    duplicates: int
    contradictions: int
    dropped: Mapping[str, int]
    unknown_products: int
    splits: Mapping[str, int]
    linked_by: str
    joined: Mapping[str, str]
    renamed: Mapping[str, str]
    notes: tuple[str, ...]
    change: Change
    unread_weights: Mapping[str, str] = field(default_factory=dict)
    named: Named | None = None
    weight: float = 1.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Findings:
    """Of a catalog, and of the judgments that came with it.

    Attributes:
        columns: canonical column -> the file's; missing: column -> products without it.
        unused: columns of the file that neither a canonical column nor the template takes.
        empty_texts: products with nothing in the text that is encoded.
        encoder: id or path of the base encoder, "packaged" for the one that comes along.
    """

    workspace: str
    rows: int
    products: int
    duplicates: int
    no_id: int
    columns: Mapping[str, str]
    missing: Mapping[str, int]
    unused: tuple[str, ...]
    empty_texts: int
    template: str
    encoder: str
    notes: tuple[str, ...]
    judgments: JudgmentFindings | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def of_catalog(settings: Settings, root: Path, report: CatalogReport, empty_texts: int) -> Findings:
    """The findings of a catalog that was read."""
    from engine.catalog.template import Template

    encoded = Template(settings.template).fields
    return Findings(
        workspace=str(root.resolve()),
        rows=report.rows,
        products=report.kept,
        duplicates=report.duplicates,
        no_id=report.no_id,
        columns=settings.columns,
        missing=report.missing,
        unused=tuple(source for source, name in report.further.items() if name not in encoded),
        empty_texts=empty_texts,
        template=settings.template,
        encoder=settings.encoder or "packaged",
        notes=report.notes,
    )


def of_judgments(
    judged: JudgmentFile, unknown_products: int, imported: Imported, named: Named | None = None
) -> JudgmentFindings:
    """The findings of a judgment file that was read."""
    counts = judged.counts
    return JudgmentFindings(
        format=judged.format,
        scale=judged.scale,
        judgments=judged.frame.height,
        queries=judged.frame["query_id"].n_unique(),
        grades={grade: counts.get(grade, 0) for grade in GRADES},
        mapping=judged.mapping,
        duplicates=counts.get("duplicates", 0),
        contradictions=counts.get("contradictions", 0),
        dropped=judged.dropped,
        unknown_products=unknown_products,
        splits=imported.splits,
        linked_by=imported.linked_by,
        joined=imported.added.joined,
        renamed=imported.added.renamed,
        notes=judged.notes,
        change=imported.change,
        unread_weights=_unread_weights(judged),
        named=named,
        weight=imported.weight,
    )


def _unread_weights(judged: JudgmentFile) -> dict[str, str]:
    if WEIGHT not in judged.queries.columns:
        return {}
    rows = judged.queries.select("query_id", WEIGHT).drop_nulls().iter_rows()
    return {key: text for key, text in rows if text.strip() and weight_of({WEIGHT: text}) is None}
