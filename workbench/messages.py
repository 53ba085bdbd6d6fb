"""What the threads tell the screens. Every message is a finished, immutable fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from textual.message import Message

from engine.catalog.queries import JudgedQuery
from engine.ranking.comparison import Comparison
from engine.records.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Request:
    """One search, as the mailbox holds it.

    Attributes:
        number: rises with every request; an answer older than what is painted is dropped.
        baseline, candidate: the sides that answer (already exchanged for bm25 where not ready).
        pressed: `time.monotonic()` of the key that asked for it.
    """

    number: int
    query: str
    baseline: str
    candidate: str
    pressed: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error to show: what happened, and what to do."""

    what: str
    todo: str = ""


class PaintRecord(NamedTuple):
    """One comparison on the screen.

    `pressed` and `painted` are `time.monotonic()`: when the driver read the key, and when the
    frame that showed both lists and the delta line had been handed to the terminal's writer. In a
    headless test the frame is composed but not encoded for a terminal, which saves it 1 to 2 ms.
    """

    query: str
    pressed: float
    painted: float
    elapsed_ms: float


class Answered(Message):
    """A search has ended, with a comparison or with trouble."""

    def __init__(
        self, request: Request, comparison: Comparison | None, trouble: Trouble | None = None
    ) -> None:
        super().__init__()
        self.request = request
        self.comparison = comparison
        self.trouble = trouble


class Opened(Message):
    """The comparer is open; completion can begin."""

    def __init__(self, judged: Sequence[JudgedQuery]) -> None:
        super().__init__()
        self.judged = tuple(judged)


class SidesKnown(Message):
    """Which sides there are and which can answer (a tuple of `SideStatus`)."""

    def __init__(self, sides: Sequence[Any]) -> None:
        super().__init__()
        self.sides = tuple(sides)


class SideLoaded(Message):
    """Loading a side has ended well; `SidesKnown` follows."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class SideFailed(Message):
    """Loading a side ended in trouble."""

    def __init__(self, name: str, trouble: Trouble) -> None:
        super().__init__()
        self.name = name
        self.trouble = trouble


class OpeningFailed(Message):
    """The workspace's parts did not open: nothing can answer."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self.trouble = trouble


class ProductKnown(Message):
    """The fields of one product, or trouble."""

    def __init__(
        self, product_id: str, fields: Mapping[str, str], trouble: Trouble | None = None
    ) -> None:
        super().__init__()
        self.product_id = product_id
        self.fields = fields
        self.trouble = trouble


class TaskFailed(Message):
    """Something beside the searches could not be done: a setting written, a job cancelled.

    `work` is the name it was begun under; "" for what the search thread was asked.
    """

    def __init__(self, trouble: Trouble, work: str = "") -> None:
        super().__init__()
        self.trouble = trouble
        self.work = work


class Recorded(Message):
    """What a person said is on the disk.

    `action` is "keep", "undo", "redo" or "separate"; `verdicts` are those given, taken back or
    given again, and `separated` the query that shares none any more, or does so again. An undo or
    a redo that found nothing to do has neither. `left` is what the judge's word on the result is
    now that one verdict was taken back, None where there is none.
    """

    def __init__(
        self,
        action: str,
        verdicts: Sequence[Verdict] = (),
        separated: str = "",
        left: Verdict | None = None,
    ) -> None:
        super().__init__()
        self.action = action
        self.verdicts = tuple(verdicts)
        self.separated = separated
        self.left = left


class RecordingFailed(Message):
    """What a person said could not be written: it does not stand."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self.trouble = trouble


class Standing(Message):
    """How many verdicts stand, of every judge, and the number of the newest record."""

    def __init__(self, count: int, last: int) -> None:
        super().__init__()
        self.count = count
        self.last = last


@dataclass(frozen=True, slots=True)
class EvaluationKey:
    """Which evaluation is meant: its two sides, and the newest record it could know of."""

    baseline: str
    candidate: str
    said: int = 0


class EvaluationProgress(Message):
    """How far the evaluation has come."""

    def __init__(self, key: EvaluationKey, done: int, total: int) -> None:
        super().__init__()
        self.key = key
        self.done = done
        self.total = total

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, EvaluationProgress)


class Evaluated(Message):
    """The query set through both sides: the `eval` JSON with `per_query`, or trouble."""

    def __init__(
        self, key: EvaluationKey, result: Mapping[str, Any], trouble: Trouble | None = None
    ) -> None:
        super().__init__()
        self.key = key
        self.result = result
        self.trouble = trouble


class Summarised(Message):
    """The mean delta of the shown queries with its interval (a `Delta`), or None without any.

    `weighted`: the same by traffic (a `Weighted`), None where no query has a weight.
    """

    def __init__(
        self,
        number: int,
        delta: Any | None,
        weighted: Any | None = None,
        trouble: Trouble | None = None,
    ) -> None:
        super().__init__()
        self.number = number
        self.delta = delta
        self.weighted = weighted
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class JobView:
    """What is shown of one job.

    Attributes:
        score: dev NDCG@10 of the last look at the dev queries; queries: how many they are.
        said: the last word of a job that ended, such as what a cancel kept.
        ended: Unix seconds, None where it has not.
        removed: whether it is done and its encoder is not there any more.
    """

    id: str
    kind: str
    state: str
    encoder: str = ""
    step: int = 0
    steps: int = 0
    loss: float | None = None
    eta_s: float | None = None
    phase: str = ""
    error: str = ""
    score: float | None = None
    said: str = ""
    ended: float | None = None
    queries: int = 0
    removed: bool = False


class BasketKnown(Message):
    """What a run of `choice` (a `training.Choice`) would train on (a `Basket`), or trouble."""

    def __init__(
        self,
        choice: Any,
        recipes: Mapping[str, Sequence[str]],
        basket: Any | None,
        trouble: Trouble | None = None,
    ) -> None:
        super().__init__()
        self.choice = choice
        self.recipes = recipes
        self.basket = basket
        self.trouble = trouble


class JobBegun(Message):
    """A job's process has been started, anew or (`resumed`) from its checkpoint.

    `notes`: of a run from a card, what is other than it was then.
    """

    def __init__(self, job_id: str, *, resumed: bool = False, notes: Sequence[str] = ()) -> None:
        super().__init__()
        self.notes = tuple(notes)
        self.job_id = job_id
        self.resumed = resumed


class JobsChanged(Message):
    """The jobs of this workspace, newest last; sent when anything about them changed."""

    def __init__(self, jobs: Sequence[JobView], trouble: Trouble | None = None) -> None:
        super().__init__()
        self.jobs = tuple(jobs)
        self.trouble = trouble


class EncodersChanged(Message):
    """An encoder has come or gone, by whatever process."""


class EncodersKnown(Message):
    """The encoders on disk (a tuple of `shelf.EncoderRow`), or trouble.

    `defaults` are the sides that `workspace.toml` names, left and right.
    """

    def __init__(
        self,
        rows: Sequence[Any],
        defaults: tuple[str, str] = ("", ""),
        trouble: Trouble | None = None,
    ) -> None:
        super().__init__()
        self.rows = tuple(rows)
        self.defaults = defaults
        self.trouble = trouble


class LineageKnown(Message):
    """Where an encoder comes from: itself, then its parents (`Ancestor`s), nearest first."""

    def __init__(self, name: str, steps: Sequence[Any]) -> None:
        super().__init__()
        self.name = name
        self.steps = tuple(steps)


class LatencyKnown(Message):
    """How long an encoder takes over one query (a `Latency`), or trouble."""

    def __init__(self, name: str, latency: Any | None, trouble: Trouble | None = None) -> None:
        super().__init__()
        self.name = name
        self.latency = latency
        self.trouble = trouble


class EncoderRemoved(Message):
    """An encoder and its builds are deleted."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class Done(Message):
    """Something that was asked for is done: the words that say so."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class PutOn(Message):
    """An encoder that was asked for on a side can answer; `name` is "" where none can.

    `words` say what stands in the way of the one that was asked for, `todo` what to do then.
    """

    def __init__(self, place: str, name: str, words: str = "", todo: str = "") -> None:
        super().__init__()
        self.place = place
        self.name = name
        self.words = words
        self.todo = todo


class NotIndexed(Message):
    """An encoder that was asked for on a side could answer if it were indexed."""

    def __init__(self, place: str, name: str) -> None:
        super().__init__()
        self.place = place
        self.name = name


class RunKnown(Message):
    """The verdict on a run, as its encoder's card has it; empty where there is none.

    `ended` where the run has just ended, else somebody wants its page.
    """

    def __init__(self, name: str, verdict: Mapping[str, Any], *, ended: bool = False) -> None:
        super().__init__()
        self.name = name
        self.verdict = verdict
        self.ended = ended


class TitlesKnown(Message):
    """Product id -> title of some products."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        super().__init__()
        self.titles = titles
