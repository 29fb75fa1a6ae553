"""The statements of schedules. Rows travel as one JSON value, as those of jobs do."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from singr_db import sql, sql_text
from singr_db.ending import CANCEL, UNFINISHED
from singr_db.tables import JobStatus
from singr_jobs.intake._ingest_sql import insert_many_jobs
from singr_jobs.intake._row import JobRow, SmallInt, recordset
from singr_jobs.schedules._plan import Stored

_OURS: Final = ("platform", "tenant")
# Looked at of a schedule's past for what is unfinished: more are only where somebody asked for many runs.
_LATELY: Final = 20

NOW: Final = sql_text("SELECT now()", roles=_OURS)
# One after the other, so that two at once do not both find room for the last.
LOCK_ROOM: Final = sql_text(
    "SELECT pg_advisory_xact_lock(hashtextextended('schedules ' || CAST(CAST(:organization_id AS uuid) AS text), 0))",
    roles=_OURS,
)
ROOM: Final = sql_text(
    """
SELECT (SELECT count(*) FROM (SELECT FROM schedules
         WHERE organization_id = :organization_id AND request IS NOT NULL LIMIT :most) AS theirs) < :most
    OR EXISTS (SELECT FROM schedules WHERE organization_id = :organization_id AND name = :name)
""",
    roles=_OURS,
)

# What a schedule is as it is asked for; whoever replaces one leaves its id, and its times where they are the same.
_TAKEN: Final = (
    *("cron", "time_zone", "every", "once_at", "starts_at", "ends_at", "jitter", "missed", "missed_within", "overlap"),
    "pause_after",
    *("type", "job", "request", "created_by"),
)
_COLUMNS: Final = (
    *("id", "organization_id", "name", "anchor_at", "rules", "next_fire_at", "late_by", "due_at"),
    *_TAKEN,
)
TIMES: Final = ("cron", "time_zone", "every", "once_at", "starts_at", "ends_at")
_SAME: Final = (
    f"({', '.join(f's.{name}' for name in TIMES)}) IS NOT DISTINCT FROM"
    f" ({', '.join(f'excluded.{name}' for name in TIMES)})"
)
_RESTS: Final = "s.state = 'paused' AND s.problem IS NULL"

# A time that is due already stays due where the rule is the same: who says the same again loses none.
PUT: Final = sql_text(
    f"""
INSERT INTO schedules AS s ({", ".join(_COLUMNS)})
VALUES ({", ".join(f"CAST(:{name} AS jsonb)" if name == "job" else f":{name}" for name in _COLUMNS)})
ON CONFLICT (organization_id, name) DO UPDATE SET
       {", ".join(f"{name} = excluded.{name}" for name in _TAKEN)},
       state = CASE WHEN {_RESTS} THEN 'paused'
                    WHEN coalesce(s.next_fire_at, excluded.next_fire_at) IS NULL THEN 'ended' ELSE 'active' END,
       problem = NULL, updated_at = now(),
       anchor_at = CASE WHEN {_SAME} AND (s.next_fire_at IS NOT NULL OR {_RESTS}) THEN s.anchor_at
                        ELSE excluded.anchor_at END,
       held_at = CASE WHEN {_SAME} THEN s.held_at END,
       rules = CASE WHEN {_SAME} AND s.next_fire_at IS NOT NULL THEN s.rules ELSE excluded.rules END,
       next_fire_at = CASE WHEN {_RESTS} THEN NULL WHEN {_SAME} THEN coalesce(s.next_fire_at, excluded.next_fire_at)
                           ELSE excluded.next_fire_at END,
       late_by = CASE WHEN {_SAME} AND s.next_fire_at IS NOT NULL THEN s.late_by ELSE excluded.late_by END,
       due_at = CASE WHEN s.asked_at IS NOT NULL THEN s.due_at WHEN {_RESTS} THEN NULL
                     WHEN {_SAME} THEN coalesce(s.due_at, excluded.due_at) ELSE excluded.due_at END
RETURNING s.*
""",  # noqa: S608 - constants
    roles=_OURS,
)
# Who says at each start of a process what it wants scheduled does so also once the times are over.
SAID_AGAIN: Final = sql_text(
    f"""
SELECT FROM schedules WHERE organization_id = :organization_id AND name = :name
   AND ({", ".join(TIMES)}) IS NOT DISTINCT FROM ({", ".join(f":{name}" for name in TIMES)}) FOR UPDATE
""",  # noqa: S608 - constants
    roles=_OURS,
)

_WHICH: Final = "organization_id = :organization_id AND (id = :id OR name = :name)"
FIND_TO_CHANGE: Final = sql_text(
    f"SELECT *, now() AS moment FROM schedules WHERE {_WHICH} FOR UPDATE",  # noqa: S608 - a constant
    roles=_OURS,
)
PAUSE: Final = sql_text(
    """
UPDATE schedules SET state = 'paused', problem = NULL, next_fire_at = NULL, held_at = NULL, updated_at = now(),
       due_at = CASE WHEN asked_at IS NOT NULL THEN due_at END
 WHERE id = :id RETURNING *
""",
    roles=_OURS,
)
RESUME: Final = sql_text(
    """
UPDATE schedules SET state = 'active', problem = NULL, next_fire_at = :next_fire_at, late_by = :late_by,
       rules = :rules, held_at = NULL, updated_at = now(),
       due_at = CASE WHEN asked_at IS NOT NULL THEN due_at ELSE CAST(:due_at AS timestamptz) END
 WHERE id = :id RETURNING *
""",
    roles=_OURS,
)
ASK: Final = sql_text(
    "UPDATE schedules SET asked_at = now(), due_at = now() WHERE id = :id AND asked_at IS NULL", roles=_OURS
)
# The row is locked before: what fires it now is done, and what comes after finds it gone.
DELETE: Final = sql_text(
    """
WITH gone AS (DELETE FROM schedules WHERE id = :id RETURNING id)
DELETE FROM schedule_fires USING gone WHERE schedule_id = gone.id
""",
    roles=_OURS,
)


class FireRow(JobRow, kw_only=True):
    """A time that becomes a job: the time, and the job with its companion."""

    schedule_id: UUID
    fire_at: datetime
    outcome: str
    created_by: str | None
    intake: SmallInt | None = None
    companion: msgspec.Struct | None = None


class NoteRow(msgspec.Struct, kw_only=True):
    """A time that becomes none."""

    id: UUID
    schedule_id: UUID
    organization_id: UUID
    fire_at: datetime
    outcome: str
    until: datetime | None


class NextRow(msgspec.Struct, kw_only=True):
    """How a schedule goes on."""

    id: UUID
    state: str
    next_fire_at: datetime | None
    late_by: float
    due_at: datetime | None
    held_at: datetime | None
    last_fire_at: datetime | None
    last_job_id: UUID | None
    problem: str | None
    rules: str


_UNFINISHED_OF: Final = f"""
SELECT array_agg(j.id)
  FROM (SELECT job_id FROM schedule_fires WHERE schedule_id = due.id AND job_id IS NOT NULL
         ORDER BY fire_at DESC LIMIT {_LATELY}) AS f
 CROSS JOIN LATERAL (SELECT id FROM jobs WHERE jobs.id = f.job_id AND jobs.status IN {UNFINISHED} LIMIT 1) AS j
"""  # noqa: S608 - constants
# Since somebody changed or resumed it; a job that has not ended, or is gone, is no failure.
_FAILURES_OF: Final = f"""
SELECT count(*) FROM (
    SELECT (SELECT status FROM jobs WHERE jobs.id = f.job_id LIMIT 1) AS status
      FROM (SELECT job_id FROM schedule_fires
             WHERE schedule_id = due.id AND job_id IS NOT NULL AND created_at > due.updated_at
             ORDER BY fire_at DESC LIMIT due.pause_after) AS f) AS last
 WHERE status = '{JobStatus.FAILED.value}'
"""  # noqa: S608 - constants
# A request is its maker's: it makes jobs for as long as they may ask for them, or a credential that took the place of
# theirs. One of the environment has no row, and stands.
_NEEDED: Final = "ARRAY(SELECT jsonb_array_elements_text(CAST(%(needs)s AS jsonb) -> due.type))"
_PERSON: Final = "CAST(substr(created_by, 6) AS uuid)"
_STANDS: Final = f"""
CASE WHEN request IS NULL THEN true
     WHEN created_by LIKE 'user:%%' THEN coalesce(effective_scopes(
         organization_id, {_PERSON}, {_NEEDED}) @> {_NEEDED}, false)
     WHEN NOT EXISTS (SELECT FROM service_credentials AS c WHERE c.key_id = due.created_by) THEN true
     ELSE EXISTS (
         WITH RECURSIVE line AS (
             SELECT c.key_id, c.replaced_by FROM service_credentials AS c
              WHERE c.key_id = due.created_by AND c.revoked_at IS NULL
             UNION
             SELECT c.key_id, c.replaced_by FROM line JOIN service_credentials AS c ON c.key_id = line.replaced_by
              WHERE c.revoked_at IS NULL
         )
         SELECT FROM line JOIN service_credentials AS c USING (key_id)
          WHERE (c.expires_at IS NULL OR c.expires_at > now())
            AND (c.organization_id IS NULL OR c.organization_id = due.organization_id)
            AND effective_scopes(c.organization_id, c.holder_id, c.scopes) @> {_NEEDED})
     END
"""  # noqa: S608 - constants
# Whoever asked for the platform, and acts for an organization alone by now, asks for what that may. Credentials of the
# platform are its own for good.
_FOR_PLATFORM: Final = f"""
CASE WHEN created_by LIKE 'user:%%' THEN coalesce(effective_scopes(
         NULL, {_PERSON}, {_NEEDED}) @> {_NEEDED}, false)
     ELSE true END
"""
# Rows are locked by one statement and looked at by the next: what another process did with them until then is seen.
_IS_DUE: Final = (
    "due_at <= now() AND (request IS NULL OR type = ANY (%(types)s::text[])) ORDER BY due_at LIMIT %(limit)s"
)
DUE: Final = sql(f"SELECT id FROM schedules WHERE {_IS_DUE}")  # noqa: S608 - a constant
LOCK_DUE: Final = sql(f"{DUE} FOR UPDATE SKIP LOCKED")
LOCK_ONE: Final = sql("SELECT id FROM schedules WHERE id = %(id)s AND due_at <= now() FOR UPDATE SKIP LOCKED")
# Whatever its job type: of one that no worker knows, nobody else would tell.
LATE: Final = sql("""
SELECT coalesce(extract(epoch FROM now() - min(due_at)), 0)::float8 FROM schedules WHERE due_at <= now()
""")
# What was reckoned by older rules of the zones, and is neither due yet nor asked for now.
LOCK_STALE: Final = sql("""
SELECT id FROM schedules WHERE state = 'active' AND cron IS NOT NULL AND rules < %(rules)s AND next_fire_at > now()
   AND held_at IS NULL AND asked_at IS NULL ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
""")
LOOK: Final = sql(f"""
SELECT {", ".join(Stored.__struct_fields__)}, type, job::text AS job, request, created_by, now() AS moment,
       coalesce(({_UNFINISHED_OF}), '{{}}'::uuid[]) AS unfinished,
       CASE WHEN due.pause_after IS NULL THEN 0 ELSE ({_FAILURES_OF}) END AS failures,
       {_STANDS} AS stands, {_FOR_PLATFORM} AS for_platform
  FROM schedules AS due WHERE id = ANY (%(ids)s) ORDER BY due_at
""")  # noqa: S608 - constants

_COMPANIONS: Final = "(SELECT coalesce(jsonb_agg(companion), '[]') FROM wanted WHERE intake = {number})"
_STORED_AS: Final = {"run_at": "now()", "created_at": "now()"}


def fire_with(inserts: Sequence[str]) -> str:
    """The statement that writes times down and makes their jobs, with the companions of `inserts`, the intakes' own.

    A time that is written down already becomes no second job. It answers the jobs that it made.
    """
    companions = [
        f", companion_{number} AS ({insert.format(rows=_COMPANIONS.format(number=number))})"
        for number, insert in enumerate(inserts)
    ]
    return f"""
WITH input AS MATERIALIZED (
    SELECT * FROM {recordset(FireRow, "%(rows)s")}
), met AS (
    INSERT INTO schedule_fires (schedule_id, fire_at, id, organization_id, outcome, job_id)
    SELECT schedule_id, fire_at, id, organization_id, outcome, id FROM input
    ON CONFLICT DO NOTHING
    RETURNING schedule_id, fire_at
), wanted AS MATERIALIZED (
    SELECT input.* FROM input JOIN met USING (schedule_id, fire_at)
), {insert_many_jobs("wanted", "created_by", stored=_STORED_AS)}{"".join(companions)}
SELECT id FROM wanted
"""  # noqa: S608 - constants


NOTE: Final = sql(f"""
INSERT INTO schedule_fires (id, schedule_id, organization_id, fire_at, outcome, until)
SELECT id, schedule_id, organization_id, fire_at, outcome, until FROM {recordset(NoteRow, "%(rows)s")}
ON CONFLICT DO NOTHING
""")  # noqa: S608 - constants
# A time that was left as it was, since a job was only asked for, is still reckoned by the rules that it was.
GO_ON: Final = sql(f"""
UPDATE schedules AS s SET
       state = row.state, next_fire_at = row.next_fire_at, late_by = row.late_by, due_at = row.due_at, asked_at = NULL,
       held_at = row.held_at, last_fire_at = coalesce(row.last_fire_at, s.last_fire_at),
       last_job_id = coalesce(row.last_job_id, s.last_job_id), problem = row.problem,
       rules = CASE WHEN s.asked_at IS NULL OR row.next_fire_at <> s.next_fire_at THEN row.rules ELSE s.rules END
  FROM {recordset(NextRow, "%(rows)s")} WHERE s.id = row.id
""")  # noqa: S608 - constants
STOP: Final = sql(CANCEL)
LOCK_JOB: Final = sql(
    "SELECT FROM jobs WHERE id = %(id)s AND organization_id = %(organization_id)s FOR UPDATE SKIP LOCKED"
)
FORGET: Final = sql("""
DELETE FROM schedule_fires WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM schedule_fires WHERE created_at < now() - %(days)s * interval '1 day' LIMIT %(limit)s
       FOR UPDATE SKIP LOCKED))
""")
sql(fire_with(()))
