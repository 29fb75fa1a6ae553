"""`python -m singr_dev.embedded hold|watch DIRECTORY`: processes that outlive nobody.

`hold` runs the servers of a directory on request, for as long as its standard input stays open: a test run that is
killed closes it. `watch` stops servers left behind on systems where the kernel cannot do that.
"""

import argparse
import contextlib
import os
import select
import shutil
import signal
import sys
from pathlib import Path

from singr_dev.embedded import EmbeddedError, EmbeddedServers

WANTED = "wanted.fifo"
FAILED = "failed.txt"


def _wait_for_end() -> None:
    while os.read(0, 4096):
        pass


def _watch(directory: Path) -> None:
    _wait_for_end()
    EmbeddedServers(directory).ensure().stop()  # taking over stops what was left, orderly


def _hold(directory: Path) -> None:
    """Start nothing until somebody writes to the fifo; stop and remove all when standard input closes."""
    fifo = os.open(directory / WANTED, os.O_RDWR)  # for writing too, so that it never reads as closed
    servers = EmbeddedServers(directory, durable=False, postgres_options={"max_connections": "300"})
    try:
        ready, _, _ = select.select([0, fifo], [], [])
        if 0 not in ready:
            try:
                servers.ensure()
            except EmbeddedError as error:
                (directory / FAILED).write_text(str(error))
            _wait_for_end()
    finally:
        servers.stop()
        shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m singr_dev.embedded", description=__doc__)
    parser.add_argument("mode", choices=("hold", "watch"))
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        (_hold if arguments.mode == "hold" else _watch)(arguments.directory)


if __name__ == "__main__":
    main()
