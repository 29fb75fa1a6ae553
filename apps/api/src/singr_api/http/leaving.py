"""Tells answers that go on that the process is asked to stop: the server waits for them before it closes anything."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

_ENDS: Final = (signal.SIGTERM, signal.SIGINT)
_asked: list[int] = []


def leaving() -> bool:
    """Whether a signal has asked this process to stop."""
    return bool(_asked)


@contextlib.contextmanager
def heard_leaving() -> Iterator[None]:
    """Notice signals that end this process, and pass them on to whoever took them before."""
    _asked.clear()
    before: dict[signal.Signals, Any] = {}

    def notice(number: int, frame: FrameType | None) -> None:
        _asked.append(number)
        passed_on = before[signal.Signals(number)]
        if callable(passed_on):
            passed_on(number, frame)

    try:
        for number in _ENDS:
            before[number] = signal.getsignal(number)
            if callable(before[number]):
                signal.signal(number, notice)
    except ValueError:  # not the main thread: nobody sends it signals
        before.clear()
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is notice:
                signal.signal(number, handler)
