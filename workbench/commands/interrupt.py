"""Ctrl-C on long work in the foreground, which no library on the way can lose."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from engine.training.outcome import Cancelled
from workbench.commands.output import say


@contextmanager
def interruptible(told: str) -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C end the work inside, which is given what it asks whether to stop.

    SIGINT raises KeyboardInterrupt at once. Python only prints what a destructor raises, so one
    that arrives there is gone; the work then stops where it next asks.

    Args:
        told: what to say of what is kept.

    Raises:
        KeyboardInterrupt: it was pressed.
    """
    pressed = threading.Event()

    def press(number: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    except (KeyboardInterrupt, Cancelled) as error:
        if isinstance(error, Cancelled) and not pressed.is_set():
            raise
        say()
        say(told)
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)
