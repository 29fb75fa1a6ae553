"""Words to workers that are said when a session commits, and by whoever attached a `Waker` to it."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

CANCEL: Final = "cancel:"
WAKER: Final = "singr_jobs.waker"
_WORDS: Final = "singr_jobs.words"


def wake_after_commit(session: "Session", queue: str) -> None:
    """Once the session commits, wake that queue's dispatchers, if the session's owner attached a `Waker`."""
    _after_commit(session, queue)


def cancel_after_commit(session: "Session", job_id: "UUID") -> None:
    """Once the session commits, tell the job's worker to stop it."""
    _after_commit(session, CANCEL + job_id.hex)


def _after_commit(session: "Session", word: str) -> None:
    if session.info.get(WAKER) is None:
        return
    words: set[str] | None = session.info.get(_WORDS)
    if words is None:
        from sqlalchemy import event  # noqa: PLC0415 - not for the sake of an import

        words = session.info[_WORDS] = set()
        event.listen(session, "after_commit", _speak_up)
        event.listen(session, "after_rollback", _keep_silent)
    words.add(word)


def _speak_up(session: "Session") -> None:
    words: set[str] = session.info[_WORDS]
    waker: Any = session.info[WAKER]
    waker.say(words)
    words.clear()


def _keep_silent(session: "Session") -> None:
    session.info[_WORDS].clear()
