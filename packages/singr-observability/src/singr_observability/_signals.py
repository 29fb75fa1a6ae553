"""Signals beside SIGTERM and SIGINT, the same for every process of ours."""

import asyncio
import contextlib
import signal
from collections.abc import Callable

from singr_observability.logs._logging import get_logger

HANGS_UP = "SIGHUP: stopping, as on SIGTERM (settings are read at the start alone)"
MEANS_NOTHING = "{} means nothing here: going on"
USER_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)

_log = get_logger("signals")


def watch_signals(stop: Callable[[], object]) -> None:
    """Within the main thread's event loop: SIGHUP stops, SIGUSR1 and SIGUSR2 change nothing, and each is told.

    A process that was started to outlive its terminal (nohup) goes on ignoring SIGHUP.

    Args:
        stop: what SIGTERM does.
    """

    def hang_up() -> None:
        _log.info(HANGS_UP)
        stop()

    loop = asyncio.get_running_loop()
    with contextlib.suppress(ValueError, RuntimeError):  # in a thread: the main one looks after them
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, hang_up)
        for number in USER_SIGNALS:
            loop.add_signal_handler(number, _log.info, MEANS_NOTHING, number.name)
