"""Command lines end quietly where whoever reads them has gone, as in `singr-config check | head -5`."""

import os
import select
import sys
from collections.abc import Callable
from functools import wraps
from typing import IO, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def reader_may_go(main: Callable[P, R]) -> Callable[P, R | int]:
    """Let a command line end as other programs do once nobody reads it any more: with no word of that.

    What it has done by then is done, and its exit code stays what it is; it is 0 where it was still writing.
    """

    @wraps(main)
    def run(*given: P.args, **named: P.kwargs) -> R | int:
        code: R | int = 0
        try:
            try:
                code = main(*given, **named)
            except SystemExit as end:  # `--help`, and what argparse refuses
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
                _flush()
                raise
            _flush()
        except BrokenPipeError:
            if not _let_go():  # a pipe or connection of the program's own
                raise
        return code

    return run


def _streams() -> list[IO[str]]:
    return [stream for stream in (sys.stdout, sys.stderr) if stream is not None]


def _flush() -> None:
    for stream in _streams():
        stream.flush()


def _let_go() -> bool:
    """Lead what nobody reads to nowhere, so that the interpreter does not stumble over it; False where all are read."""
    gone = [stream for stream in _streams() if _is_gone(stream)]
    for stream in gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return bool(gone)


def _is_gone(stream: IO[str]) -> bool:
    try:
        poll = select.poll()
        poll.register(stream, select.POLLOUT)
    except (OSError, ValueError):  # no file, as in tests
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
