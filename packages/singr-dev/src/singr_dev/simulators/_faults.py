"""What a simulator does to the next requests: fail, hang, let another answer, accept and cut the connection or fail."""

import threading
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Fail:
    """Answer with this status, without looking at the request."""

    status: int
    retry_after: float | None = None


@dataclass(frozen=True)
class Hang:
    """Leave the caller waiting; `accept` says whether the message is accepted meanwhile."""

    seconds: float
    accept: bool = False


@dataclass(frozen=True)
class AcceptThenDrop:
    """Accept the message, then cut the connection without an answer."""


@dataclass(frozen=True)
class AcceptThenFail:
    """Accept the message, then answer with this status, as if it had not been."""

    status: int = 500


@dataclass(frozen=True)
class Intercept:
    """Let something else answer in its place: 200, with a body that the provider never gives."""

    body: str


Fault = Fail | Hang | Intercept | AcceptThenDrop | AcceptThenFail


class Faults:
    """A queue of faults, one for each of the next requests; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: deque[Fault] = deque()

    def plan(self, fault: Fault, times: int = 1) -> None:
        """Append `fault` for the next `times` requests that have no fault yet."""
        with self._lock:
            self._planned.extend([fault] * times)

    def take(self) -> Fault | None:
        """The fault of the request at hand."""
        with self._lock:
            return self._planned.popleft() if self._planned else None

    def clear(self) -> None:
        """Behave well again."""
        with self._lock:
            self._planned.clear()
