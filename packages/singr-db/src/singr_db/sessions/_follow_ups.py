"""What follows a commit, hung on the session whose transaction it is."""

import inspect
from collections.abc import Callable, Hashable
from typing import Final, TypeVarTuple

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from singr_observability import get_logger

Ts = TypeVarTuple("Ts")
# Each call with its arguments, and the savepoint that it hangs on; none where that is the transaction itself.
_Calls = dict[tuple[Callable[..., object], tuple[Hashable, ...]], SessionTransaction | None]
_KEY: Final = "singr_db.after_commit"

_log = get_logger("db")


def after_commit(session: AsyncSession | Session, call: Callable[[*Ts], object], *arguments: *Ts) -> None:
    """Once the session's transaction has committed, call `call(*arguments)`; never, if it rolls back.

    What is asked for within a savepoint goes with it: a savepoint that is rolled back takes its calls along, one that
    is released leaves them to the transaction around it. The same call with the same arguments is made once, and in the
    order in which they were first asked for.

    The transaction stands whatever a call raises: that is logged, and the others are made. A call is made on the event
    loop, before `commit` returns: it waits for nothing (start a task, say a word, drop what was remembered).

    Raises:
        TypeError: the call is a coroutine function, or an argument cannot be hashed.
    """
    if inspect.iscoroutinefunction(call):
        raise TypeError("after_commit takes a plain function: nobody would await this one")
    heart = session.sync_session if isinstance(session, AsyncSession) else session
    calls: _Calls | None = heart.info.get(_KEY)
    if calls is None:
        calls = heart.info[_KEY] = {}
        event.listen(heart, "after_commit", _committed)
        event.listen(heart, "after_soft_rollback", _rolled_back)
    asked, within = (call, arguments), heart.get_nested_transaction()
    if asked not in calls or _holds(within, calls[asked]):
        calls[asked] = within


def _holds(outer: SessionTransaction | None, inner: SessionTransaction | None) -> bool:
    """Whether what hangs on `outer` outlives `inner`: it lies around it."""
    while inner is not None:
        inner = _around(inner)
        if inner is outer:
            return True
    return False


def _around(savepoint: SessionTransaction) -> SessionTransaction | None:
    """The savepoint around a savepoint; none where that is the transaction itself."""
    outer = savepoint.parent
    while outer is not None and not outer.nested:
        outer = outer.parent
    return outer


def _committed(session: Session) -> None:
    calls: _Calls = session.info[_KEY]
    savepoint = session.get_nested_transaction()
    if savepoint is not None:  # released: nothing is committed yet
        outer = _around(savepoint)
        calls.update({asked: outer for asked, within in calls.items() if within is savepoint})
        return
    asked_for = list(calls)
    calls.clear()
    for call, arguments in asked_for:
        try:
            call(*arguments)
        except Exception as error:  # noqa: BLE001 - what is committed is committed, whatever follows
            name = getattr(call, "__qualname__", type(call).__name__)
            _log.opt(exception=error).error("{} failed after the commit that it follows", name)


def _rolled_back(session: Session, ended: SessionTransaction) -> None:
    calls: _Calls = session.info[_KEY]
    if ended.parent is None:
        calls.clear()
    elif ended.nested:
        for asked in [asked for asked, within in calls.items() if within is ended]:
            del calls[asked]
