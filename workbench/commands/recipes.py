"""`rankbench recipes`: what can be trained."""

from __future__ import annotations

import click

from workbench.commands.hints import hint
from workbench.commands.options import json_option
from workbench.commands.output import emit_json, say, table


@click.command("recipes")
@click.argument("name", metavar="[NAME]", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the training recipes; with NAME, explain one and its settings."""
    from engine.experiments.search_space import SPACES, written
    from engine.training.recipe import DEFAULTS, PARAMETERS, list_recipes, load_recipe

    if name is None:
        recipes = list_recipes()
        if as_json:
            emit_json([recipe.to_json() for recipe in recipes])
            return
        table(
            ["recipe", "default for", "what it does"],
            [
                [r.name, ", ".join(s for s in DEFAULTS if DEFAULTS[s] == r.name), r.summary]
                for r in recipes
            ],
            left=3,
        )
        hint("`rankbench recipes NAME` lists the settings of one.")
        return
    recipe = load_recipe(name)
    searched = SPACES.get(recipe.loss, {})
    if as_json:
        emit_json({**recipe.to_json(), "optional": dict(recipe.optional), "sweep": dict(searched)})
        return
    click.echo(f"{recipe.name}: {recipe.summary}")
    click.echo()
    rows = []
    unset = {key: value for key, value in recipe.optional.items() if key not in recipe.parameters}
    for key, value in {**recipe.parameters, **unset}.items():
        about = PARAMETERS[key]
        rows.append([key, written(value), about.range, searched.get(key, ""), about.help])
    table(["setting", "value", "from, to", "sweep", "meaning"], rows, left=5)
    say()
    if rows:
        hint(f"`rankbench train --recipe {name} --set {rows[0][0]}={rows[0][1]}`")
