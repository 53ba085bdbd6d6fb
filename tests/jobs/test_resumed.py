"""A resumed run trains on what it was started with, whatever was said meanwhile."""

from __future__ import annotations

import os
import signal
import time

from engine import supervise
from engine.encoders.card import read_card
from engine.jobs.material import read_basket, read_judged, read_merged, read_until
from engine.making.make import add_judgments
from engine.records import Verdict, Verdicts
from engine.workspace import Workspace

SETTINGS = ["epochs=12", "lr=1e-3", "dev_products=80", "replay=40", "push=20"]
PARAMS = {"recipe": "flags", "name": "mine", "set": SETTINGS}
QUERY = "red sneaker"


def flag(ws: Workspace, *products: str, author: str = "ann") -> None:
    with Verdicts(ws.records_path) as verdicts:
        verdicts.add([Verdict(QUERY, p, "I", bad=True, side="base") for p in products], author)


def killed_after_a_checkpoint(ws: Workspace) -> supervise.Job:
    job = supervise.start(ws, "train", PARAMS, threads=1)
    limit = time.monotonic() + 60
    while job.checkpoint is None:
        assert time.monotonic() < limit and not supervise.get(ws, job.id).over
        time.sleep(0.01)
    pid = supervise.get(ws, job.id).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while not (job := supervise.get(ws, job.id)).over:
        time.sleep(0.01)
    assert job.state == "died"
    return job


def test_a_killed_run_goes_on_with_the_verdicts_it_began_with(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    list(supervise.follow(supervise.start(ws, "index", {"encoder": "base"}, threads=1)))
    flag(ws, "p100", "p101")
    begun = read_basket(ws, PARAMS, top=lambda side, query: ())
    job = killed_after_a_checkpoint(ws)
    step = job.checkpoint
    flag(ws, "p102", "p103")
    with Verdicts(ws.records_path) as verdicts:
        verdicts.undo("ann")
        verdicts.undo("ann")
        verdicts.add([Verdict(QUERY, "p104", "I", bad=True)], "ann")
    assert read_basket(ws, PARAMS, top=lambda side, query: ()).verdicts_hash != begun.verdicts_hash

    events = list(supervise.follow(supervise.resume(ws, job.id, threads=1)))
    assert events[-1]["event"] == "done", (job.path / "log").read_text()
    said = [str(event.get("message")) for event in events]
    assert f"Going on from step {step}." in said
    first = next(e["step"] for e in events if e.get("phase") == "training" and e.get("loss"))
    assert first > step
    card = read_card(ws.encoders_dir / "mine")
    assert card is not None and card.data["verdicts"] == begun.verdicts_hash
    (query,) = card.verdict["flagged"]
    assert [m["product_id"] for m in query["moved"] if m["wanted"] == "fall"] == ["p100", "p101"]


def test_the_records_are_read_as_they_were(tiny_workspace: Workspace) -> None:
    ws = tiny_workspace
    flag(ws, "p100")
    until, then = read_until(ws), read_merged(ws)
    flag(ws, "p101")
    with Verdicts(ws.records_path) as verdicts:
        verdicts.separate(QUERY, "ann")
        for _ in range(3):
            verdicts.undo("ann")
    assert read_merged(ws) != then and read_merged(ws, until) == then
    judged = read_judged(ws)
    source = ws.root / "more.csv"
    source.write_text(f"query,product_id,label\n{QUERY},p100,E\nnew query,p101,E\n")
    add_judgments(ws, source, None, None)
    assert read_judged(ws) != judged and read_judged(ws, until) == judged
    assert read_merged(ws, until) == then
