"""The look at a recipient as an attempt begins: in the statement that begins it, where that is one.

Are they there still, is the device theirs, and do they want it?
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.notifications.sending._ordinary import begin_statement
from singr_comms.notifications.sending._try import NO_DEVICE, PREFERENCE, REMOVED, UNWANTED, Refused
from singr_comms.people.preferences._rule import RULE_SQL
from singr_db import TenantSession, sql, sql_text

_IS_THERE: Final = """EXISTS (SELECT FROM recipients AS person
                        WHERE person.organization_id = CAST(%(organization_id)s AS uuid) AND person.id = r.id)"""
# By every fingerprint of its token: one that was registered again under another secret is the same device.
_IS_THEIRS: Final = """(CAST(%(channel)s AS text) <> 'push'
              OR EXISTS (SELECT FROM push_devices AS device
                          WHERE device.organization_id = CAST(%(organization_id)s AS uuid)
                            AND device.token_hash = ANY (CAST(%(hashes)s AS bytea[]))
                            AND device.recipient_id = r.id AND device.off_at IS NULL))"""
_BEGIN: Final = sql(
    begin_statement(
        f"""NOT EXISTS (SELECT FROM (SELECT mine.recipient_id AS id) AS r CROSS JOIN {RULE_SQL} AS choice
                        WHERE NOT choice.allowed)
            AND EXISTS (SELECT FROM (SELECT mine.recipient_id AS id) AS r
                         WHERE {_IS_THERE} AND {_IS_THEIRS})"""  # noqa: S608 - constants
    )
)
_ASK: Final = sql_text(
    f"""
SELECT choice.allowed, choice.rule, {_IS_THERE} AS is_there, {_IS_THEIRS} AS is_theirs
  FROM (SELECT CAST(:recipient_id AS uuid) AS id) AS r CROSS JOIN {RULE_SQL} AS choice
""",  # noqa: S608 - constants
    roles=("tenant",),
)


class LookedAt(msgspec.Struct, frozen=True):
    """What a look at a recipient found.

    Args:
        rule: what they or their organization chose of the message, as `decide` names it.
        stops: all that stops it, in order: what is first decides.
    """

    rule: str
    stops: tuple[Refused, ...]


class PreferencesLook:
    """Whether a message may still go to its recipient, asked as each attempt begins (`MessageSender(last_look=…)`).

    What is committed before stops a message, however long it was queued. It ends as `suppressed`, with the code

    - `erased` where its recipient was taken off the list: what they had chosen is gone, so that nothing goes to them;
    - `no_device` where it is a push, and its device was taken off, turned off or registered by somebody else;
    - `preference` where its recipient does not want it.

    The first attempt asks in the statement that begins it; of a message without a recipient nothing is asked.
    """

    begin = _BEGIN

    def values(self, kind: str) -> dict[str, Any]:
        """What the rule takes of a message of this type."""
        declared = message_types.named(kind)
        return {
            "type": kind,
            "category": "" if declared is None else declared.category,
            "mandatory": declared is not None and declared.mandatory,
            "type_allows": True,
        }

    async def stops(self, session: TenantSession, row: Any, hashes: Sequence[bytes]) -> Refused | None:
        """Return what stops a message to a recipient; None where nothing does, or there is none."""
        if row.recipient_id is None:
            return None
        return next(iter((await self.look(session, row, hashes)).stops), None)

    async def look(self, session: TenantSession, row: Any, hashes: Sequence[bytes]) -> LookedAt:
        """Return what is found of the recipient of a message, which there need not be yet.

        Args:
            session: fenced to the organization.
            row: has `recipient_id`, `kind` and `channel`.
            hashes: every fingerprint of the address that it would go to; none where there is no address.
        """
        values = self.values(row.kind) | {
            "organization_id": session.organization_id,
            "recipient_id": row.recipient_id,
            "channel": row.channel,
            "hashes": hashes,
        }
        found = (await session.execute(_ASK, values)).one()
        said = (
            (not found.is_there, REMOVED),
            (not found.is_theirs, NO_DEVICE),
            (not found.allowed, Refused(PREFERENCE, UNWANTED.format(rule=found.rule), found.rule)),
        )
        return LookedAt(found.rule, tuple(refused for holds, refused in said if holds))
