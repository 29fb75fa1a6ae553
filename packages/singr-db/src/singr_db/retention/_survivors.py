"""What of a week outlives it: found by looking through that one week, with no lock that anybody would notice."""

from typing import Any
from uuid import UUID

from singr_db._partitions import Partition
from singr_db._statements import sql
from singr_db.retention._latest import Latest
from singr_db.retention._rules import HAS_ENDED, WANTED
from singr_db.retention._weeks import Connection

# A message that waits for word of its job. What has not ended of messages is few, by an index of its own.
_REFERRED = sql("""
SELECT job_id FROM messages
 WHERE status IN ('queued', 'dispatched') AND job_id >= %(lower)s::uuid AND job_id < %(upper)s::uuid
""")


async def last_of_queues(connection: Connection, span: Partition, per_queue: int, latest: Latest) -> set[UUID]:
    """The week's jobs that are among the last of their queue, of flows that have not ended, or waited for by messages.

    A flow that has ended is not without an end again, but where somebody queues a failed member of it again.
    """
    newer = await latest.after(span)
    last: set[UUID] = set()
    for (queue,) in await _rows(connection, f"SELECT DISTINCT queue FROM {span.name}"):  # noqa: S608 - see Partition.name
        missing = per_queue - newer[queue]
        if missing > 0:
            statement = (
                f"SELECT id FROM {span.name} WHERE queue = %(queue)s AND {HAS_ENDED}"  # noqa: S608 - see Partition.name
                " ORDER BY id DESC LIMIT %(missing)s"
            )
            last.update(
                job_id for (job_id,) in await _rows(connection, statement, {"queue": queue, "missing": missing})
            )
    in_flows = await _rows(
        connection,
        f"SELECT id FROM {span.name} AS j WHERE flow_id IS NOT NULL"  # noqa: S608 - see Partition.name
        " AND EXISTS (SELECT FROM flows AS f WHERE f.id = j.flow_id AND f.finished_at IS NULL)",
    )
    last |= {job_id for (job_id,) in in_flows}
    referred = await _rows(connection, _REFERRED, {"lower": span.lower, "upper": span.upper})
    return last | {job_id for (job_id,) in referred}


def watched(span: Partition) -> str:
    """The condition of the index by which `wanted_now` finds, among millions, what is wanted at that moment."""
    return f"(NOT {HAS_ENDED} OR finished_at >= '{span.end:%Y-%m-%d}T00:00:00Z'::timestamptz)"


async def wanted_now(connection: Connection, span: Partition, last: set[UUID], values: dict[str, Any]) -> list[UUID]:
    """The ids of all that outlives the week, as of now."""
    found = await _rows(
        connection,
        f"SELECT id FROM {span.name} WHERE {watched(span)} AND {WANTED}"  # noqa: S608 - see Partition.name
        f" UNION SELECT id FROM {span.name} WHERE id = ANY (%(last)s)",
        {**values, "last": list(last)},
    )
    return [job_id for (job_id,) in found]


async def _rows(connection: Connection, statement: str, values: dict[str, Any] | None = None) -> list[Any]:
    return await (await connection.execute(statement, values)).fetchall()
