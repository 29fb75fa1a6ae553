"""Nonces and idempotency keys of requests that store no job: ingestion keeps its own in the statement of the job.

All are marks in the same two tables, so that a key is used once whatever route it comes to. A record is written in two
steps: without an answer in a transaction of its own, so that a second request sees it; then with it, in the transaction
that does the work, so that neither can exist without the other. One that a process left behind when it died is taken
over after a minute.
"""

import datetime as dt
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import PlatformSession, TenantSession, sql, sql_text
from singr_jobs.declare._errors import IdempotencyInProgressError, IdempotencyMismatchError, NonceReplayedError
from singr_jobs.intake._marks import KEPT_HOURS, NONCE_EXPIRY, key_mark, nonce_mark, print_of

_USE_NONCE = sql(f"""
    INSERT INTO request_marks (mark, expires_at) VALUES (%s, {NONCE_EXPIRY})
    ON CONFLICT (mark) DO NOTHING RETURNING mark
""")  # noqa: S608 - a constant
# Neither answered nor a job's: the request is running, or its process is gone.
_RUNNING = "job_id IS NULL AND status_code IS NULL"
_OWN = "mark = :mark AND organization_id = :organization_id"
_CLAIM = sql_text(
    f"""
    INSERT INTO request_keys AS kept (mark, organization_id, print) VALUES (:mark, :organization_id, :print)
    ON CONFLICT (mark) DO UPDATE
       SET print = excluded.print, created_at = excluded.created_at, job_id = NULL, run_at = NULL, payload = NULL,
           status_code = NULL, content_type = NULL, response_body = NULL
     WHERE kept.created_at <= now() - interval '{KEPT_HOURS} hours'
        OR (kept.job_id IS NULL AND kept.status_code IS NULL AND kept.created_at < now() - interval '1 minute'
            AND kept.print = excluded.print)
    RETURNING created_at
    """,  # noqa: S608 - a constant
    roles=("tenant",),
)
_FIND = sql_text(
    f"SELECT print, status_code, content_type, response_body FROM request_keys WHERE {_OWN}",  # noqa: S608 - a constant
    roles=("tenant",),
)
_FINISH = sql_text(
    f"""
    UPDATE request_keys SET status_code = :status, content_type = :content_type, response_body = :body
     WHERE {_OWN} AND {_RUNNING} AND created_at = :claimed
    RETURNING mark
    """  # noqa: S608 - constants
)
_RELEASE = sql_text(
    f"DELETE FROM request_keys WHERE {_OWN} AND {_RUNNING} AND created_at = :claimed",  # noqa: S608 - constants
    roles=("tenant",),
)
_ESTIMATE = sql_text("SELECT reltuples::bigint FROM pg_class WHERE oid = 'request_keys'::regclass")


class KeyedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What an idempotency key is bound to.

    Attributes:
        organization_id: whose key it is.
        key: the caller's.
        path: with its query.
        body_hash: SHA-256 of the body.
        holder: whose key it is, where it is not the whole organization's: a person, or a credential.
    """

    organization_id: UUID
    key: str
    method: str
    path: str
    body_hash: bytes
    holder: str = ""

    @property
    def name(self) -> str:
        """The key as it is kept: no holder's name has a space in it, and no key either."""
        return f"{self.holder} {self.key}" if self.holder else self.key

    @property
    def record(self) -> dict[str, Any]:
        """Which record is its own."""
        return {"organization_id": self.organization_id, "mark": UUID(key_mark(self.organization_id, self.name))}

    @property
    def print(self) -> UUID:
        """What the key is bound to."""
        return UUID(print_of(self.method, self.path, self.body_hash))


class KeptAnswer(msgspec.Struct, frozen=True):
    """A whole answer, as it is kept."""

    status: int
    content_type: str
    body: bytes


async def use_nonce(connection: psycopg.AsyncConnection[Any], key_id: str, nonce: str) -> None:
    """Use a nonce of a credential up.

    Raises:
        NonceReplayedError: it was used before.
    """
    cursor = await connection.execute(_USE_NONCE, (nonce_mark(key_id, nonce),))
    if await cursor.fetchone() is None:
        raise NonceReplayedError


async def claim_key(session: TenantSession, request: KeyedRequest) -> dt.datetime | KeptAnswer:
    """Return when the key was claimed for this request, whose work is to be done; or the answer that it keeps.

    Raises:
        IdempotencyMismatchError: the key was used for another request.
        IdempotencyInProgressError: the first request is still running.
    """
    claimed: dt.datetime | None = await session.scalar(_CLAIM, request.record | {"print": request.print})
    if claimed is not None:
        return claimed
    bound, status, content_type, body = (await session.execute(_FIND, request.record)).one()
    if bound != request.print:
        raise IdempotencyMismatchError
    if status is None:
        raise IdempotencyInProgressError
    return KeptAnswer(status, content_type, bytes(body))


async def finish_key(session: AsyncSession, request: KeyedRequest, claimed: dt.datetime, answer: KeptAnswer) -> None:
    """Keep the answer, in the transaction of the work.

    Raises:
        IdempotencyInProgressError: so slow that another took the key over: its work counts, not ours.
    """
    if await session.scalar(_FINISH, request.record | {"claimed": claimed} | msgspec.structs.asdict(answer)) is None:
        raise IdempotencyInProgressError


async def release_key(session: TenantSession, request: KeyedRequest, claimed: dt.datetime) -> None:
    """Let the same request try again."""
    await session.execute(_RELEASE, request.record | {"claimed": claimed})


async def estimate_records(session: PlatformSession) -> int | None:
    """Return about how many records are kept, as the planner knows; None before the first ANALYZE."""
    rows: int | None = await session.scalar(_ESTIMATE)
    return rows if rows is not None and rows >= 0 else None
