"""The look at a recipient as an attempt begins: in the statement that begins it, where that is one.

Are they there still, is the device theirs, do they want it, and may they be disturbed now?
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from singr_comms.catalogue import INBOX, message_types
from singr_comms.notifications.sending._ordinary import begin_statement
from singr_comms.notifications.sending._try import (
    ERASED,
    NO_DEVICE,
    PREFERENCE,
    UNQUIET,
    UNWANTED,
    BidesItsTime,
    Refused,
)
from singr_comms.people.preferences._rule import RULE_SQL, rule_values
from singr_db import TenantSession, sql, sql_text

_IS_THERE: Final = """EXISTS (SELECT FROM recipients AS person
                        WHERE person.organization_id = CAST(%(organization_id)s AS uuid) AND person.id = r.id)"""
# By every fingerprint of its token: one that was registered again under another secret is the same device.
_IS_THEIRS: Final = """(CAST(%(channel)s AS text) <> 'push'
              OR EXISTS (SELECT FROM push_devices AS device
                          WHERE device.organization_id = CAST(%(organization_id)s AS uuid)
                            AND device.token_hash = ANY (CAST(%(hashes)s AS bytea[]))
                            AND device.recipient_id = r.id AND device.off_at IS NULL))"""
_QUIET: Final = """(
       SELECT quiet_until({moment}, sleeper.time_zone, sleeper.quiet_from, sleeper.quiet_to, sleeper.quiet_days)
         FROM recipients AS sleeper
        WHERE sleeper.organization_id = CAST(%(organization_id)s AS uuid) AND sleeper.id = r.id
          AND sleeper.quiet_from IS NOT NULL AND CAST(%(quiet)s AS text) <> 'pass' AND NOT {pressing})"""
_AWAKE: Final = _QUIET.format(
    moment="clock_timestamp()",
    pressing="EXISTS (SELECT FROM notifications AS n WHERE n.id = mine.notification_id AND n.priority = 0)",
)
_ASLEEP: Final = _QUIET.format(
    moment="coalesce(CAST(%(at)s AS timestamptz), clock_timestamp())", pressing="CAST(%(is_pressing)s AS boolean)"
)
_BEGIN: Final = sql(
    begin_statement(
        f"""NOT EXISTS (SELECT FROM (SELECT mine.recipient_id AS id) AS r CROSS JOIN {RULE_SQL} AS choice
                        WHERE NOT choice.allowed)
            AND EXISTS (SELECT FROM (SELECT mine.recipient_id AS id) AS r
                         WHERE {_IS_THERE} AND {_IS_THEIRS} AND {_AWAKE} IS NULL)"""  # noqa: S608 - constants
    )
)
_ASK: Final = sql_text(
    f"""
SELECT choice.allowed, choice.rule, {_IS_THERE} AS is_there, {_IS_THEIRS} AS is_theirs,
       {_ASLEEP} AS until, clock_timestamp() AS moment
  FROM (SELECT CAST(:recipient_id AS uuid) AS id) AS r CROSS JOIN {RULE_SQL} AS choice
""",  # noqa: S608 - constants
    roles=("tenant",),
)


class LookedAt(msgspec.Struct, frozen=True):
    """What a look at a recipient found.

    Args:
        rule: what they or their organization chose of the message, as `decide` names it.
        stops: all that stops it, in order: what is first decides.
        quiet_until: where nothing stops it, until when it waits for its reader's quiet hours to end.
        moment: by the database's clock, when that was found.
    """

    rule: str
    stops: tuple[Refused, ...]
    quiet_until: datetime | None
    moment: datetime


class PreferencesLook:
    """Whether a message may still go to its recipient, asked as each attempt begins (`MessageSender(last_look=…)`).

    What is committed before stops a message, however long it was queued. It ends as `suppressed`, with the code

    - `erased` where its recipient was taken off the list: what they had chosen is gone, so that nothing goes to them;
    - `no_device` where it is a push, and its device was taken off, turned off or registered by somebody else;
    - `preference` where its recipient does not want it;
    - `quiet_hours` where these have begun, and its type is dropped then. Otherwise it waits for their end.

    The first attempt asks in the statement that begins it; of a message without a recipient nothing is asked.
    """

    begin = _BEGIN

    def values(self, kind: str) -> dict[str, Any]:
        """What the rule takes of a message of this type."""
        declared = message_types.named(kind)
        return rule_values(kind, declared) | {"quiet": "pass" if declared is None else declared.quiet}

    async def stops(self, session: TenantSession, row: Any, hashes: Sequence[bytes]) -> Refused | None:
        """Return what stops a message to a recipient; None where nothing does, or there is none.

        Raises:
            BidesItsTime: its reader is not to be disturbed now.
        """
        if row.recipient_id is None:
            return None
        looked = await self.look(session, row, hashes, is_pressing=row.is_pressing)
        if not looked.stops and looked.quiet_until is not None:
            seconds = (looked.quiet_until - looked.moment).total_seconds()
            raise BidesItsTime(max(seconds, 0.0), UNQUIET.code, "its recipient's quiet hours have begun")
        return next(iter(looked.stops), None)

    async def look(
        self,
        session: TenantSession,
        row: Any,
        hashes: Sequence[bytes],
        *,
        is_pressing: bool = False,
        at: datetime | None = None,
    ) -> LookedAt:
        """Return what is found of the recipient of a message, which there need not be yet.

        Args:
            session: fenced to the organization.
            row: has `recipient_id`, `kind` and `channel`.
            hashes: every fingerprint of the address that it would go to; none where there is no address.
            is_pressing: it goes at any hour.
            at: of which time; now unless given.
        """
        values = self.values(row.kind) | {
            "organization_id": session.organization_id,
            "recipient_id": row.recipient_id,
            "channel": row.channel,
            "hashes": hashes,
            "is_pressing": is_pressing or row.channel == INBOX,
            "at": at,
        }
        found = (await session.execute(_ASK, values)).one()
        said = (
            (not found.is_there, ERASED),
            (not found.is_theirs, NO_DEVICE),
            (not found.allowed, Refused(PREFERENCE, UNWANTED.format(rule=found.rule), found.rule)),
            (found.until is not None and values["quiet"] == "drop", UNQUIET),
        )
        stops = tuple(refused for holds, refused in said if holds)
        return LookedAt(found.rule, stops, None if stops else found.until, found.moment)
