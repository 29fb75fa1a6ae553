"""Taking the place of the job that holds a unique key: it is cancelled where it waits, and its key passes on.

What somebody has in hand runs on, and is not tried again: what came meanwhile is not lost, and what is out of date does
not run after it. The job's row is locked before its claim, in the order of whatever ends it; who replaces and who takes
the job settle by its place, which one of them alone can take away.
"""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec

from singr_db import sql
from singr_db.ending import REPLACE, UNFINISHED
from singr_jobs.declare._errors import EnqueueError
from singr_jobs.intake._enqueue import INSERT, add_rows, statement
from singr_jobs.intake._row import STORED, JobRow, insert_jobs, recordset
from singr_jobs.intake.unique._claims import DUE, DUE_BY, FIND, INSERT_FIRST, THE_KEY, Holding, key_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_DENIED: Final = "42501"  # SQLSTATE insufficient_privilege
_ROLES: Final = ("platform", "tenant")

# Whoever may take the key's place: the job that holds it and has not ended, its row locked before the claim, as whoever
# ends it does. One that has ended meanwhile, or was replaced by another, is not found.
LOCK_HOLDER: Final = sql(
    f"""
SELECT j.id FROM job_unique_keys AS held JOIN jobs AS j
    ON j.id = held.job_id AND j.organization_id = held.organization_id AND j.type = held.type
 WHERE held.organization_id = %(organization_id)s AND held.type = %(type)s AND held.unique_key = %(unique_key)s
   AND j.status IN {UNFINISHED}
   FOR UPDATE OF j
""",  # noqa: S608 - constants
    roles=_ROLES,
)
# The key passes on. The bound of what has not begun stays: the one before `was_new` to its key.
PASS_ON: Final = sql(
    f"""
UPDATE job_unique_keys AS held
   SET job_id = %(job_id)s,
       due_by = CASE WHEN CAST(%(was_new)s AS boolean) AND held.due_by < 'infinity' THEN least(held.due_by, {DUE_BY})
                     ELSE {DUE_BY} END
 WHERE {THE_KEY} AND held.job_id = %(holder)s
RETURNING CASE WHEN CAST(%(quiet)s AS float8) IS NOT NULL THEN least({DUE}, held.due_by) END AS run_at
""",  # noqa: S608 - constants
    roles=_ROLES,
)
# Behind a bound that has passed it was due since then, and keeps that turn.
INSERT_IN_PLACE: Final = f"""
{insert_jobs(recordset(JobRow, "%(rows)s"), stored={**STORED, "run_at": "coalesce(run_at, now())"})}
ON CONFLICT DO NOTHING
"""
for _statement in (INSERT_FIRST, INSERT_IN_PLACE):
    sql(_statement, roles=_ROLES)


async def add_or_replace(connection: "AsyncConnection", row: JobRow, holding: Holding) -> tuple[bool, UUID]:
    """Insert the job in the place of the one that holds its key, if one does.

    Says whether it was made, and else who holds the key: the job itself, whose id is taken; or one that has ended, and
    holds the key for a time. Where it was not made and its id is the caller's own, all this is to be undone.

    Raises:
        EnqueueError: the session's role may not cancel what waits.
    """
    before: UUID | None = None
    while True:
        holder = await _locked(connection, row)
        if holder == row.id:
            return False, row.id
        if holder is not None:
            replaced = await _run(connection, REPLACE, {"id": holder, "by": row.id})
            passed = {**key_of(row), **holding.values(), "job_id": row.id, "holder": holder, "was_new": replaced}
            run_at = await _run(connection, PASS_ON, passed)
            if run_at is None:
                return await add_rows(connection, INSERT, [row]) == 1, row.id
            placed = msgspec.structs.replace(row, run_at=run_at)
            return await add_rows(connection, INSERT_IN_PLACE, [placed]) == 1, row.id
        if await add_rows(connection, INSERT_FIRST, [row], **holding.values()) == 1:
            return True, row.id
        # Read committed: whoever holds the key is seen here, unless they let it go between the statements.
        found: UUID | None = await _run(connection, FIND, key_of(row))
        if found is not None and found in {row.id, before}:
            return False, found
        before = found


async def _locked(connection: "AsyncConnection", row: JobRow) -> UUID | None:
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - whoever calls has loaded it

    try:
        holder: UUID | None = await _run(connection, LOCK_HOLDER, key_of(row))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _DENIED:
            raise
        raise EnqueueError(
            "replace and debounce cancel the job that waits, which this session's role may not: it may only enqueue"
        ) from error
    return holder


async def _run(connection: "AsyncConnection", text: str, values: dict[str, Any]) -> Any:
    return (await connection.execute(statement(text), values)).scalar()
