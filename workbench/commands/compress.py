"""`rankbench compress`: a smaller, faster encoder, or a table of every way to make one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.errors import UsageError
from engine.workspace import Workspace
from workbench.commands.following import painter
from workbench.commands.hints import hint
from workbench.commands.interrupt import interruptible
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import count, cut, emit_json, facts, progress_bar, safe, say, table

if TYPE_CHECKING:
    from engine.experiments.compress_table import Row, Table
    from engine.experiments.kept import Kept, Parent
    from engine.training.outcome import ShouldStop

METHODS = ("int8", "pca", "truncate", "layers")


@click.command("compress")
@click.argument("encoder")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    help="Default: int8, which measured best; it goes with --dim (a PCA) and --layers.",
)
@click.option(
    "--dim", type=click.IntRange(1), metavar="N", help="Dimensions to keep; of pca, truncate: 256."
)
@click.option(
    "--layers", type=click.IntRange(1), metavar="N", help="Layers to keep; of layers: two thirds."
)
@click.option(
    "--steps", type=click.IntRange(1), metavar="N", help="Of the distillation; default 600."
)
@click.option("--name", metavar="NAME", help="The new encoder's name.")
@click.option("--table", "as_table", is_flag=True, help="Measure every way; make nothing.")
@click.option(
    "--rounds",
    type=click.IntRange(1),
    metavar="N",
    help="With --table: how often each query is timed; default 3.",
)
@json_option
@with_workspace
def command(
    workspace: Workspace,
    encoder: str,
    method: str | None,
    dim: int | None,
    layers: int | None,
    steps: int | None,
    name: str | None,
    as_table: bool,
    rounds: int | None,
    as_json: bool,
) -> None:
    """Make an encoder smaller or faster; it stays an encoder like any other.

    It has seen what its parent has. What it keeps of catalog ndcg@10 is measured on the judged
    queries its parent has not seen. Stopped with Ctrl-C, the same command goes on.
    """
    if as_table and (method or dim or layers or name):
        raise UsageError(
            "--table measures every way.", "Leave --method, --dim, --layers and --name out."
        )
    if rounds is not None and not as_table:
        raise UsageError("--rounds goes with --table.", f"`rankbench compress {encoder} --table`")
    if steps is not None and not (as_table or layers or method == "layers"):
        raise UsageError(
            "--steps are those of a distillation, and nothing is distilled.",
            "Add --layers N, or leave --steps out.",
        )
    parent = read(workspace, encoder)
    kept = (
        "Stopped; what was measured is kept, and the same command goes on, a distillation from its "
        "last 20th step."
    )
    with interruptible(kept) as should_stop:
        if as_table:
            measure(workspace, parent, steps, rounds, as_json, should_stop)
        else:
            make(workspace, parent, (method, dim, layers, steps), name or "", as_json, should_stop)


def read(workspace: Workspace, encoder: str) -> Parent:
    """The encoder with its index brought up to date."""
    from engine.experiments.kept import read_parent

    with progress_bar(f"Indexing {encoder}") as report:
        return read_parent(workspace, encoder, report)


def make(
    workspace: Workspace,
    parent: Parent,
    asked: tuple[str | None, int | None, int | None, int | None],
    name: str,
    as_json: bool,
    should_stop: ShouldStop,
) -> None:
    """Make one and say what it keeps."""
    from engine.experiments.compress import compress
    from engine.experiments.compress_plan import DEFAULT, Plan
    from engine.experiments.compress_table import directory_of
    from engine.experiments.distil import STEPS

    method, dim, layers, steps = asked
    plan = Plan(method or DEFAULT, dim, layers, steps or STEPS)
    with painter() as paint:
        place = directory_of(workspace, parent)
        made = compress(
            workspace, parent, plan, place, name=name, report=paint, should_stop=should_stop
        )
    info, dim_before = made.info, parent.matrix.vectors.shape[1]
    card = info.card.compression if info.card else {}
    if as_json:
        kept = made.kept.to_json() if made.kept else None
        emit_json({"encoder": info.name, "bytes": info.bytes, "kept": kept, "compression": card})
        return
    rows = [
        ("encoder", safe(info.name)),
        ("from", safe(info.source)),
        ("size", f"{_megabytes(info.bytes)} to encode queries with, "
                 f"{_megabytes(parent.info.bytes)} for {safe(parent.info.name)}"),
        ("vectors", f"{card.get('dim') or dim_before} dimensions for {dim_before}; "
                    f"{count(len(parent.matrix.ids), 'product')}"),
        ("kept", _kept_line(made.kept)),
    ]  # fmt: skip
    facts(rows)
    hint(f"Indexed. Next: `rankbench eval --baseline {parent.info.name} --candidate {info.name}`")
    hint(f"Its latency beside its parent's: `rankbench compress {parent.info.name} --table`")


def measure(
    workspace: Workspace,
    parent: Parent,
    steps: int | None,
    rounds: int | None,
    as_json: bool,
    should_stop: ShouldStop,
) -> None:
    """Measure every way and print the table."""
    from engine.experiments.compress_table import ROUNDS, compress_table, directory_of
    from engine.experiments.distil import STEPS

    with painter() as paint:
        found = compress_table(
            workspace,
            parent,
            directory_of(workspace, parent),
            rounds=rounds or ROUNDS,
            steps=steps or STEPS,
            report=paint,
            should_stop=should_stop,
        )
    if as_json:
        emit_json(found.to_json())
    else:
        show(found)


def show(found: Table) -> None:
    """Print what can be made as a vendor would, then every way that was tried."""
    timed = max((row.n for row in found.rows), default=0)
    unseen = count(found.queries, "judged query", "judged queries")
    facts(
        [
            ("quality", f"catalog ndcg@10 on {unseen} that {safe(found.encoder)} has not seen "
                        f"({found.seen} left out), {count(found.products, 'product')}"),
            ("latency", f"p50 of one query at a time, {count(found.threads, 'thread')}, warm, all "
                        f"in turns, n {timed:,} each"),
            ("processor", safe(found.processor)),
        ]
    )  # fmt: skip
    click.echo()
    plain = {row.weights: row.p50_ms for row in found.rows if row.plain}
    headers = ["model", "licence", "base", "data", "dim", "size", "plain", "optimised, ms"]
    made = [row for row in found.rows if row.name]
    rows = [_as_sold(found, row, plain.get(row.weights)) for row in made]
    table([*headers, "ndcg@10", "kept", "95 % interval"], rows, left=4)
    click.echo()
    headers = ["weights", "run by", "p50 ms", "p95 ms", "x light", "x plain", "kept"]
    table([*headers, "95 % interval", "+/=/-"], [_as_tried(row) for row in found.rows], left=2)
    say(
        "plain: float32 by sentence-transformers; light: float32 by the light loader, the app's "
        "own; x: how many times as quick. size: of the weights that encode a query."
    )


def _as_sold(found: Table, row: Row, plain: float | None) -> list[str]:
    """An encoder that there is or that `compress` makes."""
    data = f"{count(found.trained, 'query', 'queries')}" if found.trained else "as published"
    own = f"{row.kept.own:.4f}" if row.kept else ""
    return [
        safe(row.name),
        safe(found.licence) or "not known",
        cut(found.base, 24),
        data + (" + catalog texts" if row.learned else ""),
        str(row.dim),
        _megabytes(row.bytes or 0),
        _ms(plain) or "—",
        _ms(row.p50_ms),
        own,
        *_shares(row.kept),
    ]


def _as_tried(row: Row) -> list[str]:
    kept = row.kept
    return [
        row.weights,
        f"{row.path} ({row.note})" if row.note else row.path,
        _ms(row.p50_ms),
        _ms(row.p95_ms),
        f"{row.light:.2f}" if row.light else "",
        f"{row.bare:.2f}" if row.bare else "",
        *_shares(kept),
        f"{kept.improved}/{kept.unchanged}/{kept.harmed}" if kept else "",
    ]


def _shares(kept: Kept | None) -> list[str]:
    if kept is None:
        return ["", ""]
    return [_share(kept.share), f"{_share(kept.low)} to {_share(kept.high)}"]


def _kept_line(kept: Kept | None) -> str:
    if kept is None:
        return "not measured: every judged query was seen, or there is none"
    return (
        f"{_share(kept.share)} of catalog ndcg@10 ({_share(kept.low)} to {_share(kept.high)}; "
        f"{kept.parent:.4f} to {kept.own:.4f}; {kept.improved}/{kept.unchanged}/{kept.harmed} "
        f"improved/unchanged/harmed, n {kept.n} unseen)"
    )


def _share(value: float | None) -> str:
    return "—" if value is None else f"{value:.1%}"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
