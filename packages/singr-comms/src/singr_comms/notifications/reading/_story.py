"""What stands around a message's attempts: who asked for it, what let it go or stopped it, and who settled doubt."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import select

from singr_comms.catalogue import message_types
from singr_comms.notifications._suppression_list import SuppressionView, holds_for, suppression_view
from singr_comms.notifications.sending._quotas import COUNTED
from singr_comms.notifications.sending._suppressions import CODES
from singr_db import PlatformSession, TenantSession, sql_text
from singr_db.tables import Message, Suppression, Way

Session = TenantSession | PlatformSession
MOST_RESOLUTIONS: Final = 20

_REQUEST: Final = sql_text(
    """
SELECT id AS job_id, type, queue, reference, flow_id, created_by AS asked_by, created_at AS asked_at,
       run_at AS due_at, attempt AS tries, finished_at
  FROM jobs WHERE id = :job_id AND organization_id = :organization_id
""",
    roles=("tenant", "platform"),
)
# A job that waits longer than its reader's quiet hours last waits for something else. One that was held as it was tried
# is due at their end, give or take the time that took; what its reader has changed since is found out then.
_QUIET: Final = sql_text(
    """
SELECT CASE WHEN abs(extract(epoch FROM j.run_at - quiet.until)) < 60 THEN quiet.until
            ELSE greatest(j.run_at, quiet.until) END AS until
  FROM jobs AS j JOIN recipients AS r ON r.id = CAST(:recipient_id AS uuid)
 CROSS JOIN quiet_until(now(), r.time_zone, r.quiet_from, r.quiet_to, r.quiet_days) AS quiet (until)
 WHERE j.id = :job_id AND j.organization_id = :organization_id AND r.organization_id = :organization_id
   AND j.status = 'pending' AND j.run_at > now()
   AND NOT EXISTS (SELECT FROM notifications AS n WHERE n.id = CAST(:notification_id AS uuid) AND n.priority = 0)
   AND (j.error ->> 'code' = 'quiet_hours' OR j.run_at <= quiet.until + interval '1 minute')
""",
    roles=("tenant", "platform"),
)
_FULL: Final = sql_text(
    """
SELECT run_at, error ->> 'code' AS code, error ->> 'message' AS message FROM jobs
 WHERE id = :job_id AND organization_id = :organization_id AND status = 'pending' AND run_at > now()
   AND error ->> 'code' = ANY (CAST(:codes AS text[]))
""",
    roles=("tenant", "platform"),
)
_PAUSED: Final = sql_text(
    """
SELECT EXISTS (SELECT FROM notifications
                WHERE id = :notification_id AND organization_id = :organization_id AND paused_at IS NOT NULL)
""",
    roles=("tenant", "platform"),
)
_RESOLUTIONS: Final = sql_text(
    f"""
SELECT after ->> 'outcome' AS outcome, actor AS by, reason, created_at AS at, correlation_id
  FROM operation_log
 WHERE target = :target AND organization_id = :organization_id AND kind = 'delivery.resolve'
 ORDER BY id DESC LIMIT {MOST_RESOLUTIONS}
""",  # noqa: S608 - a constant
    roles=("tenant", "platform"),
)


class DeliveryRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The job that sends a message.

    Attributes:
        type: the job's type.
        queue: the job's queue.
        reference: the caller's reference.
        flow_id: the flow that it belongs to.
        asked_by: a credential's key id, or `user:` and an id; null if the platform's own code requested it.
        due_at: when it is due, or was last due.
        tries: how many attempts there were.
        finished_at: when it ended; null while it is unfinished.
    """

    job_id: UUID
    type: str
    queue: str
    reference: str | None
    flow_id: UUID | None
    asked_by: str | None
    asked_at: datetime
    due_at: datetime
    tries: int
    finished_at: datetime | None


class DeliveryDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The decision of the rules when a message was due.

    Attributes:
        outcome: `let_go` if none held it back, `stopped` if one did, `pending` if none was evaluated yet, `held` while
            it waits for its recipient's quiet hours to end, for room under a limit, or for its notification, which is
            paused, to be resumed.
        rule: the code of what stopped it or holds it back, such as `opt_out` or `paused`; null if nothing does.
        choice: the choice of its recipient or their organization that decided whether it was wanted, such as
            `recipient:category+channel` or `mandatory`; null if it belongs to no notification to a recipient.
        in_words: the same, for people.
        suppression: the suppression that stopped it, as it is now; null if something else did, or it no longer exists.
        until: when the quiet hours end that hold it back, or the hour or day whose limit does; or when that is asked
            again.
    """

    outcome: Literal["let_go", "stopped", "pending", "held"]
    rule: str | None
    choice: str | None = None
    in_words: str
    suppression: SuppressionView | None
    until: datetime | None = None


class DeliveryResolution(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody resolved a message in doubt.

    Attributes:
        outcome: `sent` or `send_again`.
        by: a credential's key id, or `user:` and an id.
        reason: how they know.
        correlation_id: the request that resolved it.
    """

    outcome: str
    by: str
    reason: str | None
    at: datetime
    correlation_id: str | None


async def request_of(session: Session, row: Message) -> DeliveryRequest | None:
    """The job of a message; None where it has none any more."""
    if row.job_id is None:
        return None
    which = {"job_id": row.job_id, "organization_id": row.organization_id}
    found = (await session.execute(_REQUEST, which)).mappings().one_or_none()
    return None if found is None else DeliveryRequest(**found)


async def decision_on(session: Session, row: Message) -> DeliveryDecision:
    """What let a message go, or stopped it."""
    error: Mapping[str, Any] = row.error if isinstance(row.error, dict) else {}
    code = str(error.get("code", "suppressed"))
    choice = error.get("rule") or row.rule
    if row.status == "suppressed" or (row.status == "failed" and (code == "expired" or not row.attempts)):
        words = str(error.get("message", "it ended before an attempt began"))
        suppression = await _suppression(session, row, code)
        return DeliveryDecision(outcome="stopped", rule=code, choice=choice, in_words=words, suppression=suppression)
    if row.channel == Way.INBOX:
        words = "Nothing chosen held it back when its recipient's turn came: it is in their inbox since."
        return DeliveryDecision(outcome="let_go", rule=None, choice=choice, in_words=words, suppression=None)
    if (held := await _held(session, row)) is not None:
        rule, words, until = held
        return DeliveryDecision(outcome="held", rule=rule, choice=choice, in_words=words, suppression=None, until=until)
    if row.attempts:
        words = "When its last attempt began, no suppression held for its address; its limits had let it go before."
        words = words if row.recipient_id is None else f"{words} Its recipient was there, and had it on."
        return DeliveryDecision(outcome="let_go", rule=None, choice=choice, in_words=words, suppression=None)
    words = "No attempt has begun yet: suppressions and limits are asked then."
    words = words if row.recipient_id is None else f"{words} So is what its recipient chose, once more."
    return DeliveryDecision(outcome="pending", rule=None, choice=choice, in_words=words, suppression=None)


async def _held(session: Session, row: Message) -> tuple[str, str, datetime | None] | None:
    """By which rule a message waits, in words, and until when; None where it does not."""
    if await _is_paused(session, row):
        words = "Its notification is paused: it waits until that is resumed, and whether it may go is asked then."
        return "paused", words, None
    if (until := await _quiet_until(session, row)) is not None:
        return "quiet_hours", "It waits for its recipient's quiet hours to end; whether it may go is asked then.", until
    if (full := await _full(session, row)) is not None:
        return full.code, f"It waits for room: {full.message}; limits are asked again then.", full.run_at
    return None


async def _is_paused(session: Session, row: Message) -> bool:
    if row.notification_id is None or row.status != "queued":
        return False
    which = {"notification_id": row.notification_id, "organization_id": row.organization_id}
    return bool(await session.scalar(_PAUSED, which))


async def _full(session: Session, row: Message) -> Any:
    """The limit that a message waits for, and until when; None where it does not."""
    if row.job_id is None or row.status != "queued":
        return None
    which = {"job_id": row.job_id, "organization_id": row.organization_id, "codes": sorted(COUNTED)}
    return (await session.execute(_FULL, which)).one_or_none()


async def _quiet_until(session: Session, row: Message) -> datetime | None:
    """Until when a message waits for its recipient's quiet hours; None where it does not."""
    if row.recipient_id is None or row.job_id is None or row.status != "queued":
        return None
    declared = message_types.named(row.kind)
    if declared is None or declared.mandatory or declared.quiet in {"pass", "drop"}:  # none of these waits
        return None
    which: dict[str, UUID | None] = {"job_id": row.job_id, "organization_id": row.organization_id}
    which |= {"recipient_id": row.recipient_id, "notification_id": row.notification_id}
    until: datetime | None = await session.scalar(_QUIET, which)
    return until


async def resolutions_of(session: Session, row: Message) -> tuple[DeliveryResolution, ...]:
    """What people said of a message in doubt, the last ones, oldest first."""
    which = {"target": str(row.id), "organization_id": row.organization_id}
    found = (await session.execute(_RESOLUTIONS, which)).mappings().all()
    return tuple(DeliveryResolution(**one) for one in reversed(found))


async def _suppression(session: Session, row: Message, code: str) -> SuppressionView | None:
    """The newest that was in force when the message was stopped, of those whose reason is told by this code."""
    reasons = [reason for reason, (told, _) in CODES.items() if told == code]
    if not reasons:
        return None
    of_message = select(Message.recipient_hash).where(Message.id == row.id).scalar_subquery()
    found = await session.scalar(
        select(Suppression)
        .where(Suppression.address_hash == of_message, Suppression.channel == row.channel)
        .where(holds_for(row.organization_id), Suppression.reason.in_(reasons))
        .where(Suppression.created_at <= row.updated_at)
        .order_by(Suppression.id.desc())
        .limit(1)
    )
    return None if found is None else suppression_view(found, session)
