"""`rankbench demo`: the demo shop, made once and opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import workbench
from engine.errors import RankbenchError, UsageError
from engine.making.make import Plan, make
from engine.workspace import Workspace, is_workspace, open_workspace
from workbench.commands import search
from workbench.commands.hints import hint
from workbench.commands.index import build, summary
from workbench.commands.open_app import check_terminal, open_app
from workbench.commands.options import demo_root, json_option, new_root, workspace_option
from workbench.commands.output import emit_json, say

if TYPE_CHECKING:
    from engine.catalog.queries import JudgedQuery
    from engine.supervise import Job

# One stage, not the default with its second: somebody waits for it.
RECIPE = "infonce"
SHOWN_QUERIES = 4
SHOWN_HITS = 5


@click.command("demo")
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--headless", is_flag=True, help="Print the comparison of a few queries instead.")
@json_option
@workspace_option
@click.pass_context
def command(ctx: click.Context, directory: Path | None, headless: bool, as_json: bool) -> None:
    """Make the demo shop if needed and open it.

    bm25 answers at once. The base is indexed and an encoder tuned in the background; each
    appears when it is ready.
    """
    if as_json and not headless:
        raise UsageError("--json goes with --headless.", "`rankbench demo --headless --json`")
    root = new_root(ctx, directory) or demo_root()
    if not headless:
        check_terminal()  # before anything is made
    workspace = ready(root)
    if headless:
        compare_headless(workspace, as_json)
        return
    start_jobs(workspace)
    open_app(workspace)


def ready(root: Path) -> Workspace:
    """Open the demo's workspace at `root`, making it first where there is none."""
    if not is_workspace(root):
        files = shipped_files()
        say(f"Making the demo shop in {root} …")
        make(
            Plan(
                root=root,
                catalog=files / "products.csv",
                judgments=files / "judgments.csv",
                queries=files / "queries.csv",
                name="Demo shop",
            )
        )
    return open_workspace(root)


def shipped_files() -> Path:
    """Where the demo's files are: in the installed package, or beside it in a checkout.

    Raises:
        RankbenchError: they are in neither place.
    """
    package = Path(workbench.__file__).parent
    for directory in (package / "demo_shop", package.parent / "fixtures"):
        if (directory / "products.csv").is_file():
            return directory
    raise RankbenchError("The demo shop's files are missing.", "Install Rankbench again.")


def start_jobs(workspace: Workspace) -> list[Job]:
    """Start what is still missing: an index for each encoder, then a tuned encoder.

    A job that runs, waits, ended in an error or was cancelled is left as it is; one that died
    (the machine was switched off) is started again.
    """
    from engine import supervise
    from engine.encoders.registry import BASE, list_encoders

    jobs = supervise.find(workspace)
    left_alone = [job for job in jobs if job.state not in ("died", "done")]
    trains = [job for job in left_alone if job.kind == "train"]
    indexing = {job.params.get("encoder", BASE) for job in left_alone if job.kind == "index"}
    encoders = list_encoders(workspace)
    indexed = _indexed(workspace, [info.name for info in encoders]) | indexing
    missing = [info.name for info in encoders if info.name not in indexed]
    if any(not job.over for job in trains):
        # It indexes what it makes, and that may be there by now.
        missing = [name for name in missing if name == BASE]
    started = [supervise.start(workspace, "index", {"encoder": name}) for name in missing]
    answering = indexed.union(missing)
    tuned = [info.name for info in encoders if info.tuned and info.name in answering]
    if not tuned and not trains:
        started.append(supervise.start(workspace, "train", {"recipe": RECIPE}))
    return started


def _indexed(workspace: Workspace, names: list[str]) -> set[str]:
    from engine.state import State

    state = State(workspace.state_path)
    try:
        return {name for name in names if state.active_build(name) is not None}
    finally:
        state.close()


def compare_headless(workspace: Workspace, as_json: bool) -> None:
    """Index the base if needed and print how a few test queries rank on both sides."""
    from engine.encoders.registry import BASE
    from engine.ranking.comparer import Comparer

    comparer = Comparer(workspace)
    try:
        if not any(side.name == BASE and side.ready for side in comparer.sides()):
            say(summary(build(workspace)))
        results = [
            (
                comparer.compare(query.query, BASE, comparer.default_candidate(), SHOWN_HITS),
                search.floors(comparer, query.query),
            )
            for query in chosen(comparer.judged_queries())
        ]
    finally:
        comparer.close()
    if as_json:
        emit_json([search.to_json(*result) for result in results])
        return
    for result in results:
        search.show(*result)
        click.echo()
    hint("Next: `rankbench` opens the app; `rankbench eval` measures all queries.")


def chosen(queries: list[JudgedQuery]) -> list[JudgedQuery]:
    """A few test queries: in turn from each stratum, in the order of their ids."""
    by_stratum: dict[str, list[JudgedQuery]] = {}
    for query in queries:
        if query.split == "test":
            by_stratum.setdefault(query.columns.get("stratum", ""), []).append(query)
    found: list[JudgedQuery] = []
    while len(found) < SHOWN_QUERIES and any(by_stratum.values()):
        for rest in by_stratum.values():
            if rest and len(found) < SHOWN_QUERIES:
                found.append(rest.pop(0))
    return found
