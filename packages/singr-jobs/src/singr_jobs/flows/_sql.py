"""The statements by which flows are made, grow and close; for whoever may enqueue, with or without our database."""

from typing import Final
from uuid import UUID

import msgspec

from singr_jobs.intake._row import JobRow, insert_jobs, recordset


class MemberRow(JobRow, kw_only=True):
    """A member as it is first stored."""

    flow_id: UUID
    created_by: str | None = None


class EdgeRow(msgspec.Struct):
    """That one member waits for another."""

    predecessor: UUID
    successor: UUID
    flow_id: UUID
    organization_id: UUID


_THE_FLOW: Final = "id = %(id)s AND organization_id = %(organization_id)s"

MAKE: Final = """
INSERT INTO flows (id, organization_id, name, on_failure, total, completion_job_id, created_by)
VALUES (%(id)s, %(organization_id)s, %(name)s, %(on_failure)s, %(total)s, %(completion_job_id)s, %(created_by)s)
ON CONFLICT DO NOTHING
"""
# Locked until the caller's transaction ends: nobody that a new member waits for ends unseen meanwhile.
GROW: Final = f"""
UPDATE flows SET total = total + %(total)s
 WHERE {_THE_FLOW} AND closed_at IS NULL AND cancelled_at IS NULL
"""  # noqa: S608 - a constant
STATE: Final = f"SELECT state FROM flows WHERE {_THE_FLOW}"  # noqa: S608 - a constant
# The completion job waits for all others, so nobody can wait for it: that would be a circle.
STRANGERS: Final = """
SELECT named.id FROM unnest(CAST(%(ids)s AS uuid[])) AS named (id)
 WHERE NOT EXISTS (SELECT FROM jobs WHERE jobs.id = named.id AND jobs.flow_id = %(id)s)
    OR EXISTS (SELECT FROM flows WHERE flows.id = %(id)s AND flows.completion_job_id = named.id) LIMIT 1
"""
# Which of these ids have jobs already, and whether as members of the flow.
FOUND: Final = """
SELECT id, flow_id IS NOT DISTINCT FROM %(id)s AS is_member FROM jobs
 WHERE id = ANY(CAST(%(ids)s AS uuid[])) ORDER BY id
"""
# The table gives each its place: what waits for a member that has not ended, to `job_waiting`.
ADD: Final = f"""
WITH edges AS (
    INSERT INTO job_dependencies (predecessor, successor, flow_id, organization_id)
    SELECT predecessor, successor, flow_id, organization_id FROM {recordset(EdgeRow, "%(edges)s")}
)
{insert_jobs(recordset(MemberRow, "%(rows)s"), "flow_id", "created_by")}
"""  # noqa: S608 - constants
CLOSE: Final = f"""
UPDATE flows SET closed_at = coalesce(closed_at, now()),
       finished_at = CASE WHEN completed + failed + cancelled = total AND (on_failure = 'continue' OR failed = 0)
                          THEN coalesce(finished_at, now()) ELSE finished_at END
 WHERE {_THE_FLOW}
"""  # noqa: S608 - a constant
GO_ON: Final = "SELECT go_on(ARRAY[CAST(%(id)s AS uuid)], NULL, now())"
