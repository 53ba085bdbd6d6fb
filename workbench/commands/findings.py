"""How what `init` and `import` found in a person's files is printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from workbench.commands.hints import hint
from workbench.commands.output import count, facts, safe, say

if TYPE_CHECKING:
    from engine.making.findings import Findings, JudgmentFindings, Named


def show(found: Findings) -> None:
    """Print everything as aligned lines."""
    facts(_catalog_lines(found) + (_judgment_lines(found.judgments) if found.judgments else []))


def show_judgments(found: JudgmentFindings) -> None:
    """Print the judgments' part as aligned lines, and what to know of those there were."""
    facts(_judgment_lines(found))
    change = found.change
    if change.echoed:
        are = "is" if change.echoed == 1 else "are"
        say(
            f"{change.echoed:,} of these {are} what people's verdicts say: an export with verdicts "
            "applied? They count as imported now, and no verdict is disputed by them."
        )
    if found.named is not None:
        say(named(found.named))
    if not change.first:
        hint("`rankbench import judgments --undo` takes the file back.")


def named(found: Named) -> str:
    """`home: 2 judged queries; replaces the set of that name, which had 3`."""
    told = f"{found.name}: {count(found.queries, 'judged query', 'judged queries')}"
    if found.replaced is None:
        return told
    return f"{told}; replaces the set of that name, which had {found.replaced:,}"


def _catalog_lines(found: Findings) -> list[tuple[str, str]]:
    lines = [
        ("workspace", found.workspace),
        ("products", f"{found.products:,} of {count(found.rows, 'row')}"),
        (
            "duplicates",
            f"{count(found.duplicates, 'row')} with an id seen before; the first is kept",
        ),
        ("without an id", f"{count(found.no_id, 'row')}, left out"),
    ]
    for name in dict.fromkeys((*found.columns, *found.missing)):
        source = found.columns.get(name, name)
        renamed = "" if source == name else f" from {safe(source)}"
        missing = found.missing.get(name, 0)
        share = f", {missing:,} empty ({_percent(missing, found.products)})" if missing else ""
        lines.append(("column", f"{name}{renamed}{share}"))
    if found.unused:
        names = safe(", ".join(found.unused))
        lines.append(("not used", f"{names} (kept; --column or --template takes one in)"))
    lines += [("note", safe(note)) for note in found.notes]
    lines.append(("encoded text", safe(found.template)))
    if found.empty_texts:
        lines.append(("empty text", empty(found.empty_texts)))
    return [*lines, ("encoder", found.encoder)]


def empty(products: int) -> str:
    """What to know of products with nothing to encode."""
    have, them = ("has", "it") if products == 1 else ("have", "them")
    what = f"{count(products, 'product')} {have} nothing in the encoded text"
    return f"{what}: an encoder ranks {them} by chance"


def _judgment_lines(found: JudgmentFindings) -> list[tuple[str, str]]:
    what = f"{found.judgments:,} over {count(found.queries, 'query', 'queries')}"
    lines = [("judgments", f"{what} ({found.format}, scale {found.scale})")]
    for grade, many in found.grades.items():
        raw = [safe(value) for value, to in found.mapping.items() if to == grade]
        source = f"  from {', '.join(raw)}" if raw and raw != [grade] else ""
        lines.append((f"grade {grade}", f"{many:,} ({_percent(many, found.judgments)}){source}"))
    if not found.grades["E"]:
        lines.append(("no Exact", "mrr@10, recall@50, precision@10 will be 0, and nothing trains"))
    if found.duplicates:
        again = f"{found.duplicates:,} repeat a query and product with the same grade"
        lines.append(("left out", again))
    if found.contradictions:
        other = f"{found.contradictions:,} repeat a query and product with another grade"
        lines.append(("left out", other))
    lines += [("left out", f"{many:,} {safe(why)}") for why, many in found.dropped.items()]
    verb = "names" if found.unknown_products == 1 else "name"
    unknown = (
        f"{count(found.unknown_products, 'judgment')} {verb} a product the catalog does not have"
    )
    lines.append(("unknown products", unknown))
    if not found.change.first:
        lines.append(("to those here", _changes(found)))
    if found.weight != 1 or found.change.weighed:
        lines.append(("weight", _weight(found)))
    names = [name for name in ("train", "dev", "test", "") if name in found.splits]
    parts = [f"{name or 'none'} {found.splits[name]:,}" for name in names]
    lines.append(("splits", f"{', '.join(parts)} queries"))
    if found.joined:
        is_, was = ("is", "was") if len(found.joined) == 1 else ("are", "were")
        known = f"of the file {is_} known under another id and {was} added to it"
        lines.append(
            (
                "joined",
                f"{count(len(found.joined), 'query', 'queries')} {known}: {_ids(found.joined)}",
            )
        )
    if found.renamed:
        have = "has" if len(found.renamed) == 1 else "have"
        other = f"of the file {have} the id of a query with another text and got a fresh one"
        lines.append(
            (
                "renamed",
                f"{count(len(found.renamed), 'query', 'queries')} {other}: {_ids(found.renamed)}",
            )
        )
    if unread := found.unread_weights:
        shown = safe(", ".join(dict.fromkeys(list(unread.values())[:3])))
        why = f"without one: it is no number such as 3.5 or 1,250, but {shown}"
        lines.append(("weights", f"{count(len(unread), 'query', 'queries')} {why}"))
    if found.linked_by in NARROWED:
        lines.append(("linked", NARROWED[found.linked_by]))
    return lines + [("note", safe(note)) for note in found.notes]


def _changes(found: JudgmentFindings) -> str:
    new, changed = found.change.new, found.change.changed
    same = found.judgments - new - changed
    return f"{new:,} new, {changed:,} changed, {same:,} as they were"


def _weight(found: JudgmentFindings) -> str:
    often = "once" if found.weight == 1 else f"{found.weight:g} times"
    counts = f"each counts {often} in training"
    if not found.change.weighed:
        return counts
    return f"{counts}; {found.change.weighed:,} of them counted otherwise before"


# By `engine.catalog.splits`' names of the rules, which this module does not load for.
_ALL_ONE = "judged products are shared so widely that they would link most queries into one group"
NARROWED = {
    "exact products": f"{_ALL_ONE}; only shared Exact products and near-equal texts share a split",
    "texts": f"{_ALL_ONE}; only near-equal texts share a split",
}


def _ids(changed: Mapping[str, str], shown: int = 3) -> str:
    pairs = [f"{given} is {kept}" for given, kept in list(changed.items())[:shown]]
    return safe(", ".join(pairs + ["…"] * (len(changed) > shown)))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"
