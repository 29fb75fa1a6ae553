"""Reads process ids from standard input; when it closes, ends each with its whole session.

The kernel tells direct children that their parent died, on Linux; not their children, and not on other systems.
"""

import contextlib
import os
import signal
import sys
import time

_GRACE_SECONDS = 6.0


def main() -> None:
    """Wait for the end of standard input, then SIGTERM, then SIGKILL."""
    sessions = [int(line) for line in sys.stdin]
    for session in sessions:
        _signal(session, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while sessions and time.monotonic() < deadline:
        sessions = [session for session in sessions if _signal(session, 0)]
        time.sleep(0.05)
    for session in sessions:
        _signal(session, signal.SIGKILL)


def _signal(session: int, signum: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(session, signum)
        return True
    return False


if __name__ == "__main__":
    main()
