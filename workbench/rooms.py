"""The screens, how one goes between them, and which of them are open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from textual.app import App
from textual.screen import Screen

from engine.ranking.comparison import Comparison
from engine.workspace import Settings

if TYPE_CHECKING:
    from workbench.screens.compare import CompareScreen
    from workbench.screens.encoders import EncodersScreen
    from workbench.screens.holes import HolesScreen
    from workbench.screens.present import PresentScreen
    from workbench.screens.product import ProductScreen
    from workbench.screens.queries import QueriesScreen
    from workbench.screens.run import RunScreen
    from workbench.screens.train import TrainScreen
    from workbench.searching import SearchThread, SideLike

ScreenT = TypeVar("ScreenT")


class Rooms(App[None]):
    """An app whose home is Compare; every other screen lies over it, and is imported when opened.

    Help or the palette may lie over a screen that counts as open.
    """

    compare: CompareScreen
    searcher: SearchThread
    settings: Settings

    @property
    def sides(self) -> Sequence[SideLike]:
        """Every side that can be chosen."""
        raise NotImplementedError

    def choose_side(self, place: str, name: str) -> None:
        raise NotImplementedError

    def queries_screen(self) -> QueriesScreen | None:
        from workbench.screens.queries import QueriesScreen

        return self._open_screen(QueriesScreen)

    def holes_screen(self) -> HolesScreen | None:
        from workbench.screens.holes import HolesScreen

        return self._open_screen(HolesScreen)

    def train_screen(self) -> TrainScreen | None:
        from workbench.screens.train import TrainScreen

        return self._open_screen(TrainScreen)

    def encoders_screen(self) -> EncodersScreen | None:
        from workbench.screens.encoders import EncodersScreen

        return self._open_screen(EncodersScreen)

    def run_screen(self) -> RunScreen | None:
        from workbench.screens.run import RunScreen

        return self._open_screen(RunScreen)

    def product_screen(self) -> ProductScreen | None:
        from workbench.screens.product import ProductScreen

        return self._open_screen(ProductScreen)

    def present_screen(self) -> PresentScreen | None:
        from workbench.screens.present import PresentScreen

        return self._open_screen(PresentScreen)

    def evaluated_screen(self) -> QueriesScreen | PresentScreen | None:
        """The screen that shows an evaluation, if one is open: never two of them."""
        return self.queries_screen() or self.present_screen()

    def _open_screen(self, kind: type[ScreenT]) -> ScreenT | None:
        return next((s for s in self.screen_stack if isinstance(s, kind)), None)

    def action_help(self) -> None:
        from workbench.screens.help import HelpScreen

        self.push_screen(HelpScreen(getattr(self.screen, "HELP", "")))

    def action_queries(self) -> None:
        from workbench.screens.queries import QueriesScreen

        self._go_to(QueriesScreen)

    def action_holes(self) -> None:
        """Open the holes of the queries that the Queries screen shows, over it; else of unseen."""
        from workbench.screens.holes import HolesScreen
        from workbench.screens.queries import QueriesScreen

        if self.screen.is_modal or isinstance(self.screen, HolesScreen):
            return
        below = self.screen
        if isinstance(below, QueriesScreen):
            self.push_screen(HolesScreen(below.followed()))
        else:
            self._go_to(HolesScreen)

    def action_train(self) -> None:
        from workbench.screens.train import TrainScreen

        self._go_to(TrainScreen)

    def action_encoders(self) -> None:
        from workbench.screens.encoders import EncodersScreen

        self._go_to(EncodersScreen)

    def action_present(self) -> None:
        from workbench.screens.present import PresentScreen

        self._go_to(PresentScreen)

    def show_run(self, name: str, verdict: Mapping[str, Any]) -> None:
        """Open the page of a run over what is open."""
        from workbench.screens.run import RunScreen

        if self.screen.is_modal:
            return
        if isinstance(self.screen, RunScreen):
            self.pop_screen()
        self.push_screen(RunScreen(name, verdict))

    def _go_to(self, kind: type[Screen[None]]) -> None:
        """Open a screen over Compare; on it, go back."""
        if self.screen.is_modal:
            return
        back = isinstance(self.screen, kind)
        while self.screen is not self.compare:
            self.pop_screen()
        if not back:
            self.push_screen(kind())

    def action_pick(self, place: str) -> None:
        from workbench.screens.sides import SidesScreen

        if self.screen.is_modal:
            return
        current = self.settings.baseline if place == "baseline" else self.settings.candidate

        def picked(name: str | None) -> None:
            if name is not None:
                self.choose_side(place, name)

        # Another process may have indexed one meanwhile.
        self.searcher.refresh_sides()
        self.push_screen(SidesScreen(place, self.sides, current), picked)

    def show_product(self, comparison: Comparison, product_id: str) -> None:
        from workbench.screens.product import ProductScreen

        self.push_screen(ProductScreen(comparison, product_id))

    def open_query(self, query: str | None, *, selected: bool = False) -> None:
        """Go to Compare, with `query` in its line unless it is None; `selected` as `put_query`."""
        while self.screen is not self.compare:
            self.pop_screen()
        if query is not None:
            self.compare.put_query(query, selected=selected)
