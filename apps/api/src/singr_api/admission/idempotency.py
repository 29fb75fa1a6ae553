"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07) for routes other than ingestion.

A key belongs to an organization, and to the method, path and body it was first used with. The record is written in two
steps: `running` in a transaction of its own, so that a second request sees it; then the answer, in the transaction that
does the work, so that neither can exist without the other. A record left `running` by a process that died is taken over
after a minute.

Where an answer holds a secret, such as a new API key, it is kept sealed, and given again to its first caller alone.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from singr_api.http import problems
from singr_api.http.problems import Problem, header_refused
from singr_api.http.translations import problem_of
from singr_db import Database, Sealer, sql_text
from singr_jobs import IdempotencyInProgressError, IdempotencyMismatchError
from singr_observability import Counter, Metrics

HEADER: Final = "idempotency-key"
REPLAYED: Final = (b"idempotency-replayed", b"true")
KEPT_HOURS: Final = 48
_KEY: Final = re.compile(r"[\x21\x23-\x7e]{1,255}", re.ASCII).fullmatch  # visible ASCII, but no quotation mark

_CLAIM = sql_text(
    """
    INSERT INTO idempotency_records AS kept
        (organization_id, key, method, path, body_hash, state, created_at, expires_at)
    VALUES
        (:organization_id, :key, :method, :path, :body_hash, 'running', now(), now() + :hours * interval '1 hour')
    ON CONFLICT (organization_id, key) DO UPDATE
       SET method = excluded.method, path = excluded.path, body_hash = excluded.body_hash, state = excluded.state,
           status_code = NULL, content_type = NULL, response_body = NULL,
           created_at = excluded.created_at, expires_at = excluded.expires_at
     WHERE kept.expires_at < now()
        OR (kept.state = 'running' AND kept.created_at < now() - interval '1 minute'
            AND kept.method = excluded.method AND kept.path = excluded.path AND kept.body_hash = excluded.body_hash)
    RETURNING created_at
    """,
    roles=("tenant",),
)
_FIND = sql_text(
    """
    SELECT method, path, body_hash, state, status_code, content_type, response_body FROM idempotency_records
    WHERE organization_id = :organization_id AND key = :key
    """,
    roles=("tenant",),
)
_FINISH = sql_text(
    """
    UPDATE idempotency_records
       SET state = 'done', status_code = :status, content_type = :content_type, response_body = :body
     WHERE organization_id = :organization_id AND key = :key AND state = 'running' AND created_at = :claimed
    RETURNING key
    """
)
_RELEASE = sql_text(
    """
    DELETE FROM idempotency_records
     WHERE organization_id = :organization_id AND key = :key AND state = 'running' AND created_at = :claimed
    """,
    roles=("tenant",),
)
_ESTIMATE = sql_text("SELECT reltuples::bigint FROM pg_class WHERE oid = 'idempotency_records'::regclass")


class Reply(msgspec.Struct, frozen=True):
    """A whole answer, as it is sent and as it is kept."""

    status: int
    body: bytes
    content_type: str = "application/json"
    replayed: bool = False
    location: str | None = None


class Request(msgspec.Struct, frozen=True):
    """What an idempotency key is bound to.

    Attributes:
        holder: whose key it is, where it is not the whole organization's: a person, or a credential.
    """

    organization_id: UUID
    key: str
    method: str
    path: str
    body_hash: bytes
    holder: str = ""

    def row(self) -> dict[str, Any]:
        """As statement parameters."""
        return {name: getattr(self, name) for name in ("organization_id", "method", "path", "body_hash")} | {
            "key": self.name
        }

    @property
    def name(self) -> str:
        """The key as it is kept: no holder's name has a space in it, and no key either."""
        return f"{self.holder} {self.key}" if self.holder else self.key


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
    message = "must be 1 to 255 visible ASCII characters, made by you, the same for every try of one request"
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

    request: Request
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
            rows = await session.scalar(_ESTIMATE)
        return rows if rows is not None and rows >= 0 else None

    async def _run(self, task: Task) -> Reply:
        request = task.request
        claimed = await self._claim(task)
        if isinstance(claimed, Reply):
            return claimed
        key = {"organization_id": request.organization_id, "key": request.name, "claimed": claimed}
        try:
            if task.first is not None:
                await task.first()
            db = self._db
            async with db.platform() if task.for_platform else db.tenant(request.organization_id) as session:
                reply = await task.work(session)
                await self._finish(session, key, task, reply)
                return reply
        except Exception as error:
            refusal = _refusal(error, task)
            async with self._db.tenant(request.organization_id) as session:
                if refusal is None:
                    await session.execute(_RELEASE, key)
                else:
                    await self._finish(session, key, task, refusal)
            if refusal is None:
                raise
            return refusal

    async def _claim(self, task: Task) -> Any:
        request = task.request
        async with self._db.tenant(request.organization_id) as session:
            claimed = await session.scalar(_CLAIM, request.row() | {"hours": KEPT_HOURS})
            if claimed is not None:
                return claimed
            found = (
                await session.execute(_FIND, {"organization_id": request.organization_id, "key": request.name})
            ).one()
        method, path, body_hash, state, status, content_type, body = found
        if (method, path, bytes(body_hash)) != (request.method, request.path, request.body_hash):
            raise IdempotencyMismatchError
        if state != "done":
            raise IdempotencyInProgressError
        kept = self._sealer.open(bytes(body), context=task.context) if task.sealed else bytes(body)
        return Reply(status, kept, content_type, replayed=True)

    async def _finish(self, session: AsyncSession, key: dict[str, Any], task: Task, reply: Reply) -> None:
        body = self._sealer.seal(reply.body, context=task.context) if task.sealed else reply.body
        answer = {"status": reply.status, "content_type": reply.content_type, "body": body}
        if await session.scalar(_FINISH, key | answer) is None:
            raise IdempotencyInProgressError  # so slow that another took the key over: its work counts, not ours


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
