"""The dead letter of a job that fails for good, written by the very statement that ends it."""

import hashlib
import re
from typing import Final

from singr_db.ending._flows import REQUEUE_MEMBERS, SETTLE_MEMBERS
from singr_db.ending._job_ends import FollowUp
from singr_db.tables import JobStatus

_VARIABLE: Final = (
    r"""(?<!\w)'[^']*'(?!\w)|"[^"]*"|`[^`]*`|\u00ab[^\u00bb]*\u00bb|\u201c[^\u201d]*\u201d|[\w.:@/+-]*\d[\w.:@/+-]*"""
)
"""What differs between failures of one kind: quoted words, numbers, ids, times, addresses with a number in them.

Read alike by PostgreSQL and Python: no two of its alternatives begin with the same character.
"""
_COMPARED: Final = 500
_BYTES: Final = 8

STOOD: Final = f"""
CASE WHEN jobs.status = '{JobStatus.FAILED.value}'
     THEN to_jsonb(jobs) - ARRAY['result', 'error', 'progress', 'lease_token', 'leased_until', 'placed'] END"""
"""The job's row, of which a letter makes it anew once it is gone; only where it has failed."""

_MESSAGE: Final = f"left(coalesce(error ->> 'message', ''), {_COMPARED})"
_CODE: Final = "coalesce(nullif(error ->> 'code', ''), 'failed')"
_KIND: Final = (
    "type || E'\\n' || "
    + _CODE
    + " || E'\\n' || "
    + ("regexp_replace(" + _MESSAGE + ", '" + _VARIABLE.replace("'", "''") + "', '#', 'g')")
)
# A UUID of version 7, whose order is that of the moments: by `now()`, which tests can turn.
_MILLISECONDS: Final = "lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0')"
_NEW_ID: Final = f"CAST({_MILLISECONDS} || '7' || substr(gen_random_uuid()::text, 16) AS uuid)"
_ATTEMPT: Final = """
jsonb_build_object('attempt', {a}.attempt, 'outcome', {a}.outcome, 'error', {a}.error, 'worker', {a}.worker,
                   'started_at', {a}.started_at, 'finished_at', {finished_at})"""
# Those of an earlier round, which the job was given back from, have numbers that this one has not reached, or have been
# written anew.
_BEFORE: Final = f"""
SELECT jsonb_agg({_ATTEMPT.format(a="a", finished_at="a.finished_at")} ORDER BY a.attempt) FROM job_attempts AS a
 WHERE a.job_id = changed.id AND a.attempt < changed.attempt"""  # noqa: S608 - constants

DEAD_LETTER: Final = FollowUp(
    "mourned",
    f"""
    INSERT INTO dead_letters (id, organization_id, job_id, type, queue, error, error_code, fingerprint, job, attempts)
    SELECT {_NEW_ID}, organization_id, id, type, queue, coalesce(error, '{{}}'), {_CODE},
           encode(substr(sha256(convert_to({_KIND}, 'UTF8')), 1, {_BYTES}), 'hex'), stood,
           coalesce(({_BEFORE}), '[]') || {_ATTEMPT.format(a="changed", finished_at="now()")}
      FROM changed WHERE status = '{JobStatus.FAILED.value}'""",  # noqa: S608 - constants
)
"""Not of a job that is cancelled: somebody wanted that.

It reads `stood` (`STOOD`) and `outcome` beside the columns of every follow-up.
"""

LOG_BYTES: Final = 256 * 1024
"""So much of what its handler wrote is told with a letter, and kept in it: the latest."""
LINE_BYTES: Final = 100
"""What a line takes beside its words and fields."""

LOG: Final = f"""
SELECT jsonb_build_object('complete', bool_and(bytes <= {LOG_BYTES}), 'lines', coalesce(jsonb_agg(
           jsonb_build_object('id', id, 'attempt', attempt, 'at', at, 'message', message, 'fields', fields)
           ORDER BY id) FILTER (WHERE bytes <= {LOG_BYTES}), '[]'))
  FROM (SELECT l.*, sum({LINE_BYTES} + octet_length(l.message) + coalesce(octet_length(l.fields::text), 0))
               OVER (ORDER BY l.id DESC) AS bytes
          FROM job_logs AS l
         WHERE l.job_id = d.job_id AND l.organization_id = d.organization_id
           AND l.at > coalesce(greatest(
                   (d.job ->> 'created_at')::timestamptz - interval '1 minute',
                   (SELECT max(earlier.failed_at) FROM dead_letters AS earlier
                     WHERE earlier.job_id = d.job_id AND earlier.organization_id = d.organization_id
                       AND earlier.id < d.id)), '-infinity')
           AND l.at <= CASE d.state WHEN 'requeued' THEN d.settled_at ELSE 'infinity' END) AS line
HAVING count(*) > 0"""  # noqa: S608 - constants
"""What the handler wrote in the attempts of the letter `d`, while its job is there; no row where that is nothing.

Not in those of an earlier or a later round, nor what an earlier job of this id wrote. A line has its worker's time:
where that clock is ahead or behind, one on the border is told with both rounds rather than with none.
"""

AFTER_SETTLING: Final[tuple[FollowUp, ...]] = (SETTLE_MEMBERS,)
"""What else happens where a letter is put away, within that statement: reads `id`, `job_id`, `organization_id` and
`state` (discarded, expired) of the letters from `settled`."""

AFTER_REQUEUING: Final[tuple[FollowUp, ...]] = (REQUEUE_MEMBERS,)
"""Where jobs are given back: reads them from `changed`, with `flow_id`; it places those that have one."""


def fingerprint(job_type: str, code: str, message: str) -> str:
    """What failures of one kind have in common, as the statement has it: for jobs that no database keeps."""
    kind = "\n".join((job_type, code or "failed", re.sub(_VARIABLE, "#", message[:_COMPARED])))
    return hashlib.sha256(kind.encode()).digest()[:_BYTES].hex()
