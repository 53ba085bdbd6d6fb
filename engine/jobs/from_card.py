"""A run again, from the card of an encoder: the same recipe, seed, base and selection of verdicts.

On the data it was made from, the same machine gives the same weights. On other data the same card
is how one retrains; what differs is then said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.encoders.card import FILE_NAME, Card, read_card
from engine.encoders.fingerprint import fingerprint
from engine.encoders.registry import BASE, list_encoders, resolve
from engine.errors import RankbenchError, UsageError
from engine.jobs.material import (
    LOG,
    judged_rows,
    read_basket,
    read_judged,
    read_merged,
    read_products,
    read_texts,
    seed_of,
    source_of,
    teacher_of,
)
from engine.jobs.synthetic import find_set
from engine.training.examples import judged_hash, queries_hash
from engine.training.recipe import DEFAULTS, Recipe, load_recipe
from engine.workspace import Workspace

_SAID = {
    "catalog": "the catalog",
    "template": "the text template",
    "verdicts": "the verdicts",
    "judgments": "the grades of the queries trained on, verdicts applied",
    "judged": "the grades of all train and dev queries",
    "synth": "the rows of the synthetic set",
    "teacher": "the teacher's weights",
}


def params_from_card(ws: Workspace, name_or_path: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A training job's params that do again what a card says, and what differs now.

    Blocking: reads the catalog and the records; may load the base, as `read_basket`, and the
    recipe's teacher.

    Args:
        name_or_path: an encoder of the workspace, or a `card.json`, or a directory that holds one.

    Returns:
        `params` as `engine.jobs.train` takes them, without a name; a sentence for each difference
        between what the card was made from and what there is now, none where all is the same.

    Raises:
        RankbenchError: no such card, a card of an encoder that no recipe made, a base that the
            workspace does not have, a teacher that is gone, or nothing to train on any more.
    """
    card, _ = find_card(ws, name_or_path)
    if card.recipe is None:
        raise RankbenchError(
            f"{card.name} was added as it is: its card has no recipe to run again.",
            "Name an encoder that was trained; `rankbench encoders` lists them.",
        )
    recipe, settings, notes = _recipe(card)
    base, said = _base(ws, card)
    params = {
        "recipe": recipe.name,
        "set": settings,
        "name": "",
        "base": base,
        "seed": int(recipe["seed"]),
        **_asked(card),
    }
    if "cancelled_after_step" in card.scores:
        step = card.scores["cancelled_after_step"]
        said += (f"{card.name} was cancelled after step {step}; this run goes to its end",)
    return params, (*notes, *said, *_data_differences(ws, card, recipe, params))


def find_card(ws: Workspace, name_or_path: str) -> tuple[Card, Path]:
    """The card, and the directory it lies in.

    Raises:
        RankbenchError: there is none, or it cannot be read.
    """
    path = Path(name_or_path).expanduser()
    if (ws.encoders_dir / name_or_path / FILE_NAME).is_file() and len(path.parts) == 1:
        path = ws.encoders_dir / name_or_path
    elif path.is_file() and path.name == FILE_NAME:
        path = path.parent
    elif path.is_file():
        raise RankbenchError(f"{path} is not called {FILE_NAME}.", "Name the card, or its encoder.")
    elif not path.is_dir():
        path = resolve(ws, name_or_path).path
    card = read_card(path)
    if card is None and name_or_path == BASE:
        return Card(BASE), path  # the packaged one
    if card is None:
        raise RankbenchError(
            f"{path} has no {FILE_NAME}.",
            "Name an encoder that was trained here, its directory, or its card.",
        )
    return card, path


def compare_with(ws: Workspace, made: str, name_or_path: str) -> str:
    """How the encoder `made` came out beside the one whose card it was trained from; one line.

    Raises:
        RankbenchError: one of them is gone.
    """
    card, directory = find_card(ws, name_or_path)
    info = resolve(ws, made)
    new = info.card or Card(made)
    if (directory / "modules.json").is_file() and fingerprint(directory) == fingerprint(info.path):
        return f"{made} has the same weights as {card.name}, bit for bit"
    told = {key: card.data[key] for key in ("rows", "dev") if key in card.data}
    if any(new.data.get(key) != mark for key, mark in told.items()) or _parts(card) != _parts(new):
        return f"{made} was trained on other data or settings than {card.name}"
    if "rows" not in told:
        return (
            f"{made} has the settings and seed of {card.name}, whose card does not tell on which "
            "data it was trained"
        )
    return f"{made} was trained as {card.name} was: same data, settings and seed"


def same_run(ws: Workspace, params: Mapping[str, Any]) -> str:
    """The newest encoder that a job with these params would make once more; "" for none.

    Blocking; the catalog and the records are read only where an encoder of the same recipe,
    settings, seed, base and selection is there.

    Raises:
        RankbenchError: as `read_basket`.
    """
    recipe = load_recipe(str(params.get("recipe") or DEFAULTS["judgments"])).with_set(
        params.get("set") or []
    )
    seed, source = seed_of(recipe, params), source_of(recipe, params)
    base = fingerprint(resolve(ws, str(params.get("base") or BASE)).path)
    asked = {
        "source": source,
        "include_test": bool(params.get("include_test")),
        "deselected": [list(pair) for pair in sorted(params.get("deselected") or ())],
        "synth": find_set(ws, params).name if source == LOG else "",
    }
    settings = json.loads(json.dumps({**recipe.parameters, "seed": seed}))
    alike = [
        info.card
        for info in list_encoders(ws)
        if info.card is not None
        and _parts(info.card) == (base, recipe.loss, settings)
        and _asked(info.card) == asked
        and "cancelled_after_step" not in info.card.scores
    ]
    if not alike:
        return ""
    now = _hashes(ws, recipe, {**params, "source": source, "seed": seed})
    same = [c for c in alike if {key: c.data.get(key) for key in now} == now]
    return max(same, key=lambda card: card.created).name if same else ""


def _parts(card: Card) -> tuple[object, ...]:
    recipe = card.recipe or {}
    return card.base_fingerprint, recipe.get("loss"), recipe.get("parameters")


def _recipe(card: Card) -> tuple[Recipe, list[str], tuple[str, ...]]:
    """The recipe with the card's parameters, as `--set` texts, and what could not be kept."""
    told = card.recipe or {}
    name, loss = str(told.get("name")), str(told.get("loss"))
    notes: list[str] = []
    try:
        recipe = load_recipe(name)
        if recipe.loss != loss:
            raise UsageError(f"{name} is another recipe now.")
    except RankbenchError:
        # One from a file: the card has all its parameters.
        recipe = load_recipe(loss)
        notes.append(f"there is no recipe {name} here: {loss} with its parameters is the same run")
    given: Mapping[str, Any] = told.get("parameters") or {}
    lost = sorted(set(given) - {*recipe.parameters, *recipe.optional})
    if lost:
        notes.append(f"the recipe {recipe.name} no longer has {', '.join(lost)}")
    new = sorted(set(recipe.parameters) - set(given))
    if new:
        shown = ", ".join(f"{key} = {recipe[key]}" for key in new)
        notes.append(f"the recipe {recipe.name} has got {shown}")
    settings = [f"{key}={_text(given[key])}" for key in sorted(given) if key not in lost]
    return recipe.with_set(settings), settings, tuple(notes)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _base(ws: Workspace, card: Card) -> tuple[str, tuple[str, ...]]:
    """The name of the encoder with the weights the card started from."""
    present = {info.name: info.path for info in list_encoders(ws)}
    first = [card.base] if card.base in present else []
    for name in (*first, *(name for name in present if name != card.base)):
        if fingerprint(present[name]) == card.base_fingerprint:
            renamed = f"its base {card.base} is called {name} here"
            return name, () if name == card.base else (renamed,)
    what = "has other weights here" if first else "is not in this workspace"
    raise RankbenchError(
        f"{card.name} was trained from {card.base} ({card.base_fingerprint}), which {what}.",
        f"Bring that one with `rankbench encoders --add DIR`, or train anew: "
        f"`rankbench train --recipe {(card.recipe or {}).get('name')}`.",
    )


def _asked(card: Card) -> dict[str, Any]:
    # Cards from before they had `asked` told the source, and what was trained of dev and test.
    held_out = bool(card.scores.get("held_out_trained"))
    return {
        "source": str(card.asked.get("source") or card.scores.get("source", "judgments")),
        "include_test": bool(card.asked.get("include_test", held_out)),
        "deselected": [list(pair) for pair in card.asked.get("deselected", ())],
        "synth": str(card.asked.get("synth", "")),
    }


def _data_differences(
    ws: Workspace, card: Card, recipe: Recipe, params: Mapping[str, Any]
) -> tuple[str, ...]:
    now = _hashes(ws, recipe, params)
    return tuple(
        f"{said} differ{'s' if key in ('catalog', 'template') else ''}{_how(key, card.data, now)}"
        for key, said in _SAID.items()
        # A card from before this hash was kept says nothing of it.
        if (key in card.data or key == "verdicts")
        and card.data.get(key) != now.get(key)
        # Of the judgments a distillation only takes those of dev, to choose on.
        and not (params["source"] == LOG and key == "judgments")
    )


def _how(key: str, then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What can be said of a difference: two hashes tell a person nothing."""
    if key == "template":
        return f" ({then.get(key) or 'none'} then, {now.get(key) or 'none'} now)"
    missing = [when for when, data in (("then", then), ("now", now)) if not data.get(key)]
    return f" (none {missing[0]})" if missing else ""


def _hashes(ws: Workspace, recipe: Recipe, params: Mapping[str, Any]) -> dict[str, str]:
    """What a run with these params would write into its card's `data`, without training."""
    texts, catalog = read_texts(ws)
    found = {"catalog": catalog, "template": ws.settings.template}
    seed = int(params["seed"])
    if params["source"] == LOG:
        rows = str(find_set(ws, params).data.get("rows", ""))
        return found | {"synth": rows, "judged": judged_hash(read_judged(ws))}
    if params["source"] == "judgments":
        queries = read_judged(ws)
        if teacher := teacher_of(ws, recipe):
            from engine.encoders.cross_encoder import load_cross_encoder, weights_hash

            # A name may mean other weights by now.
            found["teacher"] = weights_hash(load_cross_encoder(teacher.source, "cpu"))
        products = read_products(ws, recipe)
        examples = judged_rows(queries, texts, recipe, seed, ws.settings.gains, products)
    else:
        from engine.training.flags import flag_examples

        merged = read_merged(ws)
        queries = list(merged.queries)
        basket = read_basket(ws, params, merged, texts)
        examples = flag_examples(basket, queries, texts, recipe, seed)
        if basket.verdicts_hash:
            found["verdicts"] = basket.verdicts_hash
    return found | {
        "judgments": queries_hash(examples.queries),
        "judged": judged_hash(queries),
    }
