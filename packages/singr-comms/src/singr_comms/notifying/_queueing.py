"""The job that decides a notification from here on, as it is queued and noted."""

from datetime import datetime
from typing import Any

from singr_comms.notifying import _sql as sql
from singr_comms.notifying._job import FanOutNotification
from singr_comms.notifying.memory._store import KeepsNotifications
from singr_db import PlatformSession, TenantSession
from singr_jobs import Priority, enqueue


async def give_to_job(
    session: TenantSession | PlatformSession,
    which: dict[str, Any],
    turn: int,
    *,
    priority: int,
    run_at: datetime | None = None,
) -> None:
    """Queue the job that decides a notification from here on, in the transaction that made it this turn.

    Args:
        session: that transaction.
        which: the notification's `id` and `organization_id`.
        turn: the one that it has now.
        priority: the notification's.
        run_at: when; at once unless given.
    """
    if isinstance(session, KeepsNotifications):
        return  # it goes by `due_at`
    organization_id, job = which["organization_id"], FanOutNotification(which["id"], turn)
    priority = Priority(priority)
    job_id = await enqueue(session, job, organization_id=organization_id, run_at=run_at, priority=priority)
    await session.execute(sql.GIVEN, {**which, "job_id": job_id})
