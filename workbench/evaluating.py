"""What evaluations of the query set have found, and the screen that waits for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from workbench import messages
from workbench.messages import EvaluationKey

if TYPE_CHECKING:
    from workbench.screens.holes import HolesScreen
    from workbench.screens.present import PresentScreen
    from workbench.screens.queries import QueriesScreen


class Evaluations:
    """Keeps results by what they hold for, and hands them to the screen that shows them.

    Args:
        screen: the Queries or Present screen if it is open, else None.
        key: what an evaluation would be of now.
        holes: the Holes screen if it is open; the Queries screen under it waits.
    """

    def __init__(
        self,
        screen: Callable[[], QueriesScreen | PresentScreen | None],
        key: Callable[[], EvaluationKey],
        holes: Callable[[], HolesScreen | None],
    ) -> None:
        self._screen = screen
        self._key = key
        self._holes = holes
        self.results: dict[EvaluationKey, Mapping[str, Any]] = {}

    def progressed(self, message: messages.EvaluationProgress) -> None:
        if screen := self._screen():
            screen.show_progress(message)

    def ended(self, message: messages.Evaluated) -> None:
        if message.trouble is None:
            self.results[message.key] = message.result
        if screen := self._screen():
            screen.show_evaluated(message)

    def summarised(self, message: messages.Summarised) -> None:
        if screen := self._screen():
            screen.show_summary(message)

    def forget(self) -> None:
        """What they rest on has changed: the next look asks again."""
        self.results.clear()

    def renew(self, *, anyway: bool = False) -> None:
        """Evaluate again on the open screen where other sides answer now, or `anyway`."""
        if holes := self._holes():
            holes.follow(self._key(), anyway=anyway)
            return
        screen = self._screen()
        if screen is not None and (anyway or screen.key != self._key()):
            screen.evaluate()
