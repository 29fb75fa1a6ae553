"""What people ended themselves: it holds for their addresses, also once their row is gone, until switched on again."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Final, TypeVar

import msgspec

from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.notifications._rows import normalized, prints_of
from singr_comms.notifications.sending._suppressions import CATEGORY
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.preferences._checks import types_about
from singr_comms.people.preferences._model import PreferenceChoice, Source
from singr_comms.people.preferences._rule import RECIPIENT, ended_by
from singr_db import PlatformSession, Sealer, TenantSession, new_id, sql_text
from singr_db.batch import read_arrays

H = TypeVar("H", bound=Any)
_BOTH: Final = ("platform", "tenant")
_BY_LINK: Final = frozenset({"link", "unsubscribe"})
_CHOICES: Final = """
SELECT r.external_id, r.email_hash, r.email_masked, r.phone_hash, r.phone_masked,
       p.scope, p.name, p.channel, p.allowed, p.source
  FROM recipients AS r JOIN preferences AS p ON p.organization_id = r.organization_id AND p.recipient_id = r.id
 WHERE r.organization_id = :organization_id AND (r.email_hash IS NOT NULL OR r.phone_hash IS NOT NULL) AND
"""
_CHOSEN: Final = sql_text(
    f"{_CHOICES} r.external_id = ANY(CAST(:external_ids AS text[])) ORDER BY r.external_id", roles=("tenant",)
)
_CHOSEN_BY: Final = sql_text(f"{_CHOICES} r.id = :recipient_id", roles=_BOTH)
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
    roles=_BOTH,
)
_OF_THEIRS: Final = f"""
      r.organization_id = :organization_id AND r.id = :recipient_id AND s.organization_id = r.organization_id
  AND s.address_hash IN (r.email_hash, r.phone_hash)
  AND s.address_hash = CASE s.channel WHEN 'email' THEN r.email_hash WHEN 'sms' THEN r.phone_hash END
  AND s.reason = 'unsubscribed' AND s.scope LIKE '{CATEGORY}_%' AND s.lifted_at IS NULL
"""
_ENDED: Final = sql_text(
    f"SELECT s.channel, s.scope, s.address_hash FROM recipients AS r, suppressions AS s WHERE {_OF_THEIRS}",  # noqa: S608 - constants
    roles=_BOTH,
)
_LIFT: Final = sql_text(
    f"""
UPDATE suppressions AS s
   SET lifted_at = clock_timestamp(), lifted_by = 'recipient', lifted_note = 'asked for it again'
  FROM recipients AS r, {read_arrays({"channel": "text", "scope": "text"}, ":rows")}
 WHERE {_OF_THEIRS} AND s.channel = row.channel AND s.scope = row.scope
   AND s.address_hash = ANY(CAST(:reads AS bytea[]))
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
        rows += _suppressing(theirs[0], ended_by(theirs), partial(leaves, external_id))
    if rows:
        await session.execute(_KEEP, whose | {"rows": msgspec.json.encode(rows).decode()})


async def keep_from_others(
    session: TenantSession | PlatformSession, holder: Any, choices: Sequence[PreferenceChoice], source: Source
) -> None:
    """Suppress what choices would switch on, for addresses that who chooses has not shown to read.

    Where such an address ended it by a mail, or somebody else than who chooses did: a choice that is overwritten, or
    taken back, would stop nothing any more.

    Args:
        session: the caller's transaction.
        holder: who chooses, and what they read.
        choices: theirs.
        source: whoever is signed in changes what they said signed in, wherever they are written to.
    """
    on = [one for one in choices if one.allowed is not False]
    if not on:
        return
    theirs = await _theirs(session, holder)
    said = [one for one in theirs if one.allowed or source != RECIPIENT or one.source != RECIPIENT]
    ended = {each for each in ended_by(said) if any(_switches(one, *each) for one in on)}
    await _suppress(session, holder, theirs, ended, lambda print_: print_ not in holder.reads)


async def end_where_read(
    session: TenantSession | PlatformSession, holder: Any, choices: Sequence[PreferenceChoice], source: Source
) -> None:
    """Suppress what was just switched off by a link, for the addresses that who did has shown to read.

    They want none of it there, as whichever recipient of the organization it comes. Whoever is signed in speaks for
    themselves alone; single types have no suppression.

    Args:
        session: the caller's transaction, which has kept the choices.
        holder: who chose, and what they read.
        choices: theirs.
        source: by which way.
    """
    off = [one for one in choices if one.allowed is False and one.scope != "type"]
    if not off or not holder.reads or source not in _BY_LINK:
        return
    theirs = await _theirs(session, holder)
    ended = {each for each in ended_by(theirs) if any(_switches(one, *each) for one in off)}
    await _suppress(session, holder, theirs, ended, lambda print_: print_ in holder.reads)


def as_reader(session: TenantSession | PlatformSession, holder: H, addresses: Iterable[str], *, sealer: Sealer) -> H:
    """A holder who has shown that they read what goes to some addresses: they alone lift what these ended.

    Args:
        session: any.
        holder: who chooses.
        addresses: e-mail addresses and numbers that are proved to be theirs, such as those of their account.
        sealer: gives the fingerprints of an address, those of before a change of the secret included.
    """
    if isinstance(session, KeepsPeople):
        prints = {normalized(one).encode() for one in addresses}
    else:
        prints = {print_ for one in addresses for print_ in prints_of(sealer, one)}
    return msgspec.structs.replace(holder, reads=holder.reads | prints)


async def ended_for(session: TenantSession | PlatformSession, holder: Any) -> frozenset[tuple[str, str]]:
    """The channels and categories that the addresses of a recipient were unsubscribed from, whoever had them then."""
    return frozenset(await _ended(session, holder))


async def ended_by_others(session: TenantSession | PlatformSession, holder: Any) -> frozenset[tuple[str, str]]:
    """Of `ended_for`, what a holder does not lift: they have not shown that they read what goes to that address."""
    found = await _ended(session, holder)
    return frozenset(each for each, print_ in found.items() if print_ not in holder.reads)


async def _ended(session: TenantSession | PlatformSession, holder: Any) -> dict[tuple[str, str], bytes]:
    """With the fingerprint of the address; each channel has one."""
    if holder.recipient_id is None:
        return {}
    if isinstance(session, KeepsPeople):
        ways = session.people.by_id()[holder.recipient_id].ways()
        return {each: ways[each[0]].encode() for each in session.people.ended_for(holder.recipient_id)}
    found = await session.execute(_ENDED, _whose(holder))
    return {(row.channel, row.scope.removeprefix(CATEGORY)): bytes(row.address_hash) for row in found}


async def lift_ended(
    session: TenantSession | PlatformSession, holder: Any, choices: Sequence[PreferenceChoice]
) -> list[PreferenceChoice]:
    """Lift what a recipient switches on again, of addresses that they read.

    Returns their choices, and of lifted categories the rest of each.

    Whoever switches on a single type of a category keeps the others off: by a choice, as nothing else says it then.
    """
    on = [one for one in choices if one.allowed]
    ended = await _ended(session, holder) if on else {}
    theirs = (each for each, print_ in ended.items() if print_ in holder.reads)
    lifted = sorted(each for each in theirs if any(_switches(one, *each) for one in on))
    if not lifted:
        return list(choices)
    if isinstance(session, KeepsPeople):
        session.people.lift_ended(holder.recipient_id, lifted)
    else:
        rows = [(channel, CATEGORY + category) for channel, category in lifted]
        # By fingerprint once more: their address may have become another one meanwhile.
        lifting = {"rows": msgspec.json.encode(rows).decode(), "reads": sorted(holder.reads)}
        await session.execute(_LIFT, _whose(holder) | lifting)
    said = {(one.scope, one.name, one.channel) for one in choices}
    more = (rest for each in lifted for rest in _rest(on, *each))
    return [*choices, *(one for one in more if (one.scope, one.name, one.channel) not in said)]


async def _theirs(session: TenantSession | PlatformSession, holder: Any) -> Sequence[Any]:
    """A recipient's own choices, each with their addresses; none where they have no address."""
    if isinstance(session, KeepsPeople):
        return [one for one in session.people.choices(holder.recipient_id) if one.recipient_id is not None]
    return (await session.execute(_CHOSEN_BY, _whose(holder))).all()


async def _suppress(
    session: TenantSession | PlatformSession,
    holder: Any,
    theirs: Sequence[Any],
    ended: Collection[tuple[str, str]],
    holds: Callable[[bytes], bool],
) -> None:
    """Suppress channels and categories for those addresses of a recipient whose fingerprint fits."""
    if isinstance(session, KeepsPeople):
        ways = session.people.by_id()[holder.recipient_id].ways()
        kept = ((channel, ways.get(channel), category) for channel, category in ended)
        session.people.ended |= {
            (channel, at, category): None for channel, at, category in kept if at and holds(at.encode())
        }
        return
    rows = _suppressing(theirs[0], ended, lambda _, print_: holds(print_)) if ended else []
    if rows:
        await session.execute(_KEEP, _whose(holder) | {"rows": msgspec.json.encode(rows).decode()})


def _suppressing(
    one: Any, ended: Iterable[tuple[str, str]], leaves: Callable[[str, bytes], bool]
) -> list[tuple[Any, ...]]:
    """The rows by which addresses of somebody keep what was ended."""
    rows = []
    for channel, category in sorted(ended):
        column = "email" if channel == EMAIL.name else "phone"
        print_, masked = (getattr(one, f"{column}_{kept}") for kept in ("hash", "masked"))
        if print_ is not None and leaves(channel, bytes(print_)):
            rows.append((new_id(), channel, bytes(print_), masked or "***", CATEGORY + category))
    return rows


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
