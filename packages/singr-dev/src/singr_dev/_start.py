"""Where `singr-dev` begins: what happens before anything is loaded, and after all is done, ends in a line as well."""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TextIO

_INTERRUPTED = 128 + signal.SIGINT
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(arguments: Sequence[str] | None = None) -> None:
    """Load the command line and run it; exits."""
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()  # closed before we began: None
    signal.signal(signal.SIGINT, _interrupted)  # loading takes a second; `up` takes its signals over once it has begun
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # by default they end it; `up` tells of them
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # the Makefile holds it back until now
    code = 1
    try:
        from singr_config.pipes import reader_may_go  # noqa: PLC0415 - see above
        from singr_dev._cli import main as run  # noqa: PLC0415 - see above

        code = reader_may_go(run)(arguments)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        advice = ": free some space and start again" if error.errno in _FULL else ""
        with contextlib.suppress(OSError):
            sys.stderr.write(f"singr-dev: {error.strerror or error}{where}{advice}\n")
    _let_go(code)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - for as long as we run


def _interrupted(_signum: int, _frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, b"\nsingr-dev: interrupted\n")
    os._exit(_INTERRUPTED)


def _let_go(code: int) -> None:
    """Exit, even when what was written has nowhere to go: a full disk, a terminal that is gone."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1 if stream is sys.stdout else 2)
    sys.exit(code)
