"""Who holds a unique key: one unfinished job of an organization and type, by its row in `job_unique_keys`.

Its claim is let go where a job ends (`singr_db.ending`). The parameters of each statement are those of `claim_of`,
and of `TAKE_OVER` also the `holder`.
"""

from typing import Any, Final

from singr_jobs.intake._row import JobRow

# As in `singr_db.ending`, which `enqueue` must not need; a test compares.
UNFINISHED: Final = "('pending', 'dispatched', 'processing')"
_THE_KEY: Final = "organization_id = %(organization_id)s AND type = %(type)s AND unique_key = %(unique_key)s"

CLAIM: Final = """
INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id)
VALUES (%(organization_id)s, %(type)s, %(unique_key)s, %(job_id)s)
ON CONFLICT (organization_id, type, unique_key) DO NOTHING
RETURNING job_id
"""

# Only for a claim that this transaction has made: a replay's job may be there, and have ended.
UNCLAIM: Final = f"""
DELETE FROM job_unique_keys WHERE {_THE_KEY} AND job_id = %(job_id)s
"""  # noqa: S608 - a constant

# Whether the role may look after an abandoned claim: one that may only enqueue (`singr-db grant`) may not.
FIND: Final = f"""
SELECT job_id, has_table_privilege('jobs', 'SELECT') AND has_table_privilege('job_unique_keys', 'UPDATE')
  FROM job_unique_keys WHERE {_THE_KEY}
"""  # noqa: S608 - a constant

# A statement of its own, after the holder was seen: its snapshot then sees the job that was committed with the claim.
# It names that holder, or whoever waits for another's take-over would take the key from the new one.
TAKE_OVER: Final = f"""
UPDATE job_unique_keys SET job_id = %(job_id)s
 WHERE {_THE_KEY} AND job_id = %(holder)s
   AND NOT EXISTS (SELECT FROM jobs WHERE jobs.id = %(holder)s AND jobs.status IN {UNFINISHED})
RETURNING job_id
"""  # noqa: S608 - constants


def claim_of(row: JobRow) -> dict[str, Any]:
    """The parameters that name a job's claim."""
    return {
        "organization_id": row.organization_id,
        "type": row.type,
        "unique_key": row.unique_key,
        "job_id": row.id,
    }
