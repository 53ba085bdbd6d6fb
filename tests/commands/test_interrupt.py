"""Ctrl-C on long foreground work, also where Python would lose it."""

from __future__ import annotations

import os
import signal

import pytest

from engine.training.outcome import Cancelled, check_stop
from workbench.commands.interrupt import interruptible


class Interrupted:
    """Something whose destructor a Ctrl-C meets."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # where Python looks for signals
            pass


def test_ctrl_c_ends_the_work_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible("All is kept."):
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("went on")
    assert "All is kept." in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_a_destructor_swallows_ends_it_where_it_next_asks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible("All is kept.") as should_stop:
        Interrupted()
        check_stop(should_stop)
        pytest.fail("went on")
    assert "All is kept." in capsys.readouterr().err


def test_what_was_not_pressed_is_not_told() -> None:
    with pytest.raises(Cancelled), interruptible("All is kept."):
        raise Cancelled
