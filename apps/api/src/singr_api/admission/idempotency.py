"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07) for routes other than ingestion.

A key belongs to an organization, and to the method, path and body it was first used with. How its record is kept is
`singr_jobs`' matter, for all routes alike: `singr_jobs/intake/_records.py`.

Where an answer holds a secret, such as a new API key, it is kept sealed, and given again to its first caller alone.
"""

import datetime as dt
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec

from singr_api.http import problems
from singr_api.http.problems import Problem, header_refused
from singr_api.http.translations import problem_of
from singr_db import Database, Sealer, past_deadlock
from singr_jobs import (
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    KeptAnswer,
    KeyedRequest,
    claim_key,
    estimate_records,
    finish_key,
    release_key,
)
from singr_observability import Counter, Metrics

HEADER: Final = "idempotency-key"
REPLAYED: Final = (b"idempotency-replayed", b"true")
_KEY: Final = re.compile(r"[\x21\x23-\x7e]{1,255}", re.ASCII).fullmatch  # visible ASCII, but no quotation mark


class Reply(msgspec.Struct, frozen=True):
    """A whole answer, as it is sent and as it is kept."""

    status: int
    body: bytes
    content_type: str = "application/json"
    replayed: bool = False
    location: str | None = None


def idempotency_key(header: bytes | None) -> str:
    """Read the header: 1 to 255 visible ASCII characters, in quotation marks (as the draft has it) or without.

    Raises:
        Problem: it is missing or malformed (400).
    """
    key = (header or b"").decode("latin-1")
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if _KEY(key):
        return key
    message = "must be 1 to 255 visible ASCII characters, chosen by you and the same for every retry of one request"
    raise header_refused(problems.KEY_MISSING, HEADER, message, "pattern" if header else "required")


class IdempotencyStatistics:
    """Counts how often keys were first, replayed, reused for another request, or still running."""

    def __init__(self, metrics: Metrics) -> None:
        self._counter: Counter = metrics.counter(
            "singr_idempotency", "Requests with an Idempotency-Key, by outcome.", ("outcome",)
        )
        self.first = self._counter.labels("first")
        self.replayed = self._counter.labels("replayed")
        self.in_progress = self._counter.labels("in_progress")
        self.mismatch = self._counter.labels("mismatch")

    def failed(self, error: Exception) -> None:
        """Count a refusal."""
        if isinstance(error, IdempotencyInProgressError):
            self.in_progress.inc()
        elif isinstance(error, IdempotencyMismatchError):
            self.mismatch.inc()

    def answered(self, *, replayed: bool) -> None:
        """Count an answer."""
        (self.replayed if replayed else self.first).inc()


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done once.

    Attributes:
        request: what the key is bound to.
        work: does the work in the session it is given, and answers.
        refuse: what a refusal of the work is answered with; it is kept like any other answer.
        for_platform: the session is the platform's, for what makes an organization; then the request names the key's
            holder, since no organization does.
        sealed: the answer holds a secret, so it is kept sealed; then, too, the request names the key's holder.
        first: awaited before the work, and only by the first request with the key: counts it against limits.
    """

    request: KeyedRequest
    work: Callable[[Any], Awaitable[Reply]]
    refuse: Callable[[Problem], Reply]
    for_platform: bool = False
    sealed: bool = False
    first: Callable[[], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        """Refuse a key of nobody's, whose answer anybody could be given."""
        if (self.sealed or self.for_platform) and not self.request.holder:
            raise ValueError("what is done for no organization, or answered with a secret, is one caller's: name it")

    @property
    def context(self) -> str:
        """The record's own name is part of the seal: an answer moved to another record does not open."""
        return f"idempotency_records.response_body:{self.request.organization_id}:{self.request.name}"


class Idempotency:
    """Does a request's work once, however often the request is sent."""

    def __init__(self, db: Database, statistics: IdempotencyStatistics, sealer: Sealer) -> None:
        self._db = db
        self._statistics = statistics
        self._sealer = sealer

    async def run(self, task: Task) -> Reply:
        """Do the work, or replay its first answer.

        Raises:
            IdempotencyMismatchError: the key was used for another request.
            IdempotencyInProgressError: the first request is still running.
        """
        try:
            reply = await self._run(task)
        except (IdempotencyMismatchError, IdempotencyInProgressError) as error:
            self._statistics.failed(error)
            raise
        self._statistics.answered(replayed=reply.replayed)
        return reply

    async def estimate(self) -> int | None:
        """Return about how many records are kept, as the planner knows; None before the first ANALYZE."""
        async with self._db.platform() as session:
            return await estimate_records(session)

    async def _run(self, task: Task) -> Reply:
        request, db = task.request, self._db
        async with db.tenant(request.organization_id) as session:
            claimed = await claim_key(session, request)
        if isinstance(claimed, KeptAnswer):
            body = self._sealer.open(claimed.body, context=task.context) if task.sealed else claimed.body
            return Reply(claimed.status, body, claimed.content_type, replayed=True)
        try:
            if task.first is not None:
                await task.first()
            return await past_deadlock(partial(self._do, task, claimed))
        except Exception as error:
            refusal = _refusal(error, task)
            async with db.tenant(request.organization_id) as session:
                if refusal is None:
                    await release_key(session, request, claimed)
                else:
                    await finish_key(session, request, claimed, self._kept(task, refusal))
            if refusal is None:
                raise
            return refusal

    async def _do(self, task: Task, claimed: dt.datetime) -> Reply:
        """Do the work and keep its answer, in one transaction."""
        request, db = task.request, self._db
        async with db.platform() if task.for_platform else db.tenant(request.organization_id) as session:
            reply = await task.work(session)
            await finish_key(session, request, claimed, self._kept(task, reply))
            return reply

    def _kept(self, task: Task, reply: Reply) -> KeptAnswer:
        body = self._sealer.seal(reply.body, context=task.context) if task.sealed else reply.body
        return KeptAnswer(reply.status, reply.content_type, body)


def _refusal(error: Exception, task: Task) -> Reply | None:
    """Return the answer that the key keeps; None where the same request may succeed later, so that it may try again."""
    problem = problem_of(error)
    if (
        problem is None
        or problem.status >= problems.INTERNAL_ERROR.status
        or problem.status == problems.RATE_LIMITED.status
    ):
        return None
    if problem.kind is problems.REAUTHENTICATION_REQUIRED:
        return None  # after the proof, the same request is done
    return task.refuse(problem)
