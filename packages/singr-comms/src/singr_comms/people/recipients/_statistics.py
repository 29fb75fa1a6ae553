"""How many messages to one person came to what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from singr_comms.notifications.reading._counting import BUCKET, COLUMNS
from singr_comms.notifications.reading._question import QuestionError
from singr_comms.notifications.reading._statistics import (
    BY,
    GROUPS,
    DeliveryStatistics,
    flags_of,
    full_hours,
    looked_through,
    statistics_faults,
)
from singr_comms.people.privacy._prints import prints_of_person
from singr_comms.people.recipients._memory_statistics import KeepsMessages, statistics_in_memory
from singr_comms.people.recipients._store import row_of
from singr_db import Sealer, TenantSession, first_id, sql_text

BY_OF_PERSON: Final = tuple(one for one in BY if one != "user")
"""What may be told apart of one person's messages."""
MOST_OF_PERSON: Final = 10_000
"""So many of one person's messages are looked through."""
_MADE: Final = """organization_id = :organization_id AND id >= :first AND id < :last"""
_NEWEST: Final = f"ORDER BY id DESC LIMIT {MOST_OF_PERSON}"
# By the index of people, and by that of addresses: OFFSET keeps the planner from walking through everybody's instead,
# in the order that is wanted. What named somebody else of the same address is theirs.
PERSON: Final = sql_text(
    f"""
WITH made AS MATERIALIZED (
    SELECT * FROM (
        (SELECT {COLUMNS}, created_at FROM messages WHERE {_MADE} AND recipient_id = :recipient_id {_NEWEST})
         UNION ALL
        (SELECT {COLUMNS}, created_at
           FROM (SELECT * FROM messages WHERE recipient_hash = ANY (CAST(:hashes AS bytea[]))
                    AND recipient_id IS NULL AND {_MADE} OFFSET 0) AS addressed {_NEWEST})
    ) AS either {_NEWEST}
)
SELECT {GROUPS.format(day="date_trunc('day', created_at, 'UTC')")}, CAST(NULL AS uuid) AS "user",
       status, code, {BUCKET} AS bucket, count(*) AS messages, min(id::text) AS oldest
  FROM made GROUP BY 1, 2, 3, 4, status, code, bucket
""",  # noqa: S608 - constants
    roles=("tenant",),
)


async def recipient_statistics(
    session: TenantSession,
    external_id: str,
    *,
    sealer: Sealer,
    by: Sequence[str] = ("channel",),
    since: datetime,
    until: datetime,
) -> DeliveryStatistics:
    """How many messages to a person came to what: those that named them, and those that named their address alone.

    Counted when asked, from the messages that are kept: the newest 10,000 (`since` says how far back that led). Whole
    hours are told, the bounds rounded outwards, by when messages were asked for.

    Args:
        session: fences it to its organization.
        external_id: the organization's own id of the person.
        sealer: made from `AUTH_SECRET`: finds their addresses by their fingerprints.
        by: what to tell apart, of `BY_OF_PERSON`.
        since: inclusive, aware.
        until: exclusive, aware; 92 days later at most.

    Raises:
        QuestionError: names all that is wrong.
        RecipientNotFoundError: there is no such person, or they were erased.
    """
    if faults := tuple(statistics_faults(by, since, until, among=BY_OF_PERSON)):
        raise QuestionError(*faults)
    row = await row_of(session, external_id)
    first, last = full_hours(since, until)
    if isinstance(session, KeepsMessages):
        return statistics_in_memory(session, external_id, by, first, last)
    values = {
        "organization_id": session.organization_id,
        "recipient_id": row.id,
        "hashes": list(await prints_of_person(session, row, sealer)),
        "first": first_id(first),
        "last": first_id(last),
        **flags_of(by),
    }
    rows = (await session.execute(PERSON, values)).all()
    return looked_through(rows, first, last, most=MOST_OF_PERSON)
