"""The limits, asked in place of counted: the same rules, and a look where sending takes one."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import TextClause

from singr_comms.notifications.sending._guards import SmsGuards
from singr_comms.notifications.sending._quotas import DAY, HOUR, Count, Quotas
from singr_db import Database, TenantSession, sql, sql_text

_MOMENT: Final = "coalesce(CAST(:at AS timestamptz), now())"
_ROOM: Final = """
SELECT NOT EXISTS (
       SELECT FROM message_quotas
        WHERE organization_id = CAST(:organization_id AS uuid) AND channel = CAST(:channel AS text)
          AND subject_hash = CAST(:subject AS bytea) AND window_start = {window} AND count >= :limit)
"""
_HOUR: Final = HOUR.replace("now()", _MOMENT)
_ROOM_IN_HOUR: Final = sql_text(_ROOM.format(window=_HOUR), roles=("tenant",))
_ROOM_ON_DAY: Final = sql_text(_ROOM.format(window=DAY.replace("now()", _MOMENT)), roles=("tenant",))
# Of all organizations together: what an organization learns of it is whether its own message would go.
_SMS_ROOM: Final = sql(f"""
SELECT %(most)s > 0 AND NOT EXISTS (
       SELECT FROM sms_counts WHERE subject_hash = %(subject)s AND window_start = {_HOUR.replace(":at", "%(at)s")}
          AND count >= %(most)s)
""")  # noqa: S608 - constants


class AskedQuotas(Quotas):
    """As `Quotas`, at a moment (None: now), and nothing is counted by asking."""

    at: datetime | None = None

    async def takes(self, session: TenantSession, row: Any, statement: TextClause, count: Count) -> bool:  # noqa: ARG002 - as where it is sent
        """Whether one more would not be too many."""
        values = {
            "organization_id": session.organization_id,
            "channel": row.channel,
            "subject": count.subject,
            "limit": count.most,
            "at": self.at,
        }
        return bool(await session.scalar(_ROOM_ON_DAY if count.daily else _ROOM_IN_HOUR, values))


class AskedSmsGuards(SmsGuards):
    """As `SmsGuards`, at a moment (None: now), and nothing is counted by asking.

    `db` has the counts of all, and is asked beside the session.
    """

    db: Database
    at: datetime | None = None

    async def takes(self, session: TenantSession, subject: str, most: int) -> bool:  # noqa: ARG002 - as where it is sent
        """Whether one more would not be too many."""
        values = {"subject": self.print_of(subject), "most": most, "at": self.at}
        async with self.db.psycopg.connection() as connection:
            found = await (await connection.execute(_SMS_ROOM, values)).fetchone()
        return found is not None and bool(found[0])
