"""`rankbench flag`: one verdict, kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.errors import UsageError
from engine.workspace import Workspace
from workbench.commands.hints import hint
from workbench.commands.options import json_option, with_workspace
from workbench.commands.output import cut, emit_json, safe, say
from workbench.commands.verdicts import line, quoted, to_json

if TYPE_CHECKING:
    from engine.records.verdicts import Verdict

FLAGS = ("X", "BAD", "FLAG")


@click.command("flag")
@click.argument("words", metavar="QUERY PRODUCT_ID GRADE", nargs=-1, required=True)
@click.option("--note", default="", metavar="T", help="Why, in your words.")
@click.option("--side", default="", metavar="SIDE", help="Where you saw the result.")
@click.option("--rank", type=click.IntRange(min=1), metavar="N", help="At which place there.")
@click.option("--judge", default="", metavar="NAME", help="Whose verdict it is; default: yours.")
@json_option
@with_workspace
def command(
    workspace: Workspace,
    words: tuple[str, ...],
    note: str,
    side: str,
    rank: int | None,
    judge: str,
    as_json: bool,
) -> None:
    """Keep your verdict on a result: GRADE is E, S, C, I, a word (exact, …), or x for bad.

    x (or bad) is I, marked as a flag. The newest verdict of a judge on a result stands;
    `rankbench undo` takes it back.
    """
    from engine.index.known import title_of
    from engine.records.judge import judge_name
    from engine.records.verdicts import Verdict, Verdicts

    query, product, grade, bad = parse_words(words)
    if rank is not None and not side:
        raise UsageError("--rank goes with --side.", "Add --side SIDE: base, bm25, an encoder.")
    encoder = _fingerprint(workspace, side) if side else ""
    title = title_of(workspace, product)
    author = judge_name(workspace.settings)
    verdict = Verdict(
        query, product, grade, bad, note, side.strip(), rank, encoder, judge.strip() or author
    )
    with Verdicts(workspace.records_path) as verdicts:
        (kept,) = verdicts.act(verdicts.add([verdict], author))
    # From here on it is on the disk.
    if as_json:
        emit_json({**to_json(kept), "title": title})
        return
    click.echo(f"kept {kept.number}: {line(kept, title)}")
    _say_more(workspace, kept)


def parse_words(words: tuple[str, ...]) -> tuple[str, str, str, bool]:
    """Query, product id, grade, and whether it is a flag; the query needs no quotes.

    Raises:
        UsageError: fewer than three words, an empty query, or no such grade.
    """
    from engine.catalog.normalise import clean_query
    from engine.formats.grades import WORDS

    if len(words) < 3:
        raise UsageError(
            "flag needs a query, a product id and a grade.",
            '`rankbench flag "tent pegs" B00X x` flags a result as bad.',
        )
    query, product, said = clean_query(" ".join(words[:-2])), words[-2], words[-1].strip().upper()
    if not query:
        raise UsageError("The query is empty.", "Give some words before the product id.")
    bad = said in FLAGS
    grade = "I" if bad else WORDS.get(said, "")
    if not grade:
        raise UsageError(
            f"{safe(words[-1])!r} is not a grade.",
            "Give E, S, C or I, or exact, substitute, complement, irrelevant; x for a bad result.",
        )
    return query, product, grade, bad


def _fingerprint(workspace: Workspace, side: str) -> str:
    """Of the encoder behind a side; "" for bm25 and a run, or while it has no index."""
    from engine.ranking.side_name import parse_side
    from engine.state import State

    encoder = parse_side(side).encoder
    if not encoder:
        return ""
    state = State(workspace.state_path)
    try:
        build = state.active_build(encoder)
    finally:
        state.close()
    if build is None:
        say(f"The side {safe(side)} has no index here: the verdict does not say which weights.")
    return build.fingerprint if build else ""


def _say_more(workspace: Workspace, verdict: Verdict) -> None:
    """What the verdict meets: an imported judgment, other judges, other spellings."""
    from engine.records import Judged
    from engine.training.basket import HELD_OUT

    judged = Judged(workspace.records_path)
    try:
        query = judged.find(verdict.query)
        word = judged.words(query).get(verdict.product_id)
        shared = judged.shared_from(verdict.query)
    finally:
        judged.close()
    if word is not None and word.overrules:
        say(f"An imported judgment says {word.imported}; both are kept, a person's word counts.")
    if word is not None and word.grade != verdict.grade:
        say(f"Other judges outvote it: {word.grade} counts. `rankbench flags --disputed`")
    if query is not None and query.split in HELD_OUT:
        hint(
            f"A {query.split} query: the verdict counts as a judgment, but trains nothing unless "
            "you insist: `rankbench train --source flags --include-test`."
        )
    if shared:
        spellings = ", ".join(cut(text, 40) for text in shared[:3])
        parting = f"`rankbench separate {quoted(verdict.query)}` parts them"
        hint(f"It holds for {spellings} too; {parting}.")
