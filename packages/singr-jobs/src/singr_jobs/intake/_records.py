"""Nonces and idempotency records of requests that store no job: ingestion keeps its own in the statement of the job.

A record is written in two steps: `running` in a transaction of its own, so that a second request sees it; then the
answer, in the transaction that does the work, so that neither can exist without the other. A record left `running` by a
process that died is taken over after a minute.
"""

import datetime as dt
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import PlatformSession, TenantSession, sql, sql_text
from singr_jobs.declare._errors import IdempotencyInProgressError, IdempotencyMismatchError, NonceReplayedError

KEPT_HOURS: Final = 48

# As ingestion does: a nonce is remembered for as long as its timestamp could pass, 300 s to either side, and a minute.
_USE_NONCE = sql("""
    INSERT INTO request_nonces (key_id, nonce, expires_at) VALUES (%s, %s, now() + interval '11 minutes')
    ON CONFLICT (key_id, nonce) DO NOTHING RETURNING key_id
""")
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
        return {"organization_id": self.organization_id, "key": self.name}


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
    cursor = await connection.execute(_USE_NONCE, (key_id, nonce))
    if await cursor.fetchone() is None:
        raise NonceReplayedError


async def claim_key(session: TenantSession, request: KeyedRequest) -> dt.datetime | KeptAnswer:
    """Return when the key was claimed for this request, whose work is to be done; or the answer that it keeps.

    Raises:
        IdempotencyMismatchError: the key was used for another request.
        IdempotencyInProgressError: the first request is still running.
    """
    bound = {"method": request.method, "path": request.path, "body_hash": request.body_hash}
    claimed: dt.datetime | None = await session.scalar(_CLAIM, request.record | bound | {"hours": KEPT_HOURS})
    if claimed is not None:
        return claimed
    found = (await session.execute(_FIND, request.record)).one()
    method, path, body_hash, state, status, content_type, body = found
    if (method, path, bytes(body_hash)) != (request.method, request.path, request.body_hash):
        raise IdempotencyMismatchError
    if state != "done":
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
