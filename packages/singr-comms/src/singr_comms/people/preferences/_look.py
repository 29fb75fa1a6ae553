"""The look at what a recipient wants as an attempt begins: in the statement that begins it, where that is one."""

from typing import Any, Final

from singr_comms.catalogue import message_types
from singr_comms.notifications.sending._ordinary import begin_statement
from singr_comms.notifications.sending._try import PREFERENCE
from singr_comms.people.preferences._rule import RULE_SQL
from singr_db import TenantSession, sql, sql_text

_BEGIN: Final = sql(
    begin_statement(
        f"""NOT EXISTS (SELECT FROM (SELECT mine.recipient_id AS id) AS r CROSS JOIN {RULE_SQL} AS choice
                        WHERE NOT choice.allowed)"""
    )
)
_ASK: Final = sql_text(
    "SELECT choice.allowed, choice.rule FROM (SELECT CAST(:recipient_id AS uuid) AS id) AS r"  # noqa: S608 - constants
    f" CROSS JOIN {RULE_SQL} AS choice",
    roles=("tenant",),
)


class PreferencesLook:
    """Whether a recipient wants a message, asked as each attempt at it begins (`MessageSender(last_look=…)`).

    An opt-out that is committed before stops a message, however long it was queued: it ends as `suppressed`, with the
    code `preference`. The first attempt asks in the statement that begins it; of a message without a recipient nothing
    is asked.
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

    async def stops(self, session: TenantSession, row: Any) -> tuple[str, str] | None:
        """Return code and words of what its recipient does not want; None where they do, or there is none."""
        if row.recipient_id is None:
            return None
        values = self.values(row.kind) | {
            "organization_id": session.organization_id,
            "recipient_id": row.recipient_id,
            "channel": row.channel,
        }
        found = (await session.execute(_ASK, values)).one()
        return None if found.allowed else (PREFERENCE, f"its recipient does not want it: {found.rule} is off")
