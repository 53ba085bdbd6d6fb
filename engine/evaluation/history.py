"""Past evaluations of a workspace: one line each in `reports/runs.jsonl`, never rewritten.

Two of them compare where they rest on the same inputs. Where they do not, what differs is named,
and no difference between their scores is put down to the encoder.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from engine.errors import RankbenchError
from engine.evaluation.frame import Evaluation
from engine.evaluation.intervals import FEWEST
from engine.workspace import Workspace, unwritable

FILE_NAME = "runs.jsonl"
INPUTS: Mapping[str, str] = {
    "catalog": "the catalog",
    "template": "the text template",
    "queries": "the queries of the mean",
    "judgments": "the judgments",
    "measures": "gains or measures",
}
"""What a score rests on beside its side -> how a person calls it, in the order of telling."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """One evaluation as it was kept.

    Attributes:
        number: from 1, by time; what a person names it by.
        made: Unix seconds.
        command: "eval", "gate" or "report".
        baseline, candidate: side names.
        query_set: "" for all judged queries.
        n, excluded: queries in the means, and left out.
        inputs: name (of `INPUTS`, "baseline encoder", "candidate encoder") -> hash.
        means: "baseline" and "candidate" -> measure -> mean.
        delta: measure -> mean, low, high, p, improved, unchanged, harmed, n; no low, high and p
            below `FEWEST` queries, as in `Delta`, whatever the version that kept it.
        judgments: "all", or "imported" where people's verdicts did not count.
        floor: measure -> mean of what a random ranking scores; empty in lines of older versions.
        asked, seen_by: as `Evaluation`'s; 0 and empty in lines of older versions.
    """

    number: int
    made: float
    command: str
    baseline: str
    candidate: str
    query_set: str
    split: str
    candidates: str
    n: int
    excluded: int
    inputs: Mapping[str, str]
    means: Mapping[str, Mapping[str, float | None]]
    delta: Mapping[str, Mapping[str, float | int | None]]
    judgments: str = "all"
    floor: Mapping[str, float | None] = field(default_factory=dict)
    asked: int = 0
    seen_by: Mapping[str, int] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """How many queries of the set were left out because a side has seen them."""
        return self.asked - self.n - self.excluded if self.seen_by else 0

    def same_as(self, other: PastRun) -> bool:
        """Whether both are the same command with the same inputs and result."""
        return replace(self, number=0, made=0.0) == replace(other, number=0, made=0.0)

    @property
    def question(self) -> tuple[str, ...]:
        """What was asked: runs with the same one are a series."""
        queries = (self.query_set, self.split, self.candidates, self.judgments)
        return (self.baseline, self.candidate, *queries)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def remember(ws: Workspace, evaluation: Evaluation, command: str) -> None:
    """Append an evaluation to the workspace's history.

    Raises:
        RankbenchError: the file cannot be written.
    """
    ids = json.dumps(sorted(row.query_id for row in evaluation.rows))
    line = {
        "made": time.time(),
        "command": command,
        "baseline": evaluation.baseline.encoder,
        "candidate": evaluation.candidate.encoder,
        "query_set": evaluation.query_set,
        "split": evaluation.split,
        "candidates": evaluation.candidates,
        "judgments": evaluation.judgments,
        "n": evaluation.queries,
        "excluded": len(evaluation.excluded),
        "inputs": {
            **evaluation.inputs,
            "queries": hashlib.sha256(ids.encode("utf-8", "surrogatepass")).hexdigest()[:12],
        },
        "means": {
            "baseline": dict(evaluation.baseline.means),
            "candidate": dict(evaluation.candidate.means),
        },
        "delta": {name: delta.to_json() for name, delta in evaluation.delta.items()},
        "floor": dict(evaluation.floor),
        "asked": evaluation.asked,
        "seen_by": dict(evaluation.seen_by),
    }
    data = (json.dumps(line) + "\n").encode()
    path = ws.reports_dir / FILE_NAME
    try:
        path.parent.mkdir(exist_ok=True)
        # One write at the end of the file: two commands at once do not mix their lines.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, data)
        finally:
            os.close(file)
    except OSError as error:
        raise unwritable(ws.reports_dir, error) from None


def past_runs(ws: Workspace) -> tuple[list[PastRun], int]:
    """Every kept evaluation, oldest first, and how many lines could not be read."""
    try:
        lines = (ws.reports_dir / FILE_NAME).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return [], 0
    except (OSError, ValueError) as error:
        raise RankbenchError(
            f"The past evaluations cannot be read: {error}.",
            f"Mend or remove {ws.reports_dir / FILE_NAME}.",
        ) from None
    found: list[PastRun] = []
    for number, line in enumerate(lines, 1):
        try:
            run = PastRun(number=number, **json.loads(line))
            found.append(replace(run, delta={m: _sparing(d) for m, d in run.delta.items()}))
        except (ValueError, TypeError, AttributeError):
            continue
    return found, len(lines) - len(found)


def _sparing(delta: Mapping[str, float | int | None]) -> Mapping[str, float | int | None]:
    """A kept delta without the interval and p that older versions gave a few queries."""
    few = (delta.get("n") or 0) < FEWEST
    return {**delta, "low": None, "high": None, "p": None} if few else delta


def changed(before: PastRun, after: PastRun) -> tuple[str, ...]:
    """All that differs, in a person's words: `changed_sides`, then `changed_inputs`."""
    return changed_sides(before, after) + changed_inputs(before, after)


def changed_sides(before: PastRun, after: PastRun) -> tuple[str, ...]:
    """Which sides differ, or what answers under the same name: what runs are there to compare."""
    found = []
    for place in ("baseline", "candidate"):
        side, key = getattr(after, place), f"{place} encoder"
        if getattr(before, place) != side:
            found.append(f"the {place}")
        elif before.inputs.get(key) != after.inputs.get(key):
            what = "rankings" if side.startswith("run:") else "weights"
            found.append(f"the {place}'s {what}")
    return tuple(found)


def changed_inputs(before: PastRun, after: PastRun) -> tuple[str, ...]:
    """What both rest on that differs; empty where they compare."""
    asked = {"query_set": "the query set", "split": "the split", "candidates": "the candidates"}
    found = [what for name, what in asked.items() if getattr(before, name) != getattr(after, name)]
    for name, what in INPUTS.items():
        if before.inputs.get(name) == after.inputs.get(name):
            continue
        if name == "judgments" and INPUTS["queries"] in found:
            continue  # the hash is of the chosen queries': over other queries it tells nothing
        if name == "judgments" and before.judgments != after.judgments:
            what = "whose judgments count"
        found.append(what)
    return tuple(found)


def previous(runs: Sequence[PastRun], run: PastRun) -> PastRun | None:
    """The newest run before `run` that asked the same question."""
    return next(
        (
            other
            for other in reversed(runs)
            if other.number < run.number and other.question == run.question
        ),
        None,
    )
