"""Setting, pausing and resuming queues, within the caller's transaction."""

from typing import Any, Final, TypeAlias
from uuid import UUID

from msgspec import UNSET, UnsetType
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import new_id, sql_text
from singr_db.operation_log import checked_reason, log_operation
from singr_jobs._plain import shown
from singr_jobs.declare._types import Queue, Rate
from singr_jobs.queues._memory import KeepsQueues
from singr_jobs.queues._settings import (
    Change,
    OrganizationSettings,
    QueueSettingError,
    QueueSettings,
    QueueUnknownError,
    settings_of,
)

Session: TypeAlias = AsyncSession | KeepsQueues

# Gates have the names of all queues that were ever served; a name that begins with * is no queue's.
_QUEUES: Final = sql_text("""
SELECT name FROM job_gates WHERE name NOT LIKE '*%%' UNION SELECT queue FROM queue_settings ORDER BY 1
""")
# Whoever takes from the queue at this moment is done then, and whoever comes later sees what was set.
_HOLD: Final = sql_text("""
INSERT INTO job_gates (name, ruled) VALUES (:queue, true) ON CONFLICT (name) DO UPDATE SET ruled = true
""")
_LET_GO: Final = sql_text("""
UPDATE job_gates SET ruled = EXISTS (SELECT FROM queue_settings WHERE queue = :queue) WHERE name = :queue
""")
_READ: Final = sql_text("SELECT * FROM queue_settings WHERE queue = ANY (CAST(:queues AS text[]))")
_COLUMNS: Final = (
    *("paused_at", "paused_by", "paused_for", "concurrency", "concurrency_per_organization"),
    *("rate_count", "rate_seconds", "weight"),
)
# A pause that is there stays as it is.
_PUT: Final = sql_text(f"""
INSERT INTO queue_settings AS known (id, queue, for_organization, {", ".join(_COLUMNS)})
VALUES (:id, :queue, :organization_id, CASE WHEN :pauses THEN now() END, :paused_by, :paused_for, :concurrency,
        :concurrency_per_organization, :rate_count, :rate_seconds, :weight)
ON CONFLICT (queue, for_organization) DO UPDATE SET updated_at = now(),
       paused_at = CASE WHEN :pauses THEN coalesce(known.paused_at, now()) END,
       {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}
""")  # noqa: S608 - constants
_DELETE: Final = sql_text("""
DELETE FROM queue_settings WHERE queue = :queue AND for_organization IS NOT DISTINCT FROM :organization_id
""")


async def pause_queue(
    session: Session,
    queue: Queue | str,
    *,
    organization_id: UUID | None = None,
    reason: str | None = None,
    by: str | None = None,
) -> QueueSettings:
    """Take nothing more from a queue, or of one organization in it, until it is resumed; what is in hand ends.

    As soon as the caller's transaction commits, nothing is taken; until then nobody else takes, either: commit soon.
    One that is paused already stays as it is, by whom and why included. Jobs may be enqueued all the while.

    Args:
        session: a session of `Database.platform()` with its transaction open; in tests, an `InMemoryJobs`.
        queue: which one: also one that other services have declared, by its name.
        organization_id: whose jobs alone; unless told, everybody's.
        reason: why, for whoever wonders, in one line.
        by: who, for the same.

    Raises:
        QueueUnknownError: there is no such queue; says which there are.
        QueueSettingError: there is no such organization; names the field.
        ReasonError: the reason is no line of at most 1,000 characters.
    """
    return await _change(
        session, queue, organization_id, {"pauses": True, "paused_by": by, "paused_for": checked_reason(reason)}
    )


async def resume_queue(session: Session, queue: Queue | str, *, organization_id: UUID | None = None) -> QueueSettings:
    """Take from it again: workers look within a second. One that is not paused stays as it is. Raises likewise.

    The queue and organizations in it are paused and resumed apart.
    """
    return await _change(session, queue, organization_id, {"pauses": False, "paused_by": None, "paused_for": None})


async def set_queue(
    session: Session,
    queue: Queue | str,
    *,
    organization_id: UUID | None = None,
    concurrency: int | UnsetType | None = UNSET,
    concurrency_per_organization: int | UnsetType | None = UNSET,
    rate: Rate | UnsetType | None = UNSET,
    weight: int | UnsetType | None = UNSET,
) -> QueueSettings:
    """Limit a queue, or one organization in it, while it runs; None: as the environment of its workers says.

    What is lowered under what is in hand takes effect as that ends: nothing is stopped, and nothing more is begun.

    Args:
        session: a session of `Database.platform()` with its transaction open; in tests, an `InMemoryJobs`.
        queue: which one: also one that other services have declared, by its name.
        organization_id: whose jobs alone; unless told, everybody's.
        concurrency: how many jobs may run at once, across all processes.
        concurrency_per_organization: how many of one organization; of one that has a `concurrency` of its own, that.
        rate: how many may start in so many seconds, over all processes: 1 to 1,000,000 in 0.001 to 86,400; `RATES` has
            some by name.
        weight: how many turns an organization has for each turn of others: 1 to 1000.

    Raises:
        QueueUnknownError: there is no such queue; says which there are.
        QueueSettingError: a value cannot be; names the field.
    """
    change = Change(
        concurrency=concurrency,
        concurrency_per_organization=concurrency_per_organization,
        rate=rate,
        weight=weight,
    )
    return await _change(session, queue, organization_id, change.columns(for_organization=organization_id is not None))


async def read_queue_settings(session: Session, queue: Queue | str) -> QueueSettings:
    """What is set for a queue; raises QueueUnknownError."""
    found = await known_queue(session, queue)
    return settings_of(found, await _rows(session, found))


async def read_all_queue_settings(session: Session) -> tuple[QueueSettings, ...]:
    """What is set for each queue there is."""
    queues = await known_queues(session)
    rows: dict[str, list[Any]] = {queue.value: [] for queue in queues}
    for row in await _rows(session, *queues):
        rows[row.queue].append(row)
    return tuple(settings_of(queue, rows[queue.value]) for queue in queues)


async def known_queues(session: Session) -> tuple[Queue, ...]:
    """Every queue that is declared here, or that some worker has ever served: the house's, then by name."""
    if isinstance(session, KeepsQueues):
        return Queue.declared()
    names = (await session.scalars(_QUEUES)).all()
    return (*Queue.declared(), *(Queue.stored(name) for name in names if name not in Queue.declared()))


async def known_queue(session: Session, queue: Queue | str) -> Queue:
    """The queue of this name; raises QueueUnknownError, which names those that are there."""
    queues = await known_queues(session)
    for known in queues:
        if known == queue:
            return known
    raise QueueUnknownError(f"there is no queue {shown(str(queue))}; there are {', '.join(queues)}")


async def _rows(session: Session, *queues: Queue) -> list[Any]:
    if isinstance(session, KeepsQueues):
        return [row for queue in queues for row in session.queues.rows(queue.value)]
    return list((await session.execute(_READ, {"queues": [queue.value for queue in queues]})).all())


async def _change(
    session: Session, queue: Queue | str, organization_id: UUID | None, values: dict[str, Any]
) -> QueueSettings:
    if organization_id is not None and not isinstance(organization_id, UUID):
        raise QueueSettingError("organization_id", f"must be a UUID, not {shown(organization_id)}")
    found = await known_queue(session, queue)
    if isinstance(session, KeepsQueues):
        known = next((row for row in await _rows(session, found) if row.for_organization == organization_id), None)
        if says(merged(known, values)) and organization_id and not session.queues.exists(organization_id):
            raise _no_organization(organization_id)
        session.queues.change(found.value, organization_id, values)
        return settings_of(found, await _rows(session, found))
    which = {"queue": found.value, "organization_id": organization_id}
    await session.execute(_HOLD, which)
    before = {row.for_organization: row for row in await _rows(session, found)}
    known = before.get(organization_id)
    wanted = merged(known, values)
    if says(wanted):
        try:
            await session.execute(_PUT, {"id": new_id(), **which, **wanted})
        except IntegrityError:
            raise _no_organization(organization_id) from None
    else:
        await session.execute(_DELETE, which)
    await session.execute(_LET_GO, which)
    told = settings_of(found, await _rows(session, found))
    was = settings_of(found, list(before.values()))
    what = "set" if "pauses" not in values else "pause" if values["pauses"] else "resume"
    if told != was:
        await log_operation(
            session,
            f"queue.{what}",
            found.value,
            organization_id=organization_id,
            before=_own(was, organization_id),
            after=_own(told, organization_id),
            reason=values.get("paused_for"),
        )
    return told


def merged(known: Any, values: dict[str, Any]) -> dict[str, Any]:
    """The row as it shall be: what is given, and else what is known; a pause that is there stays as it is."""
    wanted = {name: getattr(known, name, None) for name in _COLUMNS if name != "paused_at"}
    was_paused = getattr(known, "paused_at", None) is not None
    if values.get("pauses") and was_paused:
        values = {"pauses": True}
    return {"pauses": was_paused, **wanted, **values}


def says(wanted: dict[str, Any]) -> bool:
    """Whether a row has anything to say; one that has not goes."""
    return any(wanted[name] is not None for name in _COLUMNS[3:]) or wanted["pauses"]


def _no_organization(organization_id: UUID | None) -> QueueSettingError:
    words = f"must be the id of an organization that exists, not {shown(organization_id)}"
    return QueueSettingError("organization_id", words)


def _own(settings: QueueSettings, organization_id: UUID | None) -> QueueSettings | OrganizationSettings | None:
    """What an act on a queue, or on one organization in it, is about."""
    if organization_id is None:
        return settings
    return next((one for one in settings.organizations if one.organization_id == organization_id), None)
