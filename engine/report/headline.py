"""What an evaluation shows, in sentences: no more than its interval allows, and no less."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.evaluation.frame import Evaluation
from engine.evaluation.intervals import CANCELLED, FEW_QUERIES, FEWEST, LEVEL, Delta
from engine.formats.printable import printable
from engine.measures import LARGEST_DELTA, PRIMARY
from engine.ranking.side_name import parse_side
from engine.report.numbers import count, interval, number, p_value, signed

BETTER, WORSE, NONE, UNKNOWN = "better", "worse", "no difference is shown", "nothing was measured"
_LEVEL = f"{100 * LEVEL:.0f}\u00a0%"
_SETS = {
    "unseen": "queries that neither side was trained on",
    "all": "judged queries, whatever their split",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """The first thing a reader meets.

    Attributes:
        call: `BETTER`, `WORSE`, `NONE` or `UNKNOWN`, by the interval of the primary measure.
        title: the call as a sentence, hedged where the queries are few or were seen.
        finding: the figures as a sentence, with interval, p, n and the set.
        zero: whether zero is in the interval, and what that means.
        cautions: what a reader must know before believing it.
        left_out: which queries and judgments are not in the figures, and why.
    """

    call: str
    title: str
    finding: str
    zero: str
    cautions: tuple[str, ...]
    left_out: tuple[str, ...]


def headline(evaluation: Evaluation, judged: int, said: int = 0, against: int = 0) -> Headline:
    """Put an evaluation's primary measure into words.

    Args:
        judged: queries of the whole query set, those outside the split included.
        said, against: grades by people's verdicts among the queries, and how many of them stand
            against an imported judgment.
    """
    delta = evaluation.delta[PRIMARY]
    call = _call(delta)
    return Headline(
        call,
        _title(evaluation, call),
        _finding(evaluation),
        _zero(delta, call),
        tuple(_cautions(evaluation, said, against)),
        tuple(_left_out(evaluation, judged)),
    )


def set_name(evaluation: Evaluation) -> str:
    """The queries in words: `queries that neither side was trained on`."""
    name = _SETS.get(evaluation.split, f"queries of the {evaluation.split} split")
    return f"{name}, of the set {printable(evaluation.query_set)}" if evaluation.query_set else name


def side_labels(evaluation: Evaluation) -> tuple[str, str]:
    """The sides' names as they are shown, without a run file's directories where it is clear."""
    names = (evaluation.baseline.encoder, evaluation.candidate.encoder)
    parsed = [parse_side(name) for name in names]
    brief = [f"run:{Path(p.argument).name}" if p.kind == "run" else p.text for p in parsed]
    first, second = map(printable, brief if brief[0] != brief[1] else names)
    return first, second


def seen(evaluation: Evaluation) -> int:
    """How many queries of the means trained or chose a side."""
    return sum(row.seen for row in evaluation.rows)


def bounds_sentence(evaluation: Evaluation) -> str:
    """How far unjudged hits could move the mean delta; "" where that cannot be said."""
    if evaluation.bounds is None or evaluation.candidates != "catalog":
        return ""
    low, high = evaluation.bounds
    if not can_move(evaluation.bounds):
        return "Every result in either top ten is judged, so no missing judgment can move this."
    means = [side.means["judged@10"] for side in (evaluation.baseline, evaluation.candidate)]
    shares = " and ".join(f"{100 * mean:.0f} %" for mean in means if mean is not None)
    turn = "could turn its sign" if low < 0 < high else "cannot turn its sign"
    return (
        f"{shares} of the top tens (baseline, candidate) are judged and the rest counts as "
        f"worthless. Were every such result judged, the mean difference would lie between "
        f"{signed(low)} and {signed(high)}: missing judgments {turn}."
    )


def can_move(bounds: tuple[float, float]) -> bool:
    """Whether a result is unjudged, so that judging it could move the difference."""
    return bounds[1] - bounds[0] >= 1e-9


def fragile_sentence(delta: Delta) -> str:
    """Why an interval that excludes zero is surer than its queries; "" where it is not."""
    if not delta.fragile or delta.mean is None:
        return ""
    if delta.cancelled_by <= CANCELLED:
        far = number(delta.cancelled_by, 2)
        why = f"one query more that moved {far} the other way would cancel it"
    else:
        what = "harms" if delta.mean > 0 else "gains"
        why = f"a few large {what} stand against it (skewness {number(delta.skewness, 1)})"
    return (
        f"The difference is fragile: {why}, and a set of queries that happens to hold too few such "
        "looks surer than it is. Judge more queries."
    )


def barely_sentence(delta: Delta) -> str:
    """That an interval leaves zero out by next to nothing; "" where it does not."""
    if not delta.barely:
        return ""
    near = min((delta.low or 0.0, delta.high or 0.0), key=abs)
    return (
        f"The interval all but touches 0 ({signed(near, 4)}): the difference is hardly "
        "shown. Judge more queries."
    )


def floor_sentence(evaluation: Evaluation) -> str:
    """That a side ranks no better than chance by the primary measure; "" where neither does."""
    floor = evaluation.floor.get(PRIMARY)
    means = [side.means[PRIMARY] for side in (evaluation.baseline, evaluation.candidate)]
    if floor is None:
        return ""
    low = [mean is not None and mean <= floor for mean in means]
    if not any(low):
        return ""
    names = side_labels(evaluation)
    who = "Both sides score" if all(low) else f"{names[low.index(True)]} scores"
    return (
        f"{who} no more than a random ranking does here ({number(floor)}). Either the judgments "
        "name other products than this catalog's, or its texts say nothing of what is asked: look "
        "at some queries before comparing sides."
    )


def _call(delta: Delta) -> str:
    if delta.low is None or delta.high is None:
        return UNKNOWN
    if delta.low > 0:
        return BETTER
    return WORSE if delta.high < 0 else NONE


def _title(evaluation: Evaluation, call: str) -> str:
    base, candidate = side_labels(evaluation)
    delta = evaluation.delta[PRIMARY]
    if call == UNKNOWN:
        if delta.n:
            few = f"{delta.n} queries are" if delta.n > 1 else "One query is"
            return f"{few} too few to tell {candidate} from {base}"
        return f"Nothing was measured of {candidate} and {base}"
    if call == NONE:
        return f"No difference between {candidate} and {base} is shown"
    unsure = delta.rough or delta.fragile or delta.barely or _disagree(delta)
    verb = "may rank" if unsure else "ranks"
    title = f"{candidate} {verb} {call} than {base}"
    if delta.rough:
        return f"{title}: {count(delta.n, 'query', 'queries')} are too few to be sure"
    return f"{title}, on queries it may know" if seen(evaluation) else title


def _finding(evaluation: Evaluation) -> str:
    delta = evaluation.delta[PRIMARY]
    if not delta.n:
        return "No query is left to measure."
    base, candidate = side_labels(evaluation)
    before, after = (side.means[PRIMARY] for side in (evaluation.baseline, evaluation.candidate))
    what = "NDCG@10 over the whole catalog"
    if evaluation.candidates != "catalog":
        what = "NDCG@10 over the judged products alone"
    return (
        f"Mean {what} is {number(before)} with {base} and {number(after)} with {candidate}: a "
        f"difference of {signed(delta.mean)} ({_certainty(delta)}; n\u00a0=\u00a0{delta.n:,} "
        f"{set_name(evaluation)})."
    )


def _certainty(delta: Delta) -> str:
    if delta.scarce:
        return "too few for an interval"
    return f"{_LEVEL} interval {interval(delta)}; p\u00a0{p_value(delta.p)}"


def _zero(delta: Delta, call: str) -> str:
    if call == UNKNOWN:
        return (
            f"There is no interval below {FEWEST} queries, which could not exclude zero whatever "
            "they say, so nothing can be concluded."
        )
    assert delta.low is not None and delta.high is not None
    if call in (BETTER, WORSE):
        what = "gain" if call == BETTER else "loss"
        small, large = (number(end) for end in sorted((abs(delta.low), abs(delta.high))))
        where = "all but in" if delta.barely else "outside"
        hardly = ", so it is hardly shown" if delta.barely else ""
        return (
            f"Zero is {where} the interval: the {what} may be as small as {small} or as large as "
            f"{large}{hardly}."
        )
    return (
        f"Zero is inside the interval: these queries do not tell the sides apart. Anything from "
        f"{signed(delta.low)} to {signed(delta.high)} is compatible with them, and that is not the "
        f"same as being equal.{_too_few(delta)}"
    )


def _too_few(delta: Delta) -> str:
    """What the queries could have shown, where they are too few for what was measured."""
    if not delta.too_few or delta.visible is None:
        return ""
    return (
        f" The set is too small to tell: {delta.n:,} queries with such a spread show a true "
        f"difference of {number(min(delta.visible, LARGEST_DELTA), 3)} four times in five, and "
        "the measured one is smaller."
    )


def _disagree(delta: Delta) -> bool:
    """Whether interval and p stand on different sides of the same line."""
    if delta.p is None or delta.low is None or delta.high is None:
        return False
    return (delta.p < 1 - LEVEL) != (delta.low > 0 or delta.high < 0)


def _cautions(evaluation: Evaluation, said: int, against: int) -> list[str]:
    delta = evaluation.delta[PRIMARY]
    found = list(filter(None, [floor_sentence(evaluation)]))
    if delta.rough:
        found.append(
            f"With fewer than {FEW_QUERIES} queries the interval is wide and only roughly 95 %. "
            "Read this as a hint of what to measure, not as a result; judge more queries."
        )
    if _disagree(delta):
        found.append(
            "The interval and p, which are made in different ways, disagree about zero: the "
            "evidence is at its edge."
        )
    if said_fragile := fragile_sentence(delta):
        found.append(said_fragile)
    if known := seen(evaluation):
        found.append(
            f"{known:,} of the {evaluation.queries:,} queries trained or chose one of the sides. "
            "That flatters it; only unseen queries say how it does on what people will type."
        )
    if said:
        found.append(
            f"{count(said, 'grade comes', 'grades come')} from people's verdicts in this "
            f"workspace, {against:,} against an imported judgment. Verdicts on one side's results "
            "can favour the other; `--judgments imported` leaves them out."
        )
    sides = (evaluation.baseline, evaluation.candidate)
    for name, side in zip(side_labels(evaluation), sides, strict=True):
        if side.unanswered:
            found.append(
                f"{name} has no answer to {len(side.unanswered):,} of the "
                f"{evaluation.queries:,} queries; each counts 0."
            )
    return found


def _left_out(evaluation: Evaluation, judged: int) -> list[str]:
    chosen = evaluation.queries + len(evaluation.excluded)
    found = [f"{count(judged, 'query is', 'queries are')} judged; {evaluation.queries:,} are in."]
    if rest := judged - chosen:
        why = "are not in this split"
        if evaluation.query_set:
            why = "are not in this set and split"
        elif evaluation.split == "unseen":
            why = "trained or chose one of the sides or a parent of it (seen)"
        found.append(f"{rest:,} left out: they {why}.")
    if excluded := len(evaluation.excluded):
        found.append(
            f"{excluded:,} left out: no product of positive gain in the catalog, so no ranking of "
            "them is better than another (excluded)."
        )
    if evaluation.absent:
        found.append(
            f"{count(evaluation.absent, 'judgment')} left out: the catalog lacks the product."
        )
    if without := evaluation.without_exact:
        found.append(
            f"{without:,} of those in have no Exact product: mrr@10, recall@50 and precision@10 "
            "are 0 there by definition."
        )
    return found
