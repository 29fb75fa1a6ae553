"""What a running member reads of its flow."""

from typing import Any, Final
from uuid import UUID

from psycopg.rows import namedtuple_row

from singr_db import PsycopgPool, sql
from singr_jobs.flows._views import FlowView, MemberResult, flow_view, member_result

_AT_ONCE: Final = 1000
_FIRST: Final = UUID(int=0)

_FLOW = sql(f"""
SELECT {", ".join(f"f.{name}" for name in FlowView.__struct_fields__)}
  FROM jobs AS j JOIN flows AS f ON f.id = j.flow_id WHERE j.id = %(id)s
""")  # noqa: S608 - constants
# The completion job waits for all others, where it does not name some.
_WAITS_FOR_ALL = sql("""
SELECT f.id FROM jobs AS j JOIN flows AS f ON f.id = j.flow_id
 WHERE j.id = %(id)s AND f.completion_job_id = j.id
   AND NOT EXISTS (SELECT FROM job_dependencies AS d WHERE d.successor = j.id)
""")
_RESULT: Final = "p.id, p.type, p.status, p.result, p.error"
_OF_PREDECESSORS = sql(f"""
SELECT {_RESULT} FROM job_dependencies AS d JOIN jobs AS p ON p.id = d.predecessor
 WHERE d.successor = %(id)s AND d.predecessor > %(after)s ORDER BY d.predecessor LIMIT %(limit)s
""")  # noqa: S608 - a constant
_OF_ALL = sql(f"""
SELECT {_RESULT} FROM jobs AS p
 WHERE p.flow_id = %(flow_id)s AND p.id <> %(id)s AND p.id > %(after)s ORDER BY p.id LIMIT %(limit)s
""")  # noqa: S608 - a constant


class MemberReads:
    """Reads for one job; where it belongs to no flow, there is nothing.

    Args:
        pool: connections with platform rights.
        job_id: the job that runs.
    """

    def __init__(self, pool: PsycopgPool, job_id: UUID) -> None:
        self._pool = pool
        self._id = job_id

    async def flow(self) -> FlowView | None:
        """The flow as it stands."""
        rows = await self._rows(_FLOW, {"id": self._id})
        return flow_view(rows[0]) if rows else None

    async def results(self) -> list[MemberResult]:
        """What came of those that it waited for."""
        all_of = await self._rows(_WAITS_FOR_ALL, {"id": self._id})
        statement = _OF_ALL if all_of else _OF_PREDECESSORS
        values = {"id": self._id, "flow_id": all_of[0].id if all_of else None, "limit": _AT_ONCE}
        found: list[MemberResult] = []
        while True:
            rows = await self._rows(statement, {**values, "after": found[-1].id if found else _FIRST})
            found += map(member_result, rows)
            if len(rows) < _AT_ONCE:
                return found

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[Any]:
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=namedtuple_row)
            return await (await cursor.execute(statement, values)).fetchall()
