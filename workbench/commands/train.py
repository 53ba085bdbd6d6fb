"""`rankbench train`: start a training job and watch it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from engine.errors import RankbenchError, UsageError
from engine.workspace import Workspace
from workbench.commands.following import follow, say_queue, weights_of
from workbench.commands.hints import hint
from workbench.commands.jobs import of_queries
from workbench.commands.options import check_settings, json_option, with_workspace
from workbench.commands.output import count, cut, emit_json, number, safe, say, table

if TYPE_CHECKING:
    from engine.training.basket import Basket

KEYS = (
    "encoder", "beats_base", "note", "measure", "base_score", "tuned_score", "rows", "seconds",
    "call", "why", "caution", "chosen",
)  # fmt: skip


@click.command("train")
@click.option(
    "--recipe",
    metavar="R",
    help="Default: hard-negatives; with --source flags or both: flags, with log: distill.",
)
@click.option(
    "--source",
    type=click.Choice(["judgments", "flags", "both", "log"]),
    help="What to train on; default: judgments, for flags, flags, and for distill, log.",
)
@click.option("--synth", metavar="N", default="", help="With --source log: which set; the newest.")
@click.option("--name", metavar="N", help="The new encoder's name; default: recipe and a number.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A recipe's setting.")
@click.option("--seed", type=click.IntRange(0), help="Random seed; default: the recipe's.")
@click.option("--base", metavar="ENCODER", help="The encoder to tune; default: base.")
@click.option("--include-test", is_flag=True, help="Train on flags of dev and test queries too.")
@click.option(
    "--from-card",
    metavar="ENCODER",
    help="Do again what made an encoder: its name, its directory or its card.json.",
)
@click.option("--dry-run", is_flag=True, help="Show what it would train on; start nothing.")
@click.option("--detach", is_flag=True, help="Start it and return at once.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    recipe: str | None,
    source: str | None,
    synth: str,
    name: str | None,
    settings: tuple[str, ...],
    seed: int | None,
    base: str | None,
    include_test: bool,
    from_card: str | None,
    dry_run: bool,
    detach: bool,
    as_json: bool,
) -> None:
    """Fine-tune an encoder from judgments or flags, in a process of its own.

    Ctrl-C stops watching, not training.

    --from-card takes recipe, settings, seed, base and source from a card. On the same data the
    same machine makes the same encoder; on other data this is how to train again, and what
    differs is said.
    """
    from engine import supervise
    from engine.jobs.from_card import same_run
    from engine.jobs.material import check_basket, fixed_settings, read_basket
    from engine.jobs.synthetic import check_set
    from engine.jobs.train import check
    from engine.training.recipe import load_recipe

    check_settings(settings, seed)
    params: dict[str, Any]
    again: dict[str, Any] = {}
    if from_card is None:
        params = {"recipe": recipe_for(recipe, source), "seed": seed}
        params["set"] = fixed_settings(workspace, settings)
        params |= {"source": source or "", "include_test": include_test, "synth": synth}
        if base is not None:
            from engine.encoders.registry import resolve

            params["base"] = resolve(workspace, base).name
    else:
        given = (recipe, source, synth, settings, seed is not None, base, include_test)
        if any(given):
            raise UsageError(
                "With --from-card, the card says recipe, source, settings, seed and base.",
                "Leave them out, or give them without --from-card.",
            )
        params, again["differences"] = read_card_params(workspace, from_card)
    params["name"] = name or ""
    # What cannot run is told here, not by a job that failed.
    check_set(workspace, load_recipe(params["recipe"]), params)
    check(workspace, params)
    if dry_run:
        if not show_set(workspace, params, as_json):
            show_basket(read_basket(workspace, params), as_json)
        return
    check_basket(workspace, params)
    if from_card is None and (twin := same_run(workspace, params)):
        say(safe(f"{twin} was trained so: same data, settings and seed make the same encoder."))
        hint("`rankbench train --seed N` gives the run another seed.")
    job = supervise.start(workspace, "train", params)
    say_queue(supervise.find(workspace), job.id)
    if detach:
        hint(f"Job {job.id} works in the background; `rankbench jobs {job.id}` shows how it goes.")
        if as_json:
            emit_json({**job.to_json(), **again})
        else:
            click.echo(job.id)
        return
    end = follow(job)
    if from_card is not None:
        from engine.jobs.from_card import compare_with

        again["outcome"] = compare_with(workspace, end["encoder"], from_card)
    if as_json:
        emit_json({"job": job.id, **{key: end.get(key) for key in KEYS}, **again})
    else:
        show({**end, **again})
        say_side(workspace, end["encoder"])


def recipe_for(recipe: str | None, source: str | None) -> str:
    """The recipe's name; without one that for what is trained on."""
    from engine.training.recipe import DEFAULTS

    return recipe or DEFAULTS[source or "judgments"]


def read_card_params(workspace: Workspace, card: str) -> tuple[dict[str, Any], list[str]]:
    """The params of the card's run, and what differs since; the latter is also told."""
    from engine.jobs.from_card import params_from_card

    params, differences = params_from_card(workspace, card)
    for difference in differences:
        say(safe(f"not as it was: {difference}"))
    if not differences:
        say(safe(f"The same data, settings, seed and base as {card} was made from."))
    return params, list(differences)


def show_set(workspace: Workspace, params: dict[str, Any], as_json: bool) -> bool:
    """Print the synthetic set that a distillation would learn from; False for any other run."""
    from engine.jobs.material import LOG, source_of
    from engine.jobs.synthetic import find_set
    from engine.training.recipe import load_recipe

    recipe = load_recipe(params["recipe"]).with_set(params["set"])
    if source_of(recipe, params) != LOG:
        return False
    card = find_set(workspace, params)
    if as_json:
        emit_json(card.to_json())
        return True
    queries, pairs = card.counts.get("queries", 0), card.counts.get("pairs", 0)
    click.echo(
        f"{safe(card.name)}: {count(queries, 'query', 'queries')}, {count(pairs, 'pair')} scored"
    )
    click.echo(f"teacher {safe(str(card.teacher.get('id')))}: {card.teacher.get('trained_on')}")
    return True


def show_basket(basket: Basket, as_json: bool) -> None:
    """Print what each verdict would become.

    Raises:
        RankbenchError: no run can start on it; the verdicts are printed all the same.
    """
    if as_json:
        emit_json(asdict(basket))
    else:
        _show_rows(basket)
    if basket.refusal:
        raise RankbenchError(f"No run can start: {basket.refusal}", basket.todo)


def _show_rows(basket: Basket) -> None:
    for group in basket.groups if basket.source != "judgments" else ():
        click.echo(safe(f"{group.query}  ({group.split or 'not judged before'})"))
        table(
            ["  product", "grade", "text", "becomes"],
            [
                [
                    f"  {safe(row.product_id)}",
                    f"{row.grade}{' flag' if row.bad else ''}{' *' if row.disputed else ''}",
                    cut(row.text, 48),
                    row.becomes,
                ]
                for row in group.rows
            ],
            left=4,
        )
        if group.note:
            click.echo(f"  {safe(group.note)}")
    rows = [f"{count(basket.judged, 'row')} from judgments", count(basket.replay, "replay row")]
    if basket.source != "judgments":
        pairs = f"{count(basket.pairs, 'pair')} of {count(basket.negatives, 'negative')} and"
        rows.insert(0, f"{pairs} {count(basket.positives, 'positive')}")
    click.echo(", ".join(rows))
    for note in basket.notes:
        say(note)
    if any(row.disputed for group in basket.groups for row in group.rows):
        say("* judges disagree")


def say_side(workspace: Workspace, encoder: str) -> None:
    """Say that the encoder is the right-hand side now, where none is set for it."""
    from engine.encoders.registry import BASE

    if not workspace.settings.candidate:
        baseline = workspace.settings.baseline or BASE
        say(f"{encoder}, as the newest, is the right-hand side now, against {safe(baseline)}.")


def show(end: dict[str, Any]) -> None:
    """Print what a finished training made."""
    click.echo(
        f"encoder  {end['encoder']}  ({count(end['rows'] or 0, 'row')}, {end['seconds']:.0f} s)"
    )
    if end.get("tuned_score") is not None:
        scores = f"{number(end['base_score'])} -> {number(end['tuned_score'])}"
        n = of_queries(end.get("dev_queries"))
        click.echo(f"dev      {scores}  {end['measure']}{n}, base -> tuned")
        if end.get("chosen"):
            click.echo(f"kept     {weights_of(end['chosen'])}")
    if end.get("outcome"):
        click.echo(f"again    {safe(end['outcome'])}")
    if end.get("note"):
        click.echo(f"note     {safe(str(end['note']))}")
    if end.get("call"):
        click.echo(f"verdict  {end['call']}: {end['why']}")
        if end.get("caution"):
            click.echo(f"but      {end['caution']}")
        hint(f"The whole page: `rankbench encoders {end['encoder']}`")
    else:
        hint(f"Next: `rankbench eval --candidate {end['encoder']}`")
