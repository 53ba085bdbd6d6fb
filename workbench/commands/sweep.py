"""`rankbench sweep`: search a recipe's settings on dev."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.workspace import Workspace
from workbench.commands.following import painter
from workbench.commands.hints import copyable, hint, place_of
from workbench.commands.interrupt import interruptible
from workbench.commands.jobs import duration
from workbench.commands.options import Finite, check_settings, json_option, with_workspace
from workbench.commands.output import (
    count,
    emit_json,
    interval,
    narrowed,
    note_fragile,
    note_small,
    number,
    p_value,
    progress_bar,
    safe,
    say,
    table,
)

if TYPE_CHECKING:
    from engine.experiments.experiment import Experiment
    from engine.experiments.study import Trial
    from engine.experiments.sweep import SweepResult
    from engine.training.recipe import Recipe

TRIALS = 20
SHOWN = 10
ENOUGH = 10  # complete trials a parameter; with fewer a forest's shares change from run to run
_STATES = {"complete": "", "pruned": "pruned", "failed": "failed"}


@click.command("sweep")
@click.option("--recipe", required=True, metavar="R", help="`rankbench recipes` lists them.")
@click.option(
    "--trials",
    type=click.IntRange(1),
    help=f"Trials in all, earlier runs' included; default: {TRIALS}, with --minutes no end.",
)
@click.option(
    "--minutes",
    type=Finite(0, min_open=True),
    help="Begin no trial that would not be over by then.",
)
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="KEY=VALUES",
    help="What to search: lr=1e-6..1e-4:log, epochs=1..4, strata=none,category.",
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Not searched: fixed.")
@click.option("--name", metavar="N", help="Of the sweep; default: from recipe, settings and data.")
@click.option("--base", metavar="ENCODER", help="The encoder to tune; default: base.")
@click.option("--seed", type=click.IntRange(0), help="Of search and runs; default: the recipe's.")
@click.option("--all", "every", is_flag=True, help=f"List all trials, not the {SHOWN} best.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    recipe: str,
    trials: int | None,
    minutes: float | None,
    params: tuple[str, ...],
    settings: tuple[str, ...],
    name: str | None,
    base: str | None,
    seed: int | None,
    every: bool,
    as_json: bool,
) -> None:
    """Search a recipe's settings for the best dev score.

    Without --param it searches what `rankbench recipes NAME` shows beside each setting. The
    recipe's own settings are the first trial; the test split is never looked at. Stopped with
    Ctrl-C or otherwise, the same command goes on.
    """
    from engine.encoders.registry import check_name
    from engine.experiments.experiment import directory_name
    from engine.experiments.search_space import space_of
    from engine.experiments.sweep import Budget, sweep
    from engine.training.recipe import load_recipe

    check_settings(settings, seed)
    chosen = load_recipe(recipe).with_set(settings)
    space = space_of(chosen, params, [text.partition("=")[0].strip() for text in settings])
    if name is not None:
        check_name(name, "a sweep")
    workspace.check_writable()
    experiment = _experiment(workspace, chosen, space, base, seed)
    place = workspace.sweeps_dir / (name or directory_name(experiment))
    if trials is None and minutes is None:
        trials = TRIALS
    budget = Budget(trials, None if minutes is None else 60 * minutes)
    kept = "Stopped; the trials that had ended are kept, and the same command goes on from there."
    with interruptible(kept) as should_stop, _told() as progress:
        result = sweep(
            experiment,
            place,
            budget,
            unchanged=workspace.settings.unchanged,
            progress=progress,
            should_stop=should_stop,
        )
    best = train_command(result, recipe, settings, base, seed)
    if as_json:
        emit_json({"name": place.name, "recipe": chosen.name, **result.to_json(), "command": best})
        return
    show(result, chosen.name, every, workspace.settings.unchanged)
    click.echo()
    click.echo(best)
    _notes(result, trials, place)


def _experiment(
    workspace: Workspace, recipe: Recipe, space: Any, base: str | None, seed: int | None
) -> Experiment:
    """What `rankbench train` would read, the base's index brought up to date first."""
    from engine.encoders.registry import BASE, resolve
    from engine.experiments.experiment import Experiment
    from engine.index.build import build_index, load_matrix
    from engine.jobs.material import read_judged, read_products, read_texts
    from engine.training.remarks import flattered_by

    info = resolve(workspace, base or BASE)
    with progress_bar(f"Indexing {info.name}") as report:
        build_index(workspace, info.name, report)
    matrix = load_matrix(workspace, info.name)
    texts, _ = read_texts(workspace)
    queries = read_judged(workspace)
    dev = [query for query in queries if query.split == "dev"]
    if flattered := flattered_by(info.name, info.card, [query.query for query in dev]):
        say(safe(flattered))
    return Experiment(
        recipe,
        space,
        info.path,
        [query for query in queries if query.split == "train"],
        dev,
        texts,
        int(recipe["seed"]) if seed is None else seed,
        (matrix.ids, matrix.vectors),
        workspace.settings.gains,
        products=read_products(workspace, recipe, [item.key for item in space]),
    )


@contextmanager
def _told() -> Iterator[Callable[[dict[str, Any]], None]]:
    """Hand out a function that tells on stderr which trial runs and what each came to."""
    with painter() as paint:
        left: dict[str, Any] = {}

        def tell(event: dict[str, Any]) -> None:
            kind = event["event"]
            if kind == "trial":
                left["total_eta_s"] = event["eta_s"]
                paint({"event": "log", "message": begun(event)})
            elif kind == "trial ended":
                paint({"event": "log", "message": ended(event["result"], event["best"])})
            elif sys.stderr.isatty():
                paint({**event, **left})

        yield tell


def begun(event: dict[str, Any]) -> str:
    """`trial 3/12 (1:05 left): lr=2e-05 epochs=3`."""
    of = f"/{event['trials']}" if event["trials"] else ""
    left = f" ({duration(event['eta_s'])} left)" if event["eta_s"] is not None else ""
    own = "the recipe's own, " if event["defaults"] else ""
    return f"trial {event['trial']}{of}{left}: {own}{' '.join(assignments(event['settings']))}"


def ended(trial: Trial, best: float | None) -> str:
    """What a trial came to, beside the best so far."""
    if trial.state == "failed":
        return f"  failed: {trial.why}"
    score = f"{number(trial.score)} dev ndcg@10"
    if trial.state == "pruned":
        score = f"pruned at {number(trial.score)}, below the median of the others by then"
    beside = "the best so far" if trial.score == best else f"best {number(best)}"
    return f"  {score}; {beside}; {duration(trial.seconds)}"


def assignments(settings: Any) -> list[str]:
    """Settings as `--set` takes them."""
    from engine.experiments.search_space import written

    return [f"{key}={written(value)}" for key, value in settings.items()]


def train_command(
    result: SweepResult,
    recipe: str,
    settings: Sequence[str],
    base: str | None,
    seed: int | None,
) -> str:
    """The command that trains the best settings: what differs from the recipe's file."""
    found = dict(text.split("=", 1) for text in assignments(result.best.settings))
    own = dict(text.split("=", 1) for text in assignments(result.defaults.settings))
    changed = [f"{key}={value}" for key, value in found.items() if value != own[key]]
    words = ["rankbench", "train", "--recipe", recipe]
    for text in (*settings, *changed):
        words += ["--set", text]
    words += ["--base", base] if base else []
    words += ["--seed", str(seed)] if seed is not None else []
    quoted = " ".join(map(shlex.quote, words))
    return copyable(f"`{quoted}`", place_of(click.get_current_context())).strip("`")


def show(result: SweepResult, recipe: str, every: bool, unchanged: float) -> None:
    """Print the best trials, what they differ by, and which parameters mattered."""
    states = ", ".join(
        f"{result.of_state(state)} {state}" for state in _STATES if result.of_state(state)
    )
    click.echo(f"{recipe}: {count(len(result.trials), 'trial')} ({states})")
    click.echo(f"{result.measure}, n {count(result.queries, 'query', 'queries')}")
    click.echo()
    _show_trials(result, every)
    click.echo()
    _show_differences(result, unchanged)
    if result.importances is not None:
        click.echo()
        rows = [
            [key, f"{share:.0%}", result.space[key]] for key, share in result.importances.items()
        ]
        head = f"importance (n {result.of_state('complete')} trials)"
        table(["parameter", head, "searched"], rows)


def _show_trials(result: SweepResult, every: bool) -> None:
    """The trials by score, failed ones last."""
    from engine.experiments.search_space import written

    order = {"complete": 0, "pruned": 1, "failed": 2}
    ranked = sorted(result.trials, key=lambda t: (order[t.state], -(t.score or 0.0), t.number))
    keys = list(result.space)
    rows = [
        [
            str(trial.number),
            "defaults" if trial.defaults else _STATES[trial.state],
            number(trial.score),
            duration(trial.seconds),
            *(written(trial.settings[key]) for key in keys),
        ]
        for trial in (ranked if every else ranked[:SHOWN])
    ]
    # On a narrow screen the parameter that mattered least goes first.
    least = sorted(keys, key=lambda key: (result.importances or {}).get(key, -keys.index(key)))
    heads = ["trial", "", "dev ndcg@10", "took", *keys]
    table(*narrowed(heads, rows, 2, ["took", *least]))
    if len(rows) < len(ranked):
        say(f"The {len(rows)} best of {len(ranked)}; `--all` lists the others.")


def _show_differences(result: SweepResult, unchanged: float) -> None:
    rows = [
        (f"defaults (trial {result.defaults.number})", result.defaults.score, result.gain),
        ("base", result.base, result.over_base),
    ]
    lines = [[f"best (trial {result.best.number})", number(result.best.score), *[""] * 5]]
    for name, score, delta in rows:
        if delta is None:
            lines.append([name, number(score), *[""] * 5])
            continue
        counts = f"{delta.improved}/{delta.unchanged}/{delta.harmed}"
        mean = number(delta.mean, sign=True)
        lines.append(
            [name, number(score), mean, interval(delta), p_value(delta.p), counts, str(delta.n)]
        )
    heads = ["", "dev ndcg@10", "best minus it", "95 % interval", "p", f"+/=/- at {unchanged:g}"]
    table(*narrowed([*heads, "n"], lines, 1, ["p", heads[-1]]))


def _notes(result: SweepResult, asked: int | None, place: Path) -> None:
    """What the numbers do not say by themselves."""
    from engine.experiments.study import FEWEST

    deltas = [delta for delta in (result.gain, result.over_base) if delta is not None]
    note_small(deltas)
    note_fragile(deltas)
    tried = count(len(result.trials), "trial")
    if result.gain is None:
        say(f"No trial of {tried} beat the recipe's own settings on dev.")
    else:
        say(
            f"The best of {tried} on {count(result.queries, 'dev query', 'dev queries')} is best "
            "partly by luck, which the intervals do not know: train it, and let unseen queries "
            "tell (`eval`)."
        )
    complete = result.of_state("complete")
    if result.importances is not None and complete < ENOUGH * len(result.space):
        say(
            f"Importances from {complete} complete trials over "
            f"{count(len(result.space), 'parameter')} are rough."
        )
    if result.importances is None:
        say(f"Importances need {FEWEST} complete trials in the ranges, with different scores.")
    if result.exhausted:
        say("Every setting was tried.")
    elif asked is not None and len(result.trials) >= asked:
        hint(f"More: the same command with `--trials {2 * len(result.trials)}`.")
    say(safe(f"Trials: {place}"))
