"""An input whose editing keys take effect in the order they were pressed."""

from __future__ import annotations

from textual import events
from textual.widgets import Input


class EditedLine(Input):
    """Input lets an editing key bubble up to the app before it acts, while letters act at once.

    Of Ctrl+U and a letter in the same read the letter would come first and be deleted with the
    rest. Here an editing key acts when it comes.
    """

    async def _on_key(self, event: events.Key) -> None:
        bound = self._bindings.key_to_bindings.get(event.key)
        if bound and not event.is_printable:
            event.stop()
            event.prevent_default()
            await self.run_action(bound[0].action)
        else:
            await super()._on_key(event)
