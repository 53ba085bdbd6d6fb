"""The one family of errors that a person is meant to read."""

from __future__ import annotations


class RankbenchError(Exception):
    """Something a person can mend.

    Attributes:
        what: one line saying what happened.
        todo: one line saying what to do next; may be empty.
        exit_code: the command line's exit status for it.
    """

    exit_code = 1

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo


class UsageError(RankbenchError):
    """A wrong option or an argument that does not parse."""

    exit_code = 2
