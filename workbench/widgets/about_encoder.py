"""Where the encoder under the cursor comes from, and its numbers with their sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual.strip import Strip

from workbench.text import change, count, interval, measure, printable, short_measures
from workbench.widgets.painted import Painted, Piece, joined

if TYPE_CHECKING:
    from engine.encoders.latency import Latency
    from engine.encoders.lineage import Ancestor
    from workbench.shelf import EncoderRow

Group = Sequence[Piece]
_HASH = 8


class AboutEncoder(Painted):
    """Lines under the table, the most telling first."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[Sequence[Group]] = ()

    def show(
        self,
        row: EncoderRow | None,
        steps: Sequence[Ancestor] = (),
        latency: Latency | None = None,
        used: Sequence[str] = (),
    ) -> None:
        """Show `row`; `steps` are its lineage, checked, where that is known."""
        self._lines = () if row is None else _about(row, steps, latency, used)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            return self.line((("rule", "─" * width),), width)
        groups = self._lines[y - 1] if y <= len(self._lines) else ()
        pieces = [("plain", " "), *joined(groups, width - 2)] if groups else []
        return self.line(pieces, width)


def _about(
    row: EncoderRow, steps: Sequence[Ancestor], latency: Latency | None, used: Sequence[str]
) -> list[list[Group]]:
    made = row.made[1][:16]
    lines = [
        [_lineage(row, steps), *([_named("used", ", ".join(used))] if used else [])],
        _verdict(row),
        _dev(row) + ([_named("made", made.replace("T", " "))] if made else []),
        _sizes(row, latency),
        _data(row),
        _recipe(row),
    ]
    return [line for line in lines if line]


def _lineage(row: EncoderRow, steps: Sequence[Ancestor]) -> Group:
    """`base → flags-01 (flags) → flags-02 (flags)`, with what is wrong with a parent."""
    known = {step.name: step for step in steps}
    source = row.info.card.base if row.info.card else row.info.source
    pieces: list[Piece] = []
    if not row.parents and source and source != row.name:
        pieces.append(("faint", f"{printable(source)} → "))
    for parent in reversed(row.parents):
        step = known.get(parent)
        pieces.append(("plain", printable(parent)))
        if step is not None:
            pieces.append(("faint", f" ({step.recipe})" if step.recipe else ""))
            pieces.append(("warn", _wrong(step)))
        pieces.append(("faint", " → "))
    pieces.append(("strong", printable(row.name)))
    if row.made_by:
        pieces.append(("faint", f" ({printable(row.made_by)})"))
    return pieces


def _wrong(step: Ancestor) -> str:
    if not step.present:
        return " [removed]"
    return " [replaced since]" if step.same is False else ""


def _verdict(row: EncoderRow) -> list[Group]:
    if row.info.fault:
        return [(("error", printable(row.info.fault)),)]
    unseen = row.verdict.get("unseen") or {}
    if unseen.get("mean") is None:
        if row.verdict:
            return [(("plain", short_measures(printable(row.verdict["why"]))),)]
        note = row.info.card.note if row.info.card else ""
        return [(("plain", printable(note)),)] if note else []
    span = f"({interval(unseen['low'], unseen['high'])}, n {unseen['n']:,})"
    counts = f"{unseen['improved']:,} improved, {unseen['harmed']:,} harmed"
    return [
        _named("unseen catalog NDCG@10", f"{change(unseen['mean'])} {span}"),
        (("plain", counts),),
    ]


def _dev(row: EncoderRow) -> list[Group]:
    scores = row.scores
    if scores.get("tuned") is None or scores.get("base") is None:
        return []
    told = f"{measure(scores['base'])} → {measure(scores['tuned'])}"
    queries = f" (n {scores['queries']:,})" if scores.get("queries") else ""
    name = str(scores.get("measure", "dev")).split(" (")[0]
    return [_named(printable(name), f"{told}{queries}")]


def _sizes(row: EncoderRow, latency: Latency | None) -> list[Group]:
    groups: list[Group] = [(("plain", f"{row.info.bytes / 1e6:.1f} MB"),)]
    if latency is not None:
        told = f"{latency.p50_ms:.1f} ms, p95 {latency.p95_ms:.1f} (n {latency.n})"
        groups.append(_named("query", told))
    if row.build is None:
        groups.append((("warn", "not indexed: l or r does that first"),))
    else:
        groups.append((("plain", count(row.build.rows, "product")),))
        groups.append((("plain", f"{row.build.dim} dimensions"),))
        groups.append(_named("build", row.build.build))
    return groups


def _data(row: EncoderRow) -> list[Group]:
    data: Mapping[str, str] = row.info.card.data if row.info.card else {}
    # The template is a text, the others are hashes.
    return [
        _named(name, printable(value) if name == "template" else str(value)[:_HASH])
        for name, value in data.items()
    ]


def _recipe(row: EncoderRow) -> list[Group]:
    settings: Mapping[str, Any] = row.recipe.get("parameters") or {}
    # The seed first: with the data's hashes it is what makes a run come out the same again.
    names = sorted(settings, key=lambda name: (name != "seed", name))
    return [_named(name.replace("_", " "), _value(settings[name])) for name in names]


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else printable(str(value))


def _named(name: str, value: str) -> Group:
    return (("faint", f"{name} "), ("plain", value))
