"""What is asked of a caller's session: recipients and topics of its organization that are named, and the time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from singr_comms.notifying import _sql as sql
from singr_comms.notifying.memory._store import KeepsNotifications
from singr_comms.people._memory import KeepsPeople
from singr_db import TenantSession


async def recipients_named(
    session: TenantSession, external_ids: Sequence[str], user_ids: Sequence[UUID] = ()
) -> Sequence[Any]:
    """Those that there are, with `id`, `external_id` and `user_id`."""
    if isinstance(session, KeepsPeople):
        return session.people.find(external_ids, user_ids)
    values = {
        "organization_id": session.organization_id,
        "external_ids": list(external_ids),
        "user_ids": list(user_ids),
    }
    return (await session.execute(sql.FIND, values)).all()


async def topic_named(session: TenantSession, key: str) -> UUID | None:
    """The id of a topic; None where there is none of this key."""
    if isinstance(session, KeepsPeople):
        topic = session.people.topics.get(key)
        return None if topic is None else topic.id
    found: UUID | None = await session.scalar(sql.TOPIC, {"organization_id": session.organization_id, "key": key})
    return found


async def now_of(session: TenantSession) -> datetime:
    """The time by the clock that says what is due: that of the database."""
    if isinstance(session, KeepsNotifications):
        return session.notifications.now()
    now: datetime = (await session.execute(sql.NOW)).scalar_one()
    return now
