"""What people ended themselves, once their row is gone: it holds for their addresses, until they switch it on again."""

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.notifications.sending._suppressions import CATEGORY
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.preferences._checks import types_about
from singr_comms.people.preferences._model import PreferenceChoice
from singr_comms.people.preferences._rule import ended_by
from singr_db import PlatformSession, TenantSession, new_id, sql_text
from singr_db.batch import read_arrays

_CHOSEN: Final = sql_text(
    """
SELECT r.external_id, r.email_hash, r.email_masked, r.phone_hash, r.phone_masked,
       p.scope, p.name, p.channel, p.allowed, p.source
  FROM recipients AS r JOIN preferences AS p ON p.organization_id = r.organization_id AND p.recipient_id = r.id
 WHERE r.organization_id = :organization_id AND r.external_id = ANY(CAST(:external_ids AS text[]))
   AND (r.email_hash IS NOT NULL OR r.phone_hash IS NOT NULL)
 ORDER BY r.external_id
""",
    roles=("tenant",),
)
_ROWS: Final = read_arrays(
    {"id": "uuid", "channel": "text", "address_hash": "bytea", "address_masked": "text", "scope": "text"}, ":rows"
)
_KEEP: Final = sql_text(
    f"""
INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason)
SELECT id, :organization_id, channel, address_hash, address_masked, scope, 'unsubscribed'
  FROM {_ROWS} ORDER BY channel, address_hash, scope
ON CONFLICT DO NOTHING
""",  # noqa: S608 - constants
    roles=("tenant",),
)
_OF_THEIRS: Final = f"""
      r.organization_id = :organization_id AND r.id = :recipient_id AND s.organization_id = r.organization_id
  AND s.address_hash IN (r.email_hash, r.phone_hash)
  AND s.address_hash = CASE s.channel WHEN 'email' THEN r.email_hash WHEN 'sms' THEN r.phone_hash END
  AND s.reason = 'unsubscribed' AND s.scope LIKE '{CATEGORY}_%' AND s.lifted_at IS NULL
"""
_BOTH: Final = ("platform", "tenant")
_ENDED: Final = sql_text(
    f"SELECT s.channel, s.scope FROM recipients AS r, suppressions AS s WHERE {_OF_THEIRS}",  # noqa: S608 - constants
    roles=_BOTH,
)
_LIFT: Final = sql_text(
    f"""
UPDATE suppressions AS s
   SET lifted_at = clock_timestamp(), lifted_by = 'recipient', lifted_note = 'asked for it again'
  FROM recipients AS r, {read_arrays({"channel": "text", "scope": "text"}, ":rows")}
 WHERE {_OF_THEIRS} AND s.channel = row.channel AND s.scope = row.scope
""",  # noqa: S608 - constants
    roles=_BOTH,
)


async def keep_ended(
    session: TenantSession,
    external_ids: Collection[str],
    *,
    leaves: Callable[[str, str, bytes], bool] = lambda *_: True,
) -> None:
    """Suppress, for the addresses of people who leave, the categories that they ended themselves; again is as once.

    Args:
        session: the transaction in which they leave, which holds their rows.
        external_ids: who.
        leaves: of an id, a channel and the fingerprint of an address, whether that leaves.
    """
    whose = {"organization_id": session.organization_id}
    chosen = (await session.execute(_CHOSEN, whose | {"external_ids": list(external_ids)})).all()
    rows = []
    for external_id, group in groupby(chosen, key=lambda row: row.external_id):
        theirs = list(group)
        for channel, category in sorted(ended_by(theirs)):
            column = "email" if channel == EMAIL.name else "phone"
            print_, masked = (getattr(theirs[0], f"{column}_{kept}") for kept in ("hash", "masked"))
            if print_ is not None and leaves(external_id, channel, bytes(print_)):
                rows.append((new_id(), channel, bytes(print_), masked or "***", CATEGORY + category))
    if rows:
        await session.execute(_KEEP, whose | {"rows": msgspec.json.encode(rows).decode()})


async def ended_for(session: TenantSession | PlatformSession, holder: Any) -> frozenset[tuple[str, str]]:
    """The channels and categories that the addresses of a recipient were unsubscribed from, whoever had them then."""
    if holder.recipient_id is None:
        return frozenset()
    if isinstance(session, KeepsPeople):
        return session.people.ended_for(holder.recipient_id)
    found = await session.execute(_ENDED, _whose(holder))
    return frozenset((row.channel, row.scope.removeprefix(CATEGORY)) for row in found)


async def lift_ended(
    session: TenantSession | PlatformSession, holder: Any, choices: Sequence[PreferenceChoice]
) -> list[PreferenceChoice]:
    """Lift what a recipient switches on again; returns their choices, and of lifted categories the rest of each.

    Whoever switches on a single type of a category keeps the others off: by a choice, as nothing else says it then.
    """
    on = [one for one in choices if one.allowed]
    ended = await ended_for(session, holder) if on else frozenset()
    lifted = sorted(each for each in ended if any(_switches(one, *each) for one in on))
    if not lifted:
        return list(choices)
    if isinstance(session, KeepsPeople):
        session.people.lift_ended(holder.recipient_id, lifted)
    else:
        rows = [(channel, CATEGORY + category) for channel, category in lifted]
        await session.execute(_LIFT, _whose(holder) | {"rows": msgspec.json.encode(rows).decode()})
    said = {(one.scope, one.name, one.channel) for one in choices}
    more = (rest for each in lifted for rest in _rest(on, *each))
    return [*choices, *(one for one in more if (one.scope, one.name, one.channel) not in said)]


def _rest(on: Iterable[PreferenceChoice], channel: str, category: str) -> list[PreferenceChoice]:
    """What stays as it was of a category, where single types of it are all that is switched on."""
    about = [one for one in on if _switches(one, channel, category)]
    if any(one.scope != "type" for one in about):
        return []
    off = PreferenceChoice(scope="category", name=category, channel=channel, allowed=False)
    # The category's pair outweighs a choice of a type without a channel.
    return [off, *(msgspec.structs.replace(one, channel=channel) for one in about)]


def _switches(one: PreferenceChoice, channel: str, category: str) -> bool:
    """Whether a choice is about a category, or something of it, on a channel."""
    if one.channel not in {None, channel}:
        return False
    if one.scope == "type":
        return any(about.category == category for about in types_about(one))
    return one.scope == "all" or one.name == category


def _whose(holder: Any) -> dict[str, Any]:
    return {"organization_id": holder.organization_id, "recipient_id": holder.recipient_id}
