"""Train: the basket of real verdicts, jobs started, cancelled and taken up again, the new side."""

from __future__ import annotations

import threading
from typing import Any

from looking import answered, lines, page, until
from said import give, product
from shelved import shelve
from stand_in import StandIn, Status

from engine import supervise
from engine.index.build import build_index
from engine.jobs import train as jobs_train
from engine.records import Verdict
from engine.workspace import Workspace, open_workspace
from workbench.app import RankbenchApp
from workbench.messages import JobView
from workbench.screens.train import TrainScreen
from workbench.training import SOURCES, Choice, Trainer


async def opened(app: RankbenchApp, pilot: Any) -> TrainScreen:
    await pilot.press("f5")
    screen = app.screen
    assert isinstance(screen, TrainScreen)
    await until(lambda: screen.basket is not None, seconds=60)
    await pilot.pause()
    return screen


async def test_the_basket_shows_each_verdict_with_its_example(make_app, flagged) -> None:
    app = make_app(root=flagged)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot)
        groups = {group.query: group for group in screen.basket.groups}
        assert set(groups) == {"red sneaker", "nice umbrella"}
        text = page(app)
        assert "red sneaker" in text and "I! blue men sneaker classic" in text
        assert "negative in" in text and "positive in" in text
        assert f"{screen.basket.pairs} pairs" in lines(app)[1]
        assert "replay rows" in lines(app)[1] and "<p> flags" in lines(app)[0]
        await pilot.press("end", "up")
        assert "against" in lines(app)[4] or "left out" in lines(app)[4]


async def test_what_is_chosen_is_whole_in_80_columns(make_app, flagged) -> None:
    app = make_app(root=flagged)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        for source in SOURCES:
            for recipe in screen.recipes[source]:
                for held_out in (False, True):
                    screen.choice = Choice(recipe, source, include_test=held_out)
                    screen.renew()
                    await pilot.pause()
                    wanted = "opvn" if source != "judgments" else "opn"
                    keys = [f"<{key}>" for key in wanted if key != "n" or not held_out]
                    assert all(key in lines(app)[0] for key in keys), lines(app)[0]
                    assert "…" not in lines(app)[0]


async def test_space_takes_a_verdict_out_and_puts_it_back(make_app, flagged) -> None:
    app = make_app(root=flagged)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot)
        place = next(
            n for n, (_, row) in enumerate(screen.rows.lines) if row and row.becomes == "negative"
        )
        await pilot.press(*["down"] * place)
        before = screen.basket.pairs
        await pilot.press("space")
        assert "[ ]" in page(app)
        await until(lambda: screen.basket.pairs < before)
        await until(lambda: "left out: deselected" in page(app))
        assert screen.rows.cursor == place
        await pilot.press("space")
        await until(lambda: screen.basket.pairs == before and "[ ]" not in page(app))
        await pilot.press("home", "space")
        assert page(app).count("[ ]") == len(screen.rows.under_cursor())


async def test_a_run_starts_with_what_was_chosen(make_app, flagged, begun) -> None:
    app = make_app(root=flagged)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("down", "space", "n", *"mine-7", "enter", "v", "o")
        (pair,) = screen.choice.deselected
        await until(lambda: screen.basket is not None and "rows of judgments" in page(app))
        await pilot.press("t")
        await until(lambda: "Job 0001 has started" in page(app))
        (params,) = begun
        assert params["recipe"] == "flags" and params["source"] == "both"
        assert params["name"] == "mine-7" and params["include_test"] is True
        assert params["deselected"] == [list(pair)]
        assert not app.trainer.starting


async def test_a_second_t_starts_nothing_while_one_is_starting_even_on_a_new_screen(
    make_app, flagged, begun, monkeypatch
) -> None:
    hold = threading.Event()
    check = jobs_train.check
    monkeypatch.setattr(jobs_train, "check", lambda *asked: (hold.wait(20), check(*asked))[1])
    app = make_app(root=flagged)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        first = await opened(app, pilot)
        await pilot.press("t", "f5")
        assert await opened(app, pilot) is not first
        await pilot.press("t")
        hold.set()
        await until(lambda: "Job 0001 has started" in page(app))
        await pilot.pause(0.3)
        assert len(begun) == 1
        await pilot.press("t")
        await until(lambda: len(begun) == 2)


async def test_a_name_that_cannot_be_is_told(make_app, flagged, begun) -> None:
    app = make_app(root=flagged)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("n", *"bm25", "enter")
        await until(lambda: screen.basket is not None)
        await pilot.press("t")
        await until(lambda: "'bm25' cannot be an encoder's name." in page(app))
        assert begun == [] and not app.trainer.starting


async def test_without_verdicts_nothing_starts_and_the_way_is_told(
    make_app, tiny_workspace, begun
) -> None:
    app = make_app(root=tiny_workspace)
    async with app.run_test(size=(100, 24), notifications=True) as pilot:
        await opened(app, pilot)
        assert "No verdicts yet." in page(app) and "x marks a bad result" in page(app)
        await pilot.press("t")
        await until(lambda: "There are no verdicts to train on." in " ".join(page(app).split()))
        assert begun == []


async def test_verdicts_given_meanwhile_come_into_the_basket(make_app, flagged, tiny_texts) -> None:
    app = make_app(root=flagged)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(app, pilot)
        give(flagged, Verdict("blue tent", product(tiny_texts, "blue tent peg"), "I", bad=True))
        app.judging.recorder.look()
        await until(lambda: "blue tent" in page(app))
        assert screen.basket.groups[0].query == "blue tent"


async def test_an_unreadable_workspace_is_told(make_app, ws) -> None:
    app = make_app()
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("f5")
        await until(lambda: app.screen.trouble is not None, seconds=30)
        await pilot.pause()
        assert app.screen.trouble.what[:30] in page(app)
        await pilot.press("escape")
        assert app.screen is app.compare


async def test_jobs_are_shown_cancelled_and_taken_up_again(make_app, ws, monkeypatch) -> None:
    jobs = [
        JobView("0001", "train", "done", "a-1"),
        JobView("0002", "train", "died", "b-1", error="The process ended without a word."),
        JobView("0003", "train", "running", "c-1", 30, 120, 0.83, 100.0, "training", score=0.412),
        JobView("0004", "train", "queued", "d-1"),
    ]
    cancelled: list[str] = []
    resumed: list[str] = []

    def resume(workspace: Workspace, job_id: str) -> JobView:
        resumed.append(job_id)
        return jobs[1]

    monkeypatch.setattr(supervise, "resume", resume, raising=False)
    app = make_app(find_jobs=lambda: list(jobs), cancel_job=cancelled.append)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await until(lambda: app.jobs != ())
        await pilot.press("f5")
        await until(lambda: "d-1: waiting" in page(app))
        expected = "training c-1: step 30/120 · loss .83 · 2 min left · dev NDCG@10 .412"
        assert expected in page(app)
        assert "training b-1: died  r takes it up again" in page(app)
        await pilot.press("tab", "down", "c")
        await until(lambda: cancelled == ["0003"])
        await pilot.press("tab", "r")
        await until(lambda: resumed == ["0002"])
        told = "Job 0002 waits behind job 0003: it goes on when that ends."
        await until(lambda: told in [note.message for note in app._notifications])
        jobs[2] = JobView("0003", "train", "done", "c-1")
        await until(lambda: not any(job.state == "running" for job in app.jobs))
        await pilot.press("r")
        await until(lambda: "Job 0002 goes on from where it was" in page(app))
        await pilot.press("c")
        await until(lambda: "Training d-1 leaves the queue." in page(app))


async def test_c_cancels_what_runs_and_the_cursor_stays_on_its_job(make_app) -> None:
    jobs = [JobView("0001", "train", "running", "a-1"), JobView("0002", "train", "queued", "b-1")]
    cancelled: list[str] = []
    app = make_app(find_jobs=lambda: list(jobs), cancel_job=cancelled.append)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(lambda: app.jobs != ())
        await pilot.press("f5")
        await until(lambda: "b-1: waiting" in page(app))
        await pilot.press("c")
        await until(lambda: cancelled == ["0001"])
        await pilot.press("tab")
        assert app.screen.jobs.cursor == 0
        jobs.append(JobView("0003", "train", "queued", "c-1"))
        await until(lambda: "c-1: waiting" in page(app))
        await pilot.press("c")
        await until(lambda: len(cancelled) == 2)
        assert cancelled == ["0001", "0002"]


async def test_a_run_on_judgments_says_what_it_holds(make_app, flagged) -> None:
    app = make_app(root=flagged)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("v", "o", "o")
        await until(lambda: screen.basket is not None and screen.basket.source == "judgments")
        await until(lambda: f"{screen.basket.judged:,} rows of judgments" in lines(app)[1])
        assert f"{screen.basket.replay:,} replay rows" in lines(app)[1]
        assert "dev and test" not in lines(app)[0] and "pair" not in lines(app)[1]
        await pilot.press("v")
        await until(lambda: "the train split alone" in " ".join(page(app).split()))
        assert screen.choice.include_test is True  # as it was chosen for verdicts


async def test_f8_puts_the_new_encoder_on_the_right_and_keeps_it(make_app, ws) -> None:
    jobs = [JobView("0001", "train", "running", "fresh-02", 10, 40)]
    stand_in = StandIn()
    shelve(ws, "fresh-02")
    app = make_app(stand_in, root=ws, find_jobs=lambda: list(jobs))
    async with app.run_test(size=(100, 24), notifications=True) as pilot:
        await pilot.press(*"lamp")
        await until(answered(app, "lamp"))
        app.choose_side("candidate", "bm25")
        await until(lambda: app.jobs != ())
        stand_in.statuses[-1] = Status("fresh-02", "encoder", False, "loading")
        jobs[0] = JobView("0001", "train", "done", "fresh-02")
        await until(lambda: "fresh-02 is ready. F8 puts it on the right." in page(app))
        assert app.compare.comparison.candidate.encoder == "bm25"
        await pilot.press("f8")
        await until(lambda: app.compare.comparison.candidate.encoder == "fresh-02")
        await until(lambda: open_workspace(ws.root).settings.candidate == "fresh-02")


async def test_the_event_loop_goes_on_while_the_basket_is_made(
    make_app, flagged, monkeypatch
) -> None:
    hold = threading.Event()
    made = Trainer._basket
    monkeypatch.setattr(
        Trainer, "_basket", lambda self, choice: (hold.wait(20), made(self, choice))[1]
    )
    app = make_app(root=flagged)
    async with app.run_test(size=(100, 24)) as pilot:
        await pilot.press("f5")
        screen = app.screen
        await pilot.pause(0.1)
        assert "Looking into the basket." in page(app)
        await pilot.press("v", "v", "f5", *"lamp")
        await until(answered(app, "lamp"))
        hold.set()
        await pilot.press("f5")
        await until(lambda: app.screen.basket is not None, seconds=30)
        assert app.screen is not screen and app.screen.choice == Choice()


async def test_a_verdict_becomes_an_encoder_on_the_right(flagged) -> None:
    """The whole walk, on the engine itself, by keys."""
    build_index(flagged, "base")
    app = RankbenchApp(flagged)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press(*"green lamp")
        await until(lambda: answered(app, "green lamp")(), seconds=60)
        await until(lambda: app.compare.comparison.baseline.encoder == "base", seconds=60)
        await pilot.press("down", "x")
        await until(lambda: app.judging.standing == 5)
        await opened(app, pilot)
        await until(lambda: "green lamp" in page(app), seconds=30)
        await pilot.press("t")
        await until(lambda: any(job.state == "done" for job in app.jobs), seconds=200)
        await pilot.press("f8", "f5")
        await until(
            lambda: app.compare.comparison.candidate.encoder.startswith("flags-"), seconds=60
        )
