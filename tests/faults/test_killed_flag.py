"""`rankbench flag` killed at any moment: what it printed as kept is in the database."""

from __future__ import annotations

import random
import re
import sqlite3
import subprocess
import sys
import time

from breaking import ROUNDS, rankbench

from engine.records import Verdicts
from engine.workspace import Workspace

FLAGS = 3 * ROUNDS


def flag(ws: Workspace, product: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "workbench", "flag", "red tent", product, "x", "-w", ws.root]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_every_flag_that_was_acknowledged_is_kept(ws: Workspace, chance: random.Random) -> None:
    began = time.monotonic()
    said, _ = flag(ws, "p000").communicate()
    seconds = time.monotonic() - began
    acknowledged = re.findall(r"kept (\d+): .*(p\d{3})", said)
    assert len(acknowledged) == 1
    for number in range(1, FLAGS):
        process = flag(ws, f"p{number:03d}")
        said = ""
        if number % 2:
            # The moment it says so.
            assert process.stdout is not None
            said = process.stdout.readline()
        else:
            # The writing is at the end: most of the moments too.
            time.sleep(chance.triangular(0, seconds * 1.1, seconds * 0.9))
        process.kill()
        said += process.communicate()[0]
        acknowledged += re.findall(r"kept (\d+): .*(p\d{3})", said)

    with Verdicts(ws.records_path) as verdicts:
        kept = {str(v.number): v for v in verdicts.kept()}
    for number, product in acknowledged:
        assert kept[number].product_id == product
    for verdict in kept.values():
        assert (verdict.query, verdict.grade, verdict.bad) == ("red tent", "I", True)
    database = sqlite3.connect(ws.records_path)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    assert rankbench("flag", "red tent", "p200", "x", "-w", ws.root).code == 0
    assert len(rankbench("flags", "--json", "-w", ws.root).json) == len(kept) + 1
