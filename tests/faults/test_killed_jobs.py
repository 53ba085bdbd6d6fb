"""A training killed at any moment: nothing half made is offered, and a resume finishes it."""

from __future__ import annotations

import random
import time

import pytest
from breaking import NAME, ROUNDS, kill, over, rankbench, train
from killed_runs import Whole, operation, resume_finishes_it, same_vectors, started_to_die

from engine.encoders.fingerprint import fingerprint
from engine.encoders.registry import list_encoders
from engine.state import State
from engine.workspace import Workspace, open_workspace

# Where one rename parts two states; the random moments rarely fall there.
NARROW = {
    "saved, not yet kept": "shutil.rmtree /jobs/0001/encoder",
    "a checkpoint written, not yet in its place": (
        "os.rename /jobs/0001/checkpoints/.partial/checkpoint-12"
    ),
    "kept, its name not yet noted": "open /jobs/0001/made.json",
    "named, not yet published": "os.rename /jobs/0001/encoder",
    "published, not yet indexed": "open /jobs/0001/events.jsonl saved",
    "all done but the last word": "open /jobs/0001/events.jsonl last",
}
CHOSEN = list(NARROW) if ROUNDS > 5 else list(NARROW)[:1]


def nothing_half_is_offered(ws: Workspace, whole: Whole) -> None:
    """After a kill: what can be chosen is whole, and what is not whole cannot be chosen."""
    opened = open_workspace(ws.root)
    names = [info.name for info in list_encoders(opened)]
    assert names in (["base"], ["base", NAME])
    shown = rankbench("encoders", "--json", "-w", ws.root).json
    assert [info["name"] for info in shown] == names
    state = State(ws.state_path)
    built = [name for name in ("base", NAME) if state.active_build(name)]
    state.close()
    for name in built:
        same_vectors(opened, whole, name)
    answer = rankbench("search", "red tent", "--candidate", NAME, "--json", "-w", ws.root)
    if NAME in built:
        assert answer.json["candidate"]["encoder"] == NAME
    else:
        assert answer.code == 1 and len(answer.err.splitlines()) == 2, answer
    if NAME in names:
        path = f"encoders/{NAME}"
        assert fingerprint(ws.root / path) == fingerprint(whole.ws.root / path)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_run_killed_at_a_random_moment_is_finished_by_a_resume(
    ws: Workspace,
    whole: Whole,
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    share = (number + chance.random()) / ROUNDS
    if number % 2:
        # By the clock: also inside of what Python does not see.
        job = train(ws)
        time.sleep(share * whole.seconds)
        kill(ws, job.id)
    else:
        job = started_to_die(ws, monkeypatch, 1 + int(share * len(whole.operations)))
    ended = over(ws, job.id)
    nothing_half_is_offered(ws, whole)
    if ended.state == "done":
        assert number % 2, "it was to be killed before its end"
        return
    assert ended.state == "died"
    resume_finishes_it(ws, job, whole)


@pytest.mark.parametrize("moment", CHOSEN)
def test_a_run_killed_between_two_renames_is_finished_by_a_resume(
    ws: Workspace, whole: Whole, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    job = started_to_die(ws, monkeypatch, operation(whole, NARROW[moment]))
    assert over(ws, job.id).state == "died"
    nothing_half_is_offered(ws, whole)
    resume_finishes_it(ws, job, whole)
