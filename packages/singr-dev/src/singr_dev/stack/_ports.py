"""Ports: the usual ones, or the next that is free."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from singr_dev._errors import DevError
from singr_dev._serving import listen

_TRIES = 50
_HIGHEST = 65_535


@dataclass(frozen=True)
class Port:
    """A port to serve on, and the one that was taken in its stead, if any."""

    number: int
    instead_of: int | None = None


def choose(name: str, usual: int, environ: Mapping[str, str], *, taken: set[int]) -> Port:
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
        if not _is_free(number):
            raise DevError(
                f"port {number} ({name}) is taken by another program: stop that, or set {name} to another port"
            )
        taken.add(number)
        return Port(number)
    for number in range(usual, usual + _TRIES):
        if number not in taken and _is_free(number):
            taken.add(number)
            return Port(number, None if number == usual else usual)
    raise DevError(f"ports {usual} to {usual + _TRIES - 1} are all taken: set {name} to a free one")


def _is_free(number: int) -> bool:
    try:
        listen(port=number).close()
    except DevError:
        return False
    return True
