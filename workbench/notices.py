"""Which notices are up, so that one makes way for the next of its kind."""

from __future__ import annotations

from textual.app import App
from textual.notifications import Notification, Notify


class Notices:
    """The notices of an app; of each kind the newest alone is shown."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._up: dict[str, Notification] = {}

    def show(self, kind: str, notification: Notification) -> None:
        """Show `notification` in the place of the one of that `kind`."""
        self._up = {name: each for name, each in self._up.items() if not each.has_expired}
        if older := self._up.pop(kind, None):
            # Textual shows nothing that has expired, and leaves an empty frame where it stood.
            older.timeout = 0
            frames = self._app.screen.query("ToastHolder")
            for frame in frames.filter(f"#--textual-toast-{older.identity}"):
                frame.remove()
        self._up[kind] = notification
        self._app.post_message(Notify(notification))
