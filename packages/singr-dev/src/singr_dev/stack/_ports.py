"""Ports: the usual ones, or the next that is free."""

import fcntl
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from singr_dev._errors import DevError
from singr_dev._serving import listen

_TRIES = 50
_HIGHEST = 65_535


@dataclass(frozen=True)
class Port:
    """A port to serve on, and the one that was taken in its stead, if any."""

    number: int
    instead_of: int | None = None


class Claims:
    """The ports of one run, from their choice to its end: seconds lie between looking at a port and serving on it.

    Each is claimed by a lock on a file that all runs of one user share, so that two that start at the same moment take
    different ones. The locks are gone with the process, however it ends.
    """

    def __init__(self) -> None:
        self._held: dict[int, int | None] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._held

    def take(self, number: int) -> bool:
        """Claim a port; False where another run has it."""
        file: int | None = None
        try:
            folder = Path(tempfile.gettempdir()) / f"singr-dev-ports-{os.getuid()}"
            folder.mkdir(mode=0o700, exist_ok=True)
            file = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if file is not None:
                os.close(file)
            return False
        except OSError:
            pass  # no place for locks: then two runs may meet, and the one that comes second says so
        self._held[number] = file
        return True

    def give_back(self, number: int) -> None:
        """Let another run have it."""
        file = self._held.pop(number)
        if file is not None:
            os.close(file)

    def close(self) -> None:
        """Give all back."""
        for number in tuple(self._held):
            self.give_back(number)


def choose(name: str, usual: int, environ: Mapping[str, str], *, taken: Claims) -> Port:
    """The port that `environ` names in variable `name`, else the usual one, else the next free one.

    Raises:
        DevError: the named port is not free: a port chosen by hand is not changed silently.
    """
    if named := environ.get(name, ""):
        number = int(named) if re.fullmatch(r"[0-9]{1,5}", named) else 0
        if not 1 <= number <= _HIGHEST:
            raise DevError(f"{name} must be a port from 1 to {_HIGHEST}, not {named[:20]!r}")
        if number in taken:
            raise DevError(f"port {number} ({name}) was given to another variable too: each needs one of its own")
        if not (taken.take(number) and _is_free(number)):
            raise DevError(
                f"port {number} ({name}) is taken by another program: stop that, or set {name} to another port"
            )
        return Port(number)
    for number in range(usual, usual + _TRIES):
        if number in taken or not taken.take(number):
            continue
        if _is_free(number):
            return Port(number, None if number == usual else usual)
        taken.give_back(number)
    raise DevError(f"ports {usual} to {usual + _TRIES - 1} are all taken: set {name} to a free one")


def _is_free(number: int) -> bool:
    try:
        listen(port=number).close()
    except DevError:
        return False
    return True
