"""What the platform's secret itself sealed, and a former one of it still opens: counted, before that is taken out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import TextClause

from singr_db._statements import sql_text
from singr_db.sealing._sealer import Sealer
from singr_db.sessions._database import Database

# It reads whole tables, which nobody waits for.
_NO_HURRY: Final = sql_text("SELECT set_config('statement_timeout', '0', true)")


def _by_secret(column: str, source: str, *, number: str = "count(*)", until: str = "NULL::timestamptz") -> TextClause:
    """How many values each secret sealed, by the five bytes that name it; those of people's own keys are not its."""
    return sql_text(f"""
SELECT substr({column}, 1, 5) AS secret, {number} AS number, max({until}) AS until
  FROM {source} WHERE substr({column}, 1, 1) = '\\x01'::bytea GROUP BY 1
""")  # noqa: S608 - constants


# A notification's words go with its end: until then, messages that wait have them from it.
_KINDS: Final[Mapping[str, TextClause]] = {
    "items of digests": _by_secret(
        "i.content_sealed", "digest_items AS i JOIN digest_windows AS w ON w.id = i.window_id", until="w.closes_at"
    ),
    "notifications that have not ended": _by_secret(
        "s.sealed",
        """(SELECT notification_id, content_sealed AS sealed FROM notification_contents UNION ALL
            SELECT notification_id, address_sealed FROM notification_targets WHERE address_sealed IS NOT NULL) AS s
          JOIN notifications AS n ON n.id = s.notification_id AND n.ended_at IS NULL""",
        number="count(DISTINCT s.notification_id)",
        until="coalesce(n.send_at, n.created_at)",
    ),
    "messages that wait": _by_secret(
        "m.sealed",
        """(SELECT unnest(ARRAY[recipient_sealed, content_sealed]) AS sealed, id FROM messages
             WHERE status IN ('queued', 'dispatched')) AS m""",
        number="count(DISTINCT m.id)",
    ),
    "items of inboxes": _by_secret("i.content_sealed", "inbox_items AS i"),
    "schedules that callers asked for": _by_secret("s.request", "schedules AS s"),
    "authenticator secrets": _by_secret("f.secret_sealed", "second_factors AS f"),
    "phone numbers of accounts": _by_secret("u.phone_sealed", "users AS u"),
    "signing keys": _by_secret(
        "c.secret_sealed",
        "(SELECT secret_sealed FROM service_credentials WHERE revoked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > now())) AS c",
    ),
}


class StillSealed(msgspec.Struct, frozen=True):
    """What needs another secret than the current one.

    Attributes:
        what: in words, many of them.
        former: how many a former secret seals that is known here.
        unknown: how many a secret seals that is not.
        until: when the last of the former ones is due; None where they have no such time.
    """

    what: str
    former: int = 0
    unknown: int = 0
    until: datetime | None = None


async def still_sealed(db: Database, sealer: Sealer) -> list[StillSealed]:
    """Count what the current secret does not open; nothing of a kind is left out of the list.

    Messages that were sent, codes and links are not looked at: they go within their own time.
    """
    found = []
    for what, asked in _KINDS.items():
        async with db.platform() as session:
            await session.execute(_NO_HURRY)
            rows = [row for row in await session.execute(asked) if not sealer.is_current(row.secret)]
        former = [row for row in rows if sealer.knows(row.secret)]
        left = sum(row.number for row in former)
        unknown = sum(row.number for row in rows) - left
        if rows:
            until = max((row.until for row in former if row.until is not None), default=None)
            found.append(StillSealed(what, left, unknown, until))
    return found
