"""All that is wrong with a request, told at once: its form, and what the rest of it means.

What a body means is looked at by the work itself, which only a body of good form is handed to. So where the form is
wrong, the work is rehearsed: done with the body as far as it is right, in a transaction that is rolled back, and what
it refuses is told beside the form. Work that has a session does everything in it, and is done again where two got in
each other's way (`past_deadlock`); so a rehearsal leaves nothing behind, and no key keeps its answer.

Where stand-ins took the place of what was sent, nothing more is told of that, nor of what holds it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from singr_api.http.problems import INVALID, FieldError, Problem, invalid
from singr_api.http.translations import problem_of
from singr_api.http.validation import Misfit, invalid_together
from singr_observability import get_logger

Rehearsal = Callable[[Any], Awaitable[None]]
_log = get_logger("singr_api")


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

    async def told(self, rehearse: Rehearsal | None) -> Problem:
        """Return the answer, with what a rehearsal refuses, where the body is all that is wrong."""
        if len(self._problems) > 1:
            return invalid_together([error for problem in self._problems for error in problem.errors])
        [only] = self._problems
        if rehearse is None or not isinstance(only, Misfit) or not only.is_mended:
            return only
        more = [error for error in await _refused(rehearse, only.mended) if _stands_apart(error, only)]
        return invalid(*only.errors, *more) if more else only


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
