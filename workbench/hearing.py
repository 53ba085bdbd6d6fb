"""What the threads tell that goes straight to the screen that waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.workspace import READ_ONLY, Workspace
from workbench import messages, presenting
from workbench.concluding import Concluded
from workbench.explaining import Explained, NearbyKnown
from workbench.holes import HolesKnown, HolesProgress, ProductFound
from workbench.rooms import Rooms
from workbench.run_page import run_news
from workbench.sides import PLACES

if TYPE_CHECKING:
    from workbench.evaluating import Evaluations
    from workbench.presenting import Presenter
    from workbench.shelf import Shelf

_RUN_NEWS_S = 30.0


class Hearing(Rooms):
    """An app that hands such messages on; each finds its screen open, or has come too late."""

    evaluations: Evaluations
    presenter: Presenter
    shelf: Shelf
    workspace: Workspace

    @property
    def wanted(self) -> tuple[str, str]:
        """The sides the person chose, left and right."""
        raise NotImplementedError

    def ahead_of(self, job_id: str) -> str:
        """The job whose end the job waits for, "" where nothing keeps it."""
        raise NotImplementedError

    def say(self, text: str, severity: Any = "information", seconds: float | None = None) -> None:
        raise NotImplementedError

    def on_evaluation_progress(self, message: messages.EvaluationProgress) -> None:
        self.evaluations.progressed(message)

    def on_evaluated(self, message: messages.Evaluated) -> None:
        self.evaluations.ended(message)

    def on_holes_progress(self, message: HolesProgress) -> None:
        if holes := self.holes_screen():
            holes.show_progress(message)

    def on_holes_known(self, message: HolesKnown) -> None:
        if holes := self.holes_screen():
            holes.show_known(message)

    def on_product_found(self, message: ProductFound) -> None:
        if (holes := self.holes_screen()) and holes is self.screen:
            self.show_product(message.comparison, message.product_id)

    def on_summarised(self, message: messages.Summarised) -> None:
        self.evaluations.summarised(message)

    def on_list_read(self, message: presenting.ListRead) -> None:
        if text := self.presenter.take(message):
            self.say(text, "warning")
        if present := self.present_screen():
            present.show_list()

    def on_list_kept(self, message: presenting.ListKept) -> None:
        self.presenter.heard(message)
        if present := self.present_screen():
            present.show_list()

    def on_presented(self, message: presenting.Presented) -> None:
        self.presenter.answered(message)
        if present := self.present_screen():
            present.show()

    def on_concluded(self, message: Concluded) -> None:
        if present := self.present_screen():
            present.show_conclusion(message)

    def on_basket_known(self, message: messages.BasketKnown) -> None:
        if train := self.train_screen():
            train.show_basket(message)

    def on_job_begun(self, message: messages.JobBegun) -> None:
        if ahead := self.ahead_of(message.job_id):
            does = "goes on" if message.resumed else "starts"
            self.say(f"Job {message.job_id} waits behind job {ahead}: it {does} when that ends.")
        else:
            did = "goes on from where it was" if message.resumed else "has started"
            self.say(f"Job {message.job_id} {did}; it runs beside you, and on when you leave.")
        if message.notes:
            self.say(f"Other than then: {'; '.join(message.notes)}.")

    def on_refused(self) -> None:
        self.say(READ_ONLY, "warning")

    def on_task_failed(self, message: messages.TaskFailed) -> None:
        self.say(f"{message.trouble.what} {message.trouble.todo}", "warning")

    def on_product_known(self, message: messages.ProductKnown) -> None:
        if product := self.product_screen():
            product.show(message)

    def on_explained(self, message: Explained) -> None:
        if product := self.product_screen():
            product.show_why(message)

    def on_nearby_known(self, message: NearbyKnown) -> None:
        if product := self.product_screen():
            product.show_nearby(message)

    def on_titles_known(self, message: messages.TitlesKnown) -> None:
        if run := self.run_screen():
            run.show_titles(message)

    # Encoders

    def on_encoders_changed(self) -> None:
        self.searcher.refresh_sides()
        if self.encoders_screen():
            self.shelf.look()

    def on_encoders_known(self, message: messages.EncodersKnown) -> None:
        if message.trouble is None:
            self.shelf.rows, self.shelf.defaults = message.rows, message.defaults
        if encoders := self.encoders_screen():
            encoders.show_known(message)

    def on_lineage_known(self, message: messages.LineageKnown) -> None:
        if encoders := self.encoders_screen():
            encoders.show_lineage(message)

    def on_latency_known(self, message: messages.LatencyKnown) -> None:
        self.shelf.measured(message)
        if message.trouble is not None:
            self.say(f"{message.trouble.what} {message.trouble.todo}", "warning")
        if encoders := self.encoders_screen():
            encoders.renew()

    def on_encoder_removed(self, message: messages.EncoderRemoved) -> None:
        self.say(f"{message.name} and its index are removed.")
        # A side that it was on goes back to what it is without a choice.
        for place, side in zip(PLACES, self.wanted, strict=True):
            if side == message.name:
                self.choose_side(place, "base" if place == "baseline" else "")
        self.searcher.refresh_sides()
        self.shelf.look()

    def on_put_on(self, message: messages.PutOn) -> None:
        """An encoder that can answer goes on its side; of one that cannot, why is said."""
        done = f"{message.name} is on the {PLACES[message.place]}." if message.name else ""
        if message.name:
            self.choose_side(message.place, message.name)
        said = f"{message.words} {done or message.todo}".strip()
        self.say(said, "warning" if message.words else "information")

    def on_run_known(self, message: messages.RunKnown) -> None:
        if message.ended:
            # After minutes of waiting the person may look elsewhere for some seconds.
            self.say(*run_news(message.name, message.verdict), seconds=_RUN_NEWS_S)
        elif message.verdict:
            self.show_run(message.name, message.verdict)
        else:
            from workbench.screens.encoders import NO_RUN

            self.say(NO_RUN.format(message.name))

    def on_done(self, message: messages.Done) -> None:
        self.say(message.text)
