"""What `init` and `import` found in a person's files, to print and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.workspace import GRADES, Settings
from workbench.commands.output import facts, safe

if TYPE_CHECKING:
    from engine.catalog.queries import Added
    from engine.catalog.schema import CatalogReport
    from engine.formats.judgments import JudgmentFile


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a judgment file in the records.

    Attributes:
        splits: split -> queries of the workspace.
        linked_by: the rule by which new queries were linked (`engine.catalog.splits.link`), or "".
    """

    splits: Mapping[str, int]
    added: Added
    linked_by: str = ""


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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Findings:
    """Of a catalog, and of the judgments that came with it.

    Attributes:
        columns: canonical column -> the file's; missing: column -> products without it.
        encoder: id or path of the base encoder, "packaged" for the one that comes along.
    """

    workspace: str
    rows: int
    products: int
    duplicates: int
    no_id: int
    columns: Mapping[str, str]
    missing: Mapping[str, int]
    template: str
    encoder: str
    notes: tuple[str, ...]
    judgments: JudgmentFindings | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def of_catalog(settings: Settings, root: Path, report: CatalogReport) -> Findings:
    """The findings of a catalog that was read."""
    return Findings(
        workspace=str(root.resolve()),
        rows=report.rows,
        products=report.kept,
        duplicates=report.duplicates,
        no_id=report.no_id,
        columns=settings.columns,
        missing=report.missing,
        template=settings.template,
        encoder=settings.encoder or "packaged",
        notes=report.notes,
    )


def of_judgments(
    judged: JudgmentFile, unknown_products: int, imported: Imported
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
    )


def show(found: Findings) -> None:
    """Print everything as aligned lines."""
    facts(_catalog_lines(found) + (_judgment_lines(found.judgments) if found.judgments else []))


def show_judgments(found: JudgmentFindings) -> None:
    """Print the judgments' part as aligned lines."""
    facts(_judgment_lines(found))


def _catalog_lines(found: Findings) -> list[tuple[str, str]]:
    lines = [
        ("workspace", found.workspace),
        ("products", f"{found.products:,} of {found.rows:,} rows"),
        ("duplicates", f"{found.duplicates:,} rows with an id seen before; the first is kept"),
        ("without an id", f"{found.no_id:,} rows, left out"),
    ]
    for name in dict.fromkeys((*found.columns, *found.missing)):
        source = found.columns.get(name, name)
        renamed = "" if source == name else f" from {safe(source)}"
        missing = found.missing.get(name, 0)
        share = f", {missing:,} empty ({_percent(missing, found.products)})" if missing else ""
        lines.append(("column", f"{name}{renamed}{share}"))
    lines += [("note", safe(note)) for note in found.notes]
    return [*lines, ("encoded text", safe(found.template)), ("encoder", found.encoder)]


def _judgment_lines(found: JudgmentFindings) -> list[tuple[str, str]]:
    what = f"{found.judgments:,} over {found.queries:,} queries"
    lines = [("judgments", f"{what} ({found.format}, scale {found.scale})")]
    for grade, count in found.grades.items():
        raw = [safe(value) for value, to in found.mapping.items() if to == grade]
        source = f"  from {', '.join(raw)}" if raw and raw != [grade] else ""
        lines.append((f"grade {grade}", f"{count:,} ({_percent(count, found.judgments)}){source}"))
    if found.duplicates:
        again = f"{found.duplicates:,} repeat a query and product with the same grade"
        lines.append(("left out", again))
    if found.contradictions:
        other = f"{found.contradictions:,} repeat a query and product with another grade"
        lines.append(("left out", other))
    lines += [("left out", f"{count:,} {safe(why)}") for why, count in found.dropped.items()]
    unknown = f"{found.unknown_products:,} judgments name a product the catalog does not have"
    lines.append(("unknown products", unknown))
    names = [name for name in ("train", "dev", "test", "") if name in found.splits]
    parts = [f"{name or 'none'} {found.splits[name]:,}" for name in names]
    lines.append(("splits", f"{', '.join(parts)} queries"))
    if found.joined:
        known = "of the file are known under another id and were added to it"
        lines.append(("joined", f"{len(found.joined):,} queries {known}: {_ids(found.joined)}"))
    if found.renamed:
        other = "of the file have the id of a query with another text and got a fresh one"
        lines.append(("renamed", f"{len(found.renamed):,} queries {other}: {_ids(found.renamed)}"))
    if found.linked_by in _NARROWED:
        lines.append(("linked", _NARROWED[found.linked_by]))
    return lines + [("note", safe(note)) for note in found.notes]


# By `engine.catalog.splits`' names of the rules, which this module does not load for.
_ALL_ONE = "judged products are shared so widely that they would link most queries into one group"
_NARROWED = {
    "exact products": f"{_ALL_ONE}; only shared Exact products and near-equal texts share a split",
    "texts": f"{_ALL_ONE}; only near-equal texts share a split",
}


def _ids(changed: Mapping[str, str], shown: int = 3) -> str:
    pairs = [f"{given} is {kept}" for given, kept in list(changed.items())[:shown]]
    return safe(", ".join(pairs + ["…"] * (len(changed) > shown)))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"
