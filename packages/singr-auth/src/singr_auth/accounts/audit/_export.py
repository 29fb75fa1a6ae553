"""The audit trail, written out to the object store: to be kept, or handed over, before its rows are deleted."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_config.clock import clock
from singr_db import Database, FolderObjectStore, ObjectStore, sql_text

_EVENTS_A_PART: Final = 5000
# By then, what was written before the day's end is committed.
_SETTLED: Final = dt.timedelta(minutes=10)
_EVENTS: Final = {
    of_one: sql_text(
        f"""
    SELECT id, created_at, kind, actor, user_id, organization_id, address, device, detail, correlation_id
    FROM security_events
    WHERE id > :after AND created_at < :before AND created_at >= coalesce(CAST(:since AS timestamptz), '-infinity')
      {"AND organization_id = :organization" if of_one else ""}
    ORDER BY id LIMIT :limit
    """  # noqa: S608 - constants
    )
    for of_one in (False, True)
}


class ExportedPart(msgspec.Struct, frozen=True):
    """One object: JSON Lines (https://jsonlines.org), an event a line, in the order of their ids.

    Attributes:
        key: where it lies in the object store.
        events: how many lines it has.
    """

    key: str
    events: int


async def export_trail(
    db: Database,
    objects: ObjectStore | FolderObjectStore,
    *,
    before: dt.date,
    since: dt.date | None = None,
    organization_id: UUID | None = None,
    events_a_part: int = _EVENTS_A_PART,
) -> AsyncIterator[ExportedPart]:
    """Write events out, part by part, each stored when it is given; doing the same again replaces the same objects.

    Args:
        db: the database.
        objects: where to.
        before: events of the days (UTC) before this one.
        since: of this day and after it; None for all.
        organization_id: those of one organization only.
        events_a_part: how many a part has at most.

    Raises:
        ValueError: the last of those days has not been over for ten minutes, or there is none.
        ObjectStoreError: the store refused, or did not answer.
    """
    end = dt.datetime.combine(before, dt.time(), dt.UTC)
    if clock.now() - end < _SETTLED:
        raise ValueError(f"before must be a day that is over: at the latest {last_whole_day()}")
    if since is not None and since >= before:
        raise ValueError(f"since ({since}) must be a day before `before` ({before}): there is nothing between them")
    folder = f"security-events/{organization_id or 'all'}/{since or 'start'}_{before}"
    values: dict[str, Any] = {
        "after": UUID(int=0),
        "before": end,
        "since": None if since is None else dt.datetime.combine(since, dt.time(), dt.UTC),
        "organization": organization_id,
        "limit": events_a_part,
    }
    events, number = _EVENTS[organization_id is not None], 0
    while True:
        async with db.platform() as session:
            rows = [dict(row) for row in (await session.execute(events, values)).mappings()]
        if not rows:
            return
        number += 1
        part = ExportedPart(f"{folder}/{number:05}.jsonl", len(rows))
        await objects.put(part.key, msgspec.json.Encoder().encode_lines(rows), "application/jsonl")
        values["after"] = rows[-1]["id"]
        yield part


def last_whole_day() -> dt.date:
    """The latest `before` that leaves nothing out which is still being written."""
    return (clock.now() - _SETTLED).date()
