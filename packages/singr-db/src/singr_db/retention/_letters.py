"""What dead letters keep of the logs of jobs that go: copied before any lock that somebody would notice."""

from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from singr_db._partitions import Partition
from singr_db._statements import sql
from singr_db.ending import LOG

_BITE: Final = 1000

_LOOKED: Final = """
SELECT id, job_id FROM dead_letters WHERE state = 'open' AND log IS NULL AND """
# Whoever settles letters locks them in this order too. Who was faster has no need of the log.
_KEPT: Final = f"""
kept AS (
    UPDATE dead_letters SET log = told.log
      FROM (SELECT d.id, lines.log
              FROM (SELECT * FROM dead_letters
                     WHERE id = ANY (ARRAY(SELECT id FROM looked)) AND state = 'open' ORDER BY id FOR UPDATE) AS d
             CROSS JOIN LATERAL ({LOG}) AS lines(log)) AS told
     WHERE dead_letters.id = told.id
)"""  # noqa: S608 - constants
_OF_WEEK = sql(f"""
WITH looked AS MATERIALIZED ({_LOOKED}job_id > %(after)s::uuid AND job_id < %(upper)s::uuid
     ORDER BY job_id LIMIT %(limit)s), {_KEPT}
SELECT job_id FROM looked ORDER BY job_id DESC
""")  # noqa: S608 - constants
_OF_JOBS = sql(f"""
WITH looked AS MATERIALIZED ({_LOOKED}job_id = ANY (%(ids)s::uuid[])), {_KEPT}
SELECT count(*) FROM looked
""")  # noqa: S608 - constants


async def keep_logs_of_week(connection: AsyncConnection[Any], span: Partition) -> None:
    """Copy what the week's jobs logged into the letters that nobody has settled, a bite at a time.

    A job whose letter is open does not run, so what it logged is all there.
    """
    values = {"after": UUID(int=span.lower.int - 1), "upper": span.upper, "limit": _BITE}
    while bite := await (await connection.execute(_OF_WEEK, values)).fetchall():
        if len(bite) < _BITE:
            return
        values["after"] = bite[0][0]


async def keep_logs(connection: AsyncConnection[Any], job_ids: list[UUID]) -> None:
    """The same for some jobs, a bite of them."""
    await connection.execute(_OF_JOBS, {"ids": job_ids})
