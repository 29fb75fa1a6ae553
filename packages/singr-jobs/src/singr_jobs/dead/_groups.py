"""Dead letters by kinds of failure, the largest first: each kind is looked at, as long as there are not too many.

Kinds are found by hopping along an index, so that a million failures of one hide no other. Each is counted a little,
the largest of them further. Fingerprints are hashes: where there are more kinds than are hopped to, those are a random
part of all, and the latest letters are looked through as well.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause

from singr_db import PlatformSession, TenantSession, sql_text
from singr_db.tables import DeadLetterState
from singr_jobs.dead._sql import COLUMNS, READERS
from singr_jobs.dead._views import DeadLetterGroup, DeadLetterGroups, letter_view

MOST_GROUPS: Final = 200
COUNTED: Final = 1000
"""So far the letters of a group are counted, or less far where many groups are large."""
MOST_KINDS: Final = 1000
LATEST: Final = 10_000
# Rows that the counts of all kinds, and of those that are told, look at together.
_FIRST_LOOK: Final = 10_000
_SECOND_LOOK: Final = 15_000
_COUNTED_FIRST: Final = 20

_OPEN: Final = f"state = '{DeadLetterState.OPEN.value}'"


def _kinds(whose: str) -> str:
    these = f"FROM dead_letters AS d WHERE {_OPEN}{whose}"
    return f"""
WITH RECURSIVE hop AS (
    (SELECT d.fingerprint {these} ORDER BY d.fingerprint LIMIT 1)
    UNION ALL
    SELECT (SELECT d.fingerprint {these} AND d.fingerprint > hop.fingerprint ORDER BY d.fingerprint LIMIT 1)
      FROM hop WHERE hop.fingerprint IS NOT NULL
), found AS MATERIALIZED (
    SELECT fingerprint FROM hop WHERE fingerprint IS NOT NULL LIMIT :most
), alike AS MATERIALIZED (
    SELECT found.fingerprint, latest.failed_at
      FROM found CROSS JOIN LATERAL (
        SELECT d.type, d.failed_at {these} AND d.fingerprint = found.fingerprint ORDER BY d.id DESC LIMIT 1) AS latest
     WHERE latest.type = coalesce(CAST(:type AS text), latest.type)
)
SELECT of_all.kinds, alike.fingerprint, alike.failed_at, counted.letters
  FROM (SELECT count(*) AS kinds FROM found) AS of_all LEFT JOIN alike ON true
  LEFT JOIN LATERAL (
    SELECT count(*) AS letters FROM (
        SELECT {these} AND d.fingerprint = alike.fingerprint
         LIMIT GREATEST({_COUNTED_FIRST}, LEAST(:counted, {_FIRST_LOOK} / (SELECT nullif(count(*), 0) FROM alike)))
    ) AS few
  ) AS counted ON true
"""  # noqa: S608 - constants


def _latest(whose: str) -> str:
    return f"""
WITH latest AS MATERIALIZED (
    SELECT d.fingerprint, d.type, d.failed_at FROM dead_letters AS d WHERE {_OPEN}{whose} ORDER BY d.id DESC LIMIT :most
)
SELECT of_all.looked_through, of_all.looked_back_to, alike.*
  FROM (SELECT count(*) AS looked_through, min(failed_at) AS looked_back_to FROM latest) AS of_all
  LEFT JOIN (
    SELECT fingerprint, max(failed_at) AS failed_at, count(*) AS letters
      FROM latest WHERE type = coalesce(CAST(:type AS text), type)
     GROUP BY fingerprint ORDER BY 3 DESC, 2 DESC LIMIT :groups) AS alike ON true
"""  # noqa: S608 - constants


def _groups(whose: str) -> str:
    of_group = f"FROM dead_letters AS d WHERE {_OPEN}{whose} AND d.fingerprint = told.fingerprint"
    return f"""
SELECT last.*, counted.letters, first.failed_at AS first_at
  FROM unnest(CAST(:fingerprints AS text[])) AS told (fingerprint)
 CROSS JOIN LATERAL (SELECT count(*) AS letters FROM (SELECT {of_group} LIMIT :counted) AS few) AS counted
 CROSS JOIN LATERAL (SELECT d.failed_at {of_group} ORDER BY d.id LIMIT 1) AS first
 CROSS JOIN LATERAL (SELECT {COLUMNS}, error_code {of_group} ORDER BY d.id DESC LIMIT 1) AS last
"""  # noqa: S608 - constants


_OURS: Final = " AND d.organization_id = :organization_id"
_OF_ONE: Final = tuple(sql_text(each(_OURS), roles=READERS) for each in (_kinds, _latest, _groups))
_OF_ALL: Final = tuple(sql_text(each("")) for each in (_kinds, _latest, _groups))


async def find_groups(
    session: TenantSession | PlatformSession, organization_id: UUID | None, job_type: str | None
) -> DeadLetterGroups:
    """The groups of an organization's open letters, or of all, the largest first."""
    kinds, latest, groups = _OF_ALL if organization_id is None else _OF_ONE
    given = {"organization_id": organization_id, "type": job_type}
    found = (await session.execute(kinds, {**given, "most": MOST_KINDS + 1, "counted": COUNTED})).all()
    sizes = {row.fingerprint: (row.letters, row.failed_at) for row in found if row.fingerprint is not None}
    looked_back_to = None
    is_cut = found[0].kinds > MOST_KINDS
    if is_cut or len(sizes) > MOST_GROUPS:
        looked_back_to = await _look_at_latest(session, latest, given, sizes)
    largest = sorted(sizes, key=lambda kind: (*sizes[kind], kind), reverse=True)
    told = largest[:MOST_GROUPS]
    bound = min(COUNTED, max(_COUNTED_FIRST, _SECOND_LOOK // max(1, len(told))))
    rows = (await session.execute(groups, {**given, "fingerprints": told, "counted": bound + 1})).all()
    told_of = [_group(row, bound) for row in rows]
    told_of.sort(key=lambda group: (group.count, group.last_at, group.fingerprint), reverse=True)
    complete = len(largest) <= MOST_GROUPS and (looked_back_to is None or not is_cut)
    return DeadLetterGroups(groups=tuple(told_of), complete=complete, looked_back_to=looked_back_to)


async def _look_at_latest(
    session: TenantSession | PlatformSession,
    latest: TextClause,
    given: dict[str, Any],
    sizes: dict[str, tuple[int, datetime]],
) -> datetime | None:
    """Look through the latest letters for other kinds, and for which are large; answers until when."""
    rows = (await session.execute(latest, {**given, "most": LATEST, "groups": MOST_GROUPS})).all()
    for row in rows:
        if row.fingerprint is not None:
            sizes[row.fingerprint] = max(sizes.get(row.fingerprint, (0, row.failed_at)), (row.letters, row.failed_at))
    return rows[0].looked_back_to if rows[0].looked_through == LATEST else None


def _group(row: Any, bound: int) -> DeadLetterGroup:
    return DeadLetterGroup(
        fingerprint=row.fingerprint,
        type=row.type,
        error_code=row.error_code,
        count=min(row.letters, bound),
        counted="exact" if row.letters <= bound else "at_least",
        first_at=row.first_at,
        last_at=row.failed_at,
        example=letter_view(row),
    )
