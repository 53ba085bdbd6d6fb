"""`rankbench init`: a workspace from a catalog file, made whole or not at all."""

from __future__ import annotations

from pathlib import Path

import click

from engine.errors import UsageError
from engine.making.make import Plan, make
from workbench.commands import findings
from workbench.commands.hints import hint
from workbench.commands.options import json_option, new_root, parse_pairs, workspace_option
from workbench.commands.output import emit_json, say


@click.command("init")
@click.argument("directory", metavar="DIR", required=False, type=click.Path(path_type=Path))
@click.option(
    "--catalog",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="CSV, JSON lines or Parquet; one text column is enough.",
)
@click.option(
    "--judgments",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="CSV, TREC qrels, Quepid, OpenSearch or ESCI.",
)
@click.option(
    "--queries",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Query texts (topics), splits and further columns, where they are a file of their own.",
)
@click.option("--encoder", metavar="ID", help="A Hugging Face id or a local directory.")
@click.option("--template", metavar="T", help="What is encoded, such as '{title} {brand}'.")
@click.option("--column", multiple=True, metavar="NAME=SOURCE", help="title=product_name, …")
@click.option("--scale", metavar="S", help="The judgments' scale, where it cannot be told.")
@click.option("--gains", multiple=True, metavar="GRADE=GAIN", help="E=1, S=0.1, …")
@click.option("--force", is_flag=True, help="Read the catalog of an existing workspace anew.")
@json_option
@workspace_option
@click.pass_context
def command(
    ctx: click.Context,
    directory: Path | None,
    catalog: Path,
    judgments: Path | None,
    queries: Path | None,
    encoder: str | None,
    template: str | None,
    column: tuple[str, ...],
    scale: str | None,
    gains: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Make a workspace in DIR. Never prompts; prints what it found."""
    root = new_root(ctx, directory)
    if root is None:
        raise UsageError("init needs a directory.", "`rankbench init DIR --catalog FILE`")
    if queries is not None and judgments is None:
        raise UsageError("--queries goes with --judgments.", "Add --judgments FILE.")
    from engine.formats.columns import parse_overrides

    plan = Plan(
        root=root,
        catalog=catalog,
        judgments=judgments,
        queries=queries,
        encoder=encoder or "",
        template=template,
        columns=parse_overrides(column),
        scale=scale,
        gains=parse_gains(gains),
        force=force,
    )
    found = make(plan)
    if as_json:
        emit_json(found.to_json())
    else:
        findings.show(found)
    say()
    hint("Next: `rankbench index`")


def parse_gains(texts: tuple[str, ...]) -> dict[str, float]:
    """Read `--gains`: repeated, or joined by commas.

    Raises:
        UsageError: an unknown grade, or a gain that is not a finite number of 0 or more.
    """
    import math

    from engine.workspace import GRADES

    parts = tuple(part for text in texts for part in text.split(",") if part.strip())
    gains: dict[str, float] = {}
    for grade, text in parse_pairs(parts, "--gains").items():
        try:
            gain = float(text)
        except ValueError:
            gain = math.nan
        if grade.upper() not in GRADES or not math.isfinite(gain) or gain < 0:
            raise UsageError(
                f"--gains {grade}={text} is not a grade and a gain.",
                "Grades are E, S, C and I; gains are numbers of 0 or more: --gains E=1,S=0.1",
            )
        gains[grade.upper()] = gain
    return gains
