"""Socket paths that fit: the address of a Unix socket holds 107 bytes on Linux, 103 on macOS."""

import hashlib
import os
import re
import sys
from pathlib import Path

from singr_dev.embedded._privileges import private_directory

LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103
_PLAIN = re.compile(r"[A-Za-z0-9._/ -]+")
_LONGEST_NAME = len("/postgres/.s.PGSQL.5432")


def socket_directory(state: Path) -> Path:
    """Where the sockets of the servers of `state` lie: in it, or in a short directory elsewhere when that does not fit.

    The answer is the same for every process that asks, so that a second one finds the first one's servers.
    """
    inside = state / "run"
    # a comma separates hosts in a connection string, so only plain paths go into one
    if len(os.fsencode(inside)) + _LONGEST_NAME <= LONGEST_SOCKET_PATH and _PLAIN.fullmatch(str(inside)):
        return inside
    name = hashlib.sha256(os.fsencode(state)).hexdigest()[:12]
    # not the temporary directory of this process, which may differ from the next one's
    base = Path("/tmp")  # noqa: S108 — the directory in it is ours alone, and checked to be
    return base / f"singr-{os.geteuid()}-{name}"


def prepare(directory: Path) -> None:
    """Make the directory; root's may be entered by others, since PostgreSQL's socket in it belongs to another user."""
    private_directory(directory, mode=0o711 if os.geteuid() == 0 else 0o700)
