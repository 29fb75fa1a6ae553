"""Sweeps up after a bench, also one that was killed: `python -m bench.broom FOLDER`, with the bench at its input's end.

The kernel ends what a bench started when it ends; databases are files, which nobody would remove.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from singr_dev.embedded import EmbeddedServers

_PATIENCE_SECONDS = 30.0


@contextlib.contextmanager
def sweeping(folder: Path) -> Iterator[None]:
    """Remove the folder when the block has ended, or this process has in whatever way."""
    shutil.rmtree(folder, ignore_errors=True)
    broom = subprocess.Popen(
        [sys.executable, "-m", "bench.broom", str(folder)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the bench
    )
    try:
        yield
    finally:
        broom.communicate()


def main(folder: Path) -> None:
    """Wait for the bench to end and its servers to be gone, then remove their files."""
    sys.stdin.read()
    servers = EmbeddedServers(folder)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (servers.postgres.pid() or servers.valkey.pid()) and time.monotonic() < deadline:
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
