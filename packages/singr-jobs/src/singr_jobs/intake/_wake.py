"""Words to workers that are said when a session commits, and by whoever attached a `Waker` to it."""

from typing import TYPE_CHECKING, Any, Final

from singr_jobs.declare._types import Queue

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

CANCEL: Final = "cancel:"
OWN: Final = "queue:"
TICKETS: Final = "tickets:"
WAKER: Final = "singr_jobs.waker"
_HOUSE: Final = frozenset(queue.value for queue in Queue)


def word_of(queue: str) -> str:
    """What is said of work in a queue: its name, with a mark where not every worker knows it."""
    return queue if queue in _HOUSE else OWN + queue


def wake_after_commit(session: "Session", queue: str) -> None:
    """Once the session commits, wake that queue's dispatchers, if the session's owner attached a `Waker`."""
    _after_commit(session, word_of(queue))


def cancel_after_commit(session: "Session", job_id: "UUID") -> None:
    """Once the session commits, tell the job's worker to stop it."""
    _after_commit(session, CANCEL + job_id.hex)


def _after_commit(session: "Session", word: str) -> None:
    waker: Any = session.info.get(WAKER)
    if waker is None:
        return
    from singr_db import after_commit  # noqa: PLC0415 - where a waker is attached, it is installed and loaded

    after_commit(session, waker.say, (word,))
