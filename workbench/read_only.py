"""What writes in a workspace, and how a read-only session refuses it.

`Workspace.read_only` is the one property; `writes` marks every method that it stops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from textual.message import Message

from engine.workspace import Workspace

Self = TypeVar("Self")
P = ParamSpec("P")


class Refused(Message):
    """Something that writes was asked for in a read-only session."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Refused)


def writes(method: Callable[Concatenate[Self, P], None]) -> Callable[Concatenate[Self, P], None]:
    """Mark a method that writes: in a read-only session it does nothing and posts `Refused`.

    Its object is a screen or the app, or holds `_workspace` and `_post` as its own.
    """

    @wraps(method)
    def guarded(self: Self, *args: P.args, **kwargs: P.kwargs) -> None:
        workspace, post = _at_hand(self)
        if workspace.read_only:
            post(Refused())
        else:
            method(self, *args, **kwargs)

    return guarded


def check_current(workspace: Workspace) -> None:
    """See that a read-only session has nothing to upgrade first.

    Raises:
        RankbenchError: a database of the workspace is from another version, or cannot be used.
    """
    from engine.records import Verdicts
    from engine.state import State

    guarded = replace(workspace, read_only=True)
    Verdicts(guarded.records_path, read_only=True).close()
    State(guarded.state_path, read_only=True).close()


def _at_hand(holder: Any) -> tuple[Any, Callable[[Message], object]]:
    if hasattr(holder, "_workspace"):
        return holder._workspace, holder._post
    return holder.app.workspace, holder.app.post_message
