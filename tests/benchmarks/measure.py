"""Measure what DESIGN's budgets name, in one run: `make bench`.

    python tests/benchmarks/measure.py --data DIR [--workspace DIR] [--json FILE]

DIR holds `products.parquet` and `judgments.csv`. The workspace is made where it is missing (the
encoding is the indexing figure) and kept. The second encoder is a copy of the first under another
name: a tuned one costs the same per key. Latency is measured through the app in a pseudo-terminal.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import supervise
from engine.encoders.load import load_encoder, load_model
from engine.encoders.packaged import packaged_model_dir
from engine.encoders.registry import add
from engine.evaluation.query_set import evaluate_query_set
from engine.index.build import build_index
from engine.index.store import read_items
from engine.ranking.comparer import Comparer
from engine.workspace import Workspace, is_workspace, open_workspace

HERE = Path(__file__).parent
SECOND = "second"
TYPING_S, REPEAT_S, BURST_S = 0.12, 0.033, 0.012
Row = tuple[str, str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("RANKBENCH_ESCI"))
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.data is None:
        sys.exit("Name the data with --data DIR or RANKBENCH_ESCI.")
    with tempfile.TemporaryDirectory() as scratch:
        root = options.workspace or Path(scratch) / "workspace"
        ws, rows = prepare(root, Path(options.data))
        rows += [first_paint(ws), cold_start(ws), *typing(ws), *evaluation(ws)]
    for name, value, budget in rows:
        print(f"{name:58} {value:>34}  {budget}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def prepare(root: Path, data: Path) -> tuple[Workspace, list[Row]]:
    """Make the workspace where it is missing; its indexing against a bare `model.encode`."""
    rows: list[Row] = []
    if not is_workspace(root):
        files = ["--catalog", data / "products.parquet", "--judgments", data / "judgments.csv"]
        command([*map(str, ["init", root, *files])])
    ws = open_workspace(root)
    if not (ws.encoders_dir / SECOND).is_dir():
        add(ws, str(packaged_model_dir()), SECOND)
        build_index(ws, SECOND)
        rows.append(indexing(ws))
    build_index(ws, "base")
    return ws.save(replace(ws.settings, candidate=SECOND)), rows


def indexing(ws: Workspace) -> Row:
    """Products a second: a whole build from nothing, and a bare `model.encode` of its texts."""
    texts = read_items(ws, ["product_id", "text"])["text"].to_list()
    model = load_model(packaged_model_dir())
    encoder = load_encoder(packaged_model_dir())
    model.encode(texts[:64], show_progress_bar=False)
    bare = timed(lambda: model.encode(texts, show_progress_bar=False))
    ours = timed(lambda: build_index(ws, "base", encoder=encoder, rebuild=True))
    value = f"{len(texts) / ours:.0f}/s v. {len(texts) / bare:.0f}/s (n {len(texts)})"
    return "indexing v. bare model.encode", value, "no slower"


def first_paint(ws: Workspace, runs: int = 5) -> Row:
    """From the start of the process to the first frame on its terminal."""
    times = []
    for _ in range(runs):
        terminal = Terminal([sys.executable, "-m", "workbench", "-w", str(ws.root)])
        times.append(terminal.wait_for("❯"))
        terminal.close()
    return "first paint", f"{spread(times, 's')}", "0.8 s"


def cold_start(ws: Workspace, runs: int = 5) -> Row:
    """From the start of a process to a printed ranking by two encoders."""
    search = ["search", "-w", str(ws.root), "wireless headphones", "--json"]
    times = [timed(lambda: command(search)) for _ in range(runs)]
    return "cold start to a ranking by encoders", spread(times, "s"), "6 s"


def typing(ws: Workspace) -> list[Row]:
    """Key to both panes painted: at typing speed, at a keyboard's repeat rate, and in bursts.

    Then at typing speed again, while a job trains.
    """
    rows = [
        typed(ws, "typing", TYPING_S, 240, "p95 60 ms"),
        typed(ws, "a held key", REPEAT_S, 400, "p95 60 ms"),
        typed(ws, "bursts", BURST_S, 600, "p95 60 ms"),
    ]
    job = supervise.start(ws, "train", {"recipe": "infonce", "set": ["epochs=50"]})
    next(e for e in supervise.follow(job) if e.get("phase") == "training" and e.get("step", 0) > 1)
    rows.append(typed(ws, "typing while a job trains", TYPING_S, 240, "twice the p95 of typing"))
    still = supervise.get(ws, job.id)
    assert still.state == "running", still
    supervise.cancel(still)
    return rows


def typed(ws: Workspace, name: str, pause: float, count: int, budget: str) -> Row:
    """One app, typed into with `pause` seconds a key, until `count` keys."""
    queries = [query.query for query in Comparer(ws).judged_queries()]
    with tempfile.NamedTemporaryFile(suffix=".json") as log:
        child = [sys.executable, str(HERE / "typing_app.py"), str(ws.root), log.name]
        terminal = Terminal(child)
        terminal.wait_for("❯")
        terminal.type("warm", 0.3)
        terminal.rest(12)
        started = time.monotonic()
        pressed = 0
        for query in queries:
            terminal.type("\x15", 0.3)
            terminal.type(query, pause)
            terminal.rest(0.5)
            pressed += len(query)
            if pressed >= count:
                break
        terminal.type("\x11", 0.1)
        terminal.finish()
        entries = [e for e in json.loads(Path(log.name).read_text()) if e["pressed"] > started]
    spent = sorted((e["painted"] - e["pressed"]) * 1000 for e in entries)
    value = (
        f"p50 {quantile(spent, 0.5):.1f} p95 {quantile(spent, 0.95):.1f} ms, "
        f"{len(spent)} of {pressed} keys"
    )
    return f"key to painted, {name} ({pause * 1000:.0f} ms a key)", value, budget


def evaluation(ws: Workspace) -> list[Row]:
    """The query set through both sides; the first time encodes its queries."""
    comparer = Comparer(ws)
    for name in ("base", SECOND):
        comparer.side(name).rank("warm up")
    comparer.judged_queries(), comparer.titles()

    def run() -> None:
        found = evaluate_query_set(comparer, "base", SECOND, split="all")
        assert len(found.rows) > 100

    cold, warm = timed(run), [timed(run) for _ in range(5)]
    return [
        ("evaluation, 120 queries, queries encoded too", f"{cold:.2f} s", ""),
        ("evaluation, 120 queries, vectors warm", spread(warm, "s"), "1.5 s"),
    ]


class Terminal:
    """A process on a 120 x 40 pseudo-terminal, fed with keys, its output thrown away."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        environment.pop("NO_COLOR", None)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            arguments, stdin=slave, stdout=slave, stderr=slave, env=environment,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._seen = b""

    def rest(self, seconds: float) -> None:
        """Read and drop output for a while."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    self._seen = (self._seen + os.read(self.master, 65536))[-65536:]
                except OSError:
                    return

    def wait_for(self, text: str, timeout: float = 60) -> float:
        """Seconds from the start until `text` was on its way to the terminal."""
        while text.encode() not in self._seen:
            if time.monotonic() - self.started > timeout:
                raise TimeoutError(f"no {text!r} after {timeout} s")
            self.rest(0.005)
        return time.monotonic() - self.started

    def type(self, text: str, pause: float) -> None:
        for character in text:
            os.write(self.master, character.encode())
            self.rest(pause)

    def finish(self, timeout: float = 20) -> None:
        until = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < until:
            self.rest(0.05)
        self.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


def command(arguments: Sequence[str]) -> None:
    subprocess.run(
        [sys.executable, "-m", "workbench", *arguments], check=True, stdout=subprocess.DEVNULL
    )


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def spread(values: Sequence[float], unit: str) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"median {middle:.2f} {unit} ({low:.2f} to {high:.2f}, n {len(values)})"


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    main()
