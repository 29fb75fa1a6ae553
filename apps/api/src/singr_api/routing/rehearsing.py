"""All that is wrong with a request, told at once: its form, and what the rest of it means.

What a body means is looked at by the work itself, which only a body of good form is handed to. So where the form is
wrong, the work is rehearsed: done with the body as far as it is right, in a transaction that is rolled back, and what
it refuses is told beside the form. Work that has a session does everything in it, and is done again where two got in
each other's way (`past_deadlock`); so a rehearsal leaves nothing behind, and no key keeps its answer. Work that opens
a session itself says that it can be undone, with `undoable` and `undone_in_rehearsals`.

Where stand-ins took the place of what was sent, nothing more is told of that, nor of what holds it; nor what is
refused of the rest for one of them and not for all: rules between fields read them, too.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from singr_api.http.form.mending import MOST_ERRORS
from singr_api.http.form.validation import Misfit, invalid_together
from singr_api.http.problems import INVALID, FieldError, Problem, invalid
from singr_api.http.translations import problem_of
from singr_observability import get_logger

Rehearsal = Callable[[Any], Awaitable[None]]
Work = TypeVar("Work", bound=Callable[..., Awaitable[Any]])
Session = TypeVar("Session")
_MARK: Final = "__undoable__"
_is_rehearsed: ContextVar[bool] = ContextVar("is_rehearsed", default=False)
_log = get_logger("singr_api")


class Undone(Exception):  # noqa: N818 - no error: it ends a transaction that is to leave nothing
    """All of the body's rest is right."""


def undoable(work: Work) -> Work:
    """Mark work that opens its session itself, and does all that it changes under `undone_in_rehearsals`."""
    setattr(work, _MARK, True)
    return work


def is_undoable(work: Callable[..., Any]) -> bool:
    """Whether it is marked so."""
    return getattr(work, _MARK, False)


@asynccontextmanager
async def undone_in_rehearsals(opening: AbstractAsyncContextManager[Session]) -> AsyncIterator[Session]:
    """Open a session that is rolled back at its end, where the work is rehearsed."""
    async with opening as session:
        yield session
        if _is_rehearsed.get():
            raise Undone


async def rehearsed(work: Callable[..., Awaitable[Any]], taken: dict[str, Any]) -> None:
    """Do work that opens its session itself, and undo it."""
    before = _is_rehearsed.set(True)
    try:
        await work(**taken)
    except Undone:
        pass
    finally:
        _is_rehearsed.reset(before)


class Faults:
    """What is wrong with the form of a request, part by part."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def __bool__(self) -> bool:
        return bool(self._problems)

    def add(self, problem: Problem) -> None:
        """Keep what is wrong with a part.

        Raises:
            Problem: it is of another kind than a field that is not valid, so nothing else is looked at.
        """
        if problem.kind is not INVALID:
            raise problem
        self._problems.append(problem)

    async def told(self, rehearse: Rehearsal | None, sent: Any = None) -> Problem:
        """Return the answer, with what a rehearsal refuses.

        Args:
            rehearse: does the work, where all of the request but for its body is known.
            sent: the body, where it has its form.
        """
        errors = [error for problem in self._problems for error in problem.errors]
        of_body = (one for one in self._problems if isinstance(one, Misfit) and one.location == "body")
        form = next(of_body, None)
        more: list[FieldError] = []
        if rehearse is not None and len(errors) < MOST_ERRORS and (form is None or form.is_mended):
            more = [*await _refused(rehearse, sent)] if form is None else await _certain(rehearse, form)
        if more:
            return invalid(*errors, *more)
        return self._problems[0] if len(self._problems) == 1 else invalid_together(errors)


async def _certain(rehearse: Rehearsal, form: Misfit) -> list[FieldError]:
    """What is refused of a body whatever stands in for what is wrong with its form."""
    certain = [error for error in await _refused(rehearse, form.mended) if _stands_apart(error, form)]
    for other in form.others:
        if not certain:
            break
        refused = await _refused(rehearse, other)
        certain = [error for error in certain if error in refused]
    return certain


async def _refused(rehearse: Rehearsal, body: Any) -> Sequence[FieldError]:
    """What is refused of a body: fields that are not valid. Whatever else comes in the way is of no matter here."""
    try:
        await rehearse(body)
    except Exception as error:  # noqa: BLE001 - of the work itself, which here is done for what it refuses
        problem = problem_of(error)
        if problem is None:  # a fault of ours, that the answer says nothing of
            _log.opt(exception=error).error("unhandled exception in a rehearsal")
            return ()
        return problem.errors if problem.status == INVALID.status else ()
    return ()


def _stands_apart(error: FieldError, form: Misfit) -> bool:
    if error.location != "body":
        return True
    is_told = error.field in {one.field for one in form.errors}
    is_blurred = any(_holds(error.field, path) or _holds(path, error.field) for path in form.blurred)
    is_confused = error.code == "repeated" and any(_holds(path, error.field) for path in form.confused)
    return not (is_told or is_blurred or is_confused)


def _holds(outer: str, inner: str) -> bool:
    """Whether a path is another one, or leads there."""
    return outer in {"", inner} or inner.startswith((f"{outer}.", f"{outer}["))
