"""What providers say of messages, applied: an event row each, and a state that only ever rises."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.inbound import MessageNews
from singr_comms.notifications._resolving import let_job_go_on
from singr_comms.notifications.callbacks._intake import key_hash
from singr_comms.notifications.sending._suppressions import suppress_by_callback
from singr_db import PlatformSession, sql_text

# The row lock makes what comes of a try and what is told of it take turns, in the order of locks of the send ledger.
_BY_ID: Final = sql_text("""
SELECT id, organization_id, channel, kind, status, recipient_hash, recipient_masked, correlation_id,
       (SELECT traceparent FROM jobs WHERE jobs.id = messages.job_id) AS traceparent
  FROM messages WHERE id = :id FOR UPDATE
""")
_BY_PROVIDER_ID: Final = sql_text("""
SELECT id, organization_id, channel, kind, status, recipient_hash, recipient_masked, correlation_id,
       (SELECT traceparent FROM jobs WHERE jobs.id = messages.job_id) AS traceparent
  FROM messages WHERE provider = :provider AND provider_message_id = :provider_message_id FOR UPDATE
""")
_LOCK: Final = sql_text("SELECT FROM messages WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE")
_ATTEMPTS: Final = sql_text("""
SELECT attempt, status, provider_message_id FROM message_attempts
 WHERE message_id = :id AND provider = :provider ORDER BY attempt DESC
""")
_NOTE: Final = sql_text("""
INSERT INTO message_events (message_id, key_hash, organization_id, provider, event, state, raised, error, webhook_id,
                            occurred_at)
VALUES (:id, :key_hash, :organization_id, :provider, :event, :state, :raised, CAST(:error AS jsonb), :webhook_id,
        :occurred_at)
ON CONFLICT DO NOTHING RETURNING message_id
""")
_NOTED: Final = sql_text("""
SELECT raised, webhook_id FROM message_events WHERE message_id = :id AND key_hash = :key_hash
""")
# A provider that tells of a message has it, whatever became of the call.
_SETTLE_ATTEMPT: Final = sql_text("""
UPDATE message_attempts SET status = 'sent', error = NULL, finished_at = coalesce(finished_at, clock_timestamp()),
       provider_message_id = coalesce(provider_message_id, :provider_message_id)
 WHERE message_id = :id AND attempt = :attempt AND status <> 'sent'
""")
_RAISE: Final = sql_text("""
UPDATE messages SET status = :state, provider = :provider, error = CAST(:error AS jsonb),
       provider_message_id = coalesce(:provider_message_id, provider_message_id),
       sent_at = coalesce(sent_at, :occurred_at, clock_timestamp()),
       delivered_at = CASE WHEN :state IN ('delivered', 'complained')
                           THEN coalesce(delivered_at, :occurred_at, clock_timestamp()) ELSE delivered_at END,
       content_sealed = CASE WHEN :erase THEN ''::bytea ELSE content_sealed END, updated_at = clock_timestamp()
 WHERE id = :id
""")
_JOB: Final = sql_text("""
SELECT m.job_id, j.status FROM messages AS m JOIN jobs AS j ON j.id = m.job_id WHERE m.id = :id
""")
_OPEN: Final = frozenset({"queued", "dispatched", "failed", "unknown"})
"""States in which a job, or a dead letter, still waits for what became of the message."""
_UNANSWERED: Final = frozenset({"dispatched", "unknown"})
"""States of an attempt that the provider may have taken: rather these than one that it certainly refused."""
RANKS: Final = {
    "queued": 0,
    "suppressed": 1,
    "dispatched": 1,
    "failed": 1,
    "unknown": 1,
    "sent": 2,
    "delivered": 3,
    "bounced": 4,
    "complained": 5,
}
"""States only rise: what comes late, or in another order, never lowers one."""


class Effect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The effect of one reported event.

    Args:
        event: the provider's own word.
        outcome: `applied`; `noted`: stored, without effect; `repeated`; `ignored`, for a `reason`; `unknown`;
            `waiting`, because what it is about may not be known yet.
        reason: why it was ignored.
        message_id: the message that it is about.
        organization_id: the organization of that message.
        before: the message's status before.
        after: its status after.
        also: further effects, in words.
    """

    event: str
    outcome: str
    reason: str | None = None
    message_id: UUID | None = None
    organization_id: UUID | None = None
    before: str | None = None
    after: str | None = None
    also: tuple[str, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """The message that news are about, as its row is, and the attempt that they are about."""

    row: Any
    attempt: int


async def lock_messages(session: PlatformSession, news: Sequence[MessageNews]) -> None:
    """Lock the messages of several news in their order, before any address is locked that two of them may share."""
    ids = {one.message_id for one in news if one.message_id is not None}
    if len(ids) > 1:
        await session.execute(_LOCK, {"ids": list(ids)})


async def find(session: PlatformSession, provider: str, news: MessageNews) -> Found | Effect:
    """The message that news are about, locked; or what becomes of the news where there is none."""
    row = None
    if news.message_id is not None:
        row = (await session.execute(_BY_ID, {"id": news.message_id})).one_or_none()
        if row is None:
            return _ignored(news, "no message has this id: it is not kept any more, or was never ours")
    elif news.provider_message_id is not None:
        values = {"provider": provider, "provider_message_id": news.provider_message_id}
        rows = (await session.execute(_BY_PROVIDER_ID, values)).all()
        if len(rows) != 1:
            return Effect(event=news.event, outcome="waiting", reason="no message has this provider's id yet")
        row = rows[0]
    if row is None:
        return _ignored(news, "it names no message")
    attempts = (await session.execute(_ATTEMPTS, {"id": row.id, "provider": provider})).all()
    named = news.provider_message_id
    same = [one.attempt for one in attempts if named is not None and one.provider_message_id == named]
    unnamed = [one for one in attempts if one.provider_message_id is None or named is None]
    if not same and not unnamed:
        return _ignored(news, f"{provider} was not given this message under that id")
    unanswered = [one.attempt for one in unnamed if one.status in _UNANSWERED]
    return Found(row, (same or unanswered or [one.attempt for one in unnamed])[0])


async def apply(
    session: PlatformSession, provider: str, news: MessageNews, found: Found, *, webhook_id: UUID | None
) -> Effect:
    """Note news of a message, and raise its state where they say more than is known."""
    row = found.row
    raised = news.state is not None and RANKS[news.state] > RANKS[row.status]
    values = {
        "id": row.id,
        "key_hash": key_hash(news.key),
        "organization_id": row.organization_id,
        "provider": provider,
        "event": news.event,
        "state": news.state,
        "raised": raised,
        "error": _error(provider, news),
        "webhook_id": webhook_id,
        "occurred_at": news.occurred_at,
    }
    told = Effect(
        event=news.event,
        outcome="applied" if raised else "noted",
        message_id=row.id,
        organization_id=row.organization_id,
        before=row.status,
        after=news.state if raised else row.status,
    )
    if (await session.execute(_NOTE, values)).scalar() is None:
        return await _known(session, values, told)
    if news.state is not None:
        settled = {"id": row.id, "attempt": found.attempt, "provider_message_id": news.provider_message_id}
        await session.execute(_SETTLE_ATTEMPT, settled)
    if raised:
        raising = {"provider_message_id": news.provider_message_id, "erase": message_types.carries_code(row.kind)}
        await session.execute(_RAISE, values | raising)
        await _end_job(session, provider, news, row)
    if news.stops is not None:
        also = await suppress_by_callback(session, row, news.stops, webhook_id=webhook_id)
        told = told if also is None else msgspec.structs.replace(told, also=(also,))
    return told


async def _end_job(session: PlatformSession, provider: str, news: MessageNews, row: Any) -> None:
    """Let the job of a message that was in doubt find out now; put its dead letter away, for nothing is left to do."""
    job = (await session.execute(_JOB, {"id": row.id})).one_or_none() if row.status in _OPEN else None
    if job is not None:
        reason = f"{provider} told what became of the message: {news.event}"
        await let_job_go_on(session, job.job_id, job.status, row.organization_id, again=False, reason=reason)


def _error(provider: str, news: MessageNews) -> str | None:
    """Why it did not arrive, as it is kept; a soft bounce says so, since three of them count."""
    if news.state not in {"bounced", "complained"}:
        return None
    words = news.words or f"{provider} says: {news.event}"
    said: dict[str, Any] = {"code": news.code or news.state, "message": words}
    if news.stops == "bounced_softly":
        said["soft"] = True
    return msgspec.json.encode(said).decode()


async def _known(session: PlatformSession, values: dict[str, Any], told: Effect) -> Effect:
    """What came of news that were noted before: by an earlier try at the same callback, or by another one."""
    noted = (await session.execute(_NOTED, {"id": values["id"], "key_hash": values["key_hash"]})).one()
    outcome = "repeated"
    if noted.webhook_id is not None and noted.webhook_id == values["webhook_id"]:
        outcome = "applied" if noted.raised else "noted"
    return msgspec.structs.replace(told, outcome=outcome, after=told.before)


def _ignored(news: MessageNews, reason: str) -> Effect:
    return Effect(event=news.event, outcome="ignored", reason=reason)
