"""Who holds a unique key: one unfinished job of an organization and type, by its row in `job_unique_keys`.

Its claim is let go where a job ends (`singr_db.ending`), or once its time is over (`until`). One whose job went another
way, with its partition or by hand, is forgotten by the table itself when the key is asked for (the trigger of
migrations 0011, 0017 and 0038), whoever asks.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_jobs.declare._checks import check_kind, check_seconds
from singr_jobs.declare._types import Debounce
from singr_jobs.intake._row import STORED, JobRow, insert_jobs, recordset

LONGEST_HOLD: Final = 86_400
"""Seconds for which a key may be held after its job was made: so long the job is kept, whenever it ends."""

THE_KEY: Final = "organization_id = %(organization_id)s AND type = %(type)s AND unique_key = %(unique_key)s"


class Key(msgspec.Struct, frozen=True):
    """A unique key, which is one only within its organization and type."""

    organization_id: UUID
    type: str
    unique_key: str | None


class Holding(msgspec.Struct, frozen=True):
    """How a job has its unique key, where that is more than until it ends.

    Attributes:
        seconds: it holds the key for so long after it was made, even once it has ended.
        replaces: it takes the place of the job that holds the key.
        debounce: it does so, and says when it is due.
    """

    seconds: float | None = None
    replaces: bool = False
    debounce: Debounce | None = None

    def values(self) -> dict[str, float | None]:
        """The parameters that say so."""
        quiet = self.debounce
        return {
            "hold": self.seconds,
            "quiet": None if quiet is None else quiet.seconds,
            "longest": None if quiet is None else quiet.longest,
        }


def holding_of(
    *,
    has_key: bool,
    run_at: datetime | None = None,
    unique_for: object = None,
    replace: object = False,
    debounce: object = None,
) -> Holding | None:
    """The options of that kind, None where there are none; raises ValueError."""
    check_kind("replace", replace, bool, "True or False")
    given = [
        name
        for name, is_given in (
            ("unique_for", unique_for is not None),
            ("replace", replace),
            ("debounce", debounce is not None),
        )
        if is_given
    ]
    if not given:
        return None
    if not has_key:
        raise ValueError(f"{given[0]} needs a unique_key: it is about the jobs that have the same")
    if unique_for is not None and len(given) > 1:
        raise ValueError(f"unique_for excludes {given[1]}: the one keeps a second job out, the other lets it in")
    if unique_for is not None:
        check_seconds("unique_for", unique_for, most=LONGEST_HOLD)
    if debounce is not None:
        check_kind("debounce", debounce, Debounce, "a Debounce, such as Debounce(10, longest=60)")
        if run_at is not None:
            raise ValueError("debounce excludes run_at: it says itself when the job is due")
    return Holding(unique_for, replaces="unique_for" not in given, debounce=debounce)  # type: ignore[arg-type]  # checked


_FROM_NOW: Final = "now() + CAST(%({0})s AS float8) * interval '1 second'"
_UNTIL: Final = _FROM_NOW.format("hold")
DUE: Final = _FROM_NOW.format("quiet")
_BOUND: Final = f"coalesce({_FROM_NOW.format('longest')}, 'infinity')"
DUE_BY: Final = f"CASE WHEN CAST(%(quiet)s AS float8) IS NOT NULL THEN {_BOUND} END"


def _insert_with_key(claim: Mapping[str, str] = {}, stored: Mapping[str, str] = STORED) -> str:
    """The jobs, each with its key: both or neither; `claim` gives more columns of the claims.

    It inserts none where the key is held, and none where the job's id is taken, but then the claim is made, and whoever
    gave the id of a job has to take it back. Claims are made in the order of rows.
    """
    columns = ", ".join(("organization_id", "type", "unique_key", "job_id", *claim))
    values = ", ".join(("organization_id", "type", "unique_key", "id", *claim.values()))
    return f"""
WITH input AS MATERIALIZED (
    SELECT * FROM {recordset(JobRow, "%(rows)s")}
), claimed AS (
    INSERT INTO job_unique_keys ({columns})
    SELECT {values} FROM input
    ON CONFLICT (organization_id, type, unique_key) DO NOTHING
    RETURNING job_id
)
{insert_jobs("input JOIN claimed ON claimed.job_id = input.id", stored=stored)}
ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants


INSERT_WITH_KEY: Final = _insert_with_key()
INSERT_AND_HOLD: Final = _insert_with_key({"until": _UNTIL})
# Of one that would take the place of another, where there is none.
INSERT_FIRST: Final = _insert_with_key({"due_by": DUE_BY}, {**STORED, "run_at": f"greatest(run_at, {DUE}, now())"})

FIND: Final = f"SELECT job_id FROM job_unique_keys WHERE {THE_KEY}"  # noqa: S608 - a constant

# The holders of many keys, each asked for by what a job's row has of it.
FIND_MANY: Final = f"""
SELECT CAST(organization_id AS text), type, unique_key, CAST(job_id AS text)
  FROM {recordset(Key, "%(keys)s")} JOIN job_unique_keys USING (organization_id, type, unique_key)
"""  # noqa: S608 - constants

# Whether a job's id is one of this organization and type, asked as a role can that reads no jobs: by two claims of a
# key that nobody has. The table lets the second one in only where the first names somebody else's job. To be undone.
CLAIM_TWICE: Final = """
INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id, until)
SELECT CAST(%(organization_id)s AS uuid), CAST(%(type)s AS text), CAST(CAST(%(nobody)s AS uuid) AS text), id, 'infinity'
  FROM unnest(ARRAY[CAST(%(job_id)s AS uuid), CAST(%(nobody)s AS uuid)]) WITH ORDINALITY AS claim (id, place)
 ORDER BY place
ON CONFLICT DO NOTHING
"""

# For ingestion, whose answer depends on who holds the key: within the transaction that stores the job.
CLAIM: Final = f"""
INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id, until, due_by)
VALUES (%(organization_id)s, %(type)s, %(unique_key)s, %(job_id)s, {_UNTIL}, {DUE_BY})
ON CONFLICT (organization_id, type, unique_key) DO NOTHING
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


def key_of(row: JobRow) -> dict[str, Any]:
    """The parameters that name the key alone."""
    return {"organization_id": row.organization_id, "type": row.type, "unique_key": row.unique_key}
