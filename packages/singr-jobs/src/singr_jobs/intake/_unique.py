"""Who holds a unique key: one unfinished job of an organization and type, by its row in `job_unique_keys`.

Its claim is let go where a job ends (`singr_db.ending`). One whose job went another way, with its partition or by hand,
is forgotten by the table itself when the key is asked for (the trigger of migrations 0011 and 0017), whoever asks.
"""

from typing import Any, Final
from uuid import UUID

import msgspec

from singr_jobs.intake._row import JobRow, insert_jobs, recordset

_THE_KEY: Final = "organization_id = %(organization_id)s AND type = %(type)s AND unique_key = %(unique_key)s"


class Key(msgspec.Struct, frozen=True):
    """A unique key, which is one only within its organization and type."""

    organization_id: UUID
    type: str
    unique_key: str | None


# The jobs, each with its key: both or neither. It inserts none where the key is held, and none where the job's id is
# taken, but then the claim is made, and whoever gave the id of a job has to take it back. Claims are made in the order
# of rows.
INSERT_WITH_KEY: Final = f"""
WITH input AS MATERIALIZED (
    SELECT * FROM {recordset(JobRow, "%(rows)s")}
), claimed AS (
    INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id)
    SELECT organization_id, type, unique_key, id FROM input
    ON CONFLICT (organization_id, type, unique_key) DO NOTHING
    RETURNING job_id
)
{insert_jobs("input JOIN claimed ON claimed.job_id = input.id")}
ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants

FIND: Final = f"SELECT job_id FROM job_unique_keys WHERE {_THE_KEY}"  # noqa: S608 - a constant

# The holders of many keys, each asked for by what a job's row has of it.
FIND_MANY: Final = f"""
SELECT CAST(organization_id AS text), type, unique_key, CAST(job_id AS text)
  FROM {recordset(Key, "%(keys)s")} JOIN job_unique_keys USING (organization_id, type, unique_key)
"""  # noqa: S608 - constants

# For ingestion, whose answer depends on who holds the key: within the transaction that stores the job.
CLAIM: Final = """
INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id)
VALUES (%(organization_id)s, %(type)s, %(unique_key)s, %(job_id)s)
ON CONFLICT (organization_id, type, unique_key) DO NOTHING
RETURNING job_id
"""


def claim_of(row: JobRow) -> dict[str, Any]:
    """The parameters that name a job's claim."""
    return {
        "organization_id": row.organization_id,
        "type": row.type,
        "unique_key": row.unique_key,
        "job_id": row.id,
    }


def key_of(row: JobRow) -> dict[str, Any]:
    """The parameters that name the key alone."""
    return {"organization_id": row.organization_id, "type": row.type, "unique_key": row.unique_key}
