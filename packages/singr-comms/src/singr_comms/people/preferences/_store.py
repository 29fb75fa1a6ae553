"""Choices: read with what they come to, and changed, in the caller's transaction."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.catalogue import MessageType, message_types
from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.notifications._person_keys import open_sealed
from singr_comms.notifications._rows import RECIPIENT, prints_of
from singr_comms.people._errors import RecipientNotFoundError
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.preferences._checks import check_choices
from singr_comms.people.preferences._model import (
    CategoryPreference,
    ChannelPreference,
    KeptChoice,
    PreferenceChoice,
    PreferencesView,
    Source,
    TypePreference,
)
from singr_comms.people.preferences._rule import Choices, decide
from singr_comms.people.recipients._store import hold_recipient
from singr_db import PLATFORM_ORGANIZATION_ID, PlatformSession, Sealer, SealError, TenantSession, new_id, sql_text
from singr_db.batch import read_arrays

_NAMED: Final = sql_text(
    "SELECT id, external_id FROM recipients WHERE organization_id = :organization_id AND external_id = :named",
    roles=("tenant",),
)
_OF_USER: Final = sql_text(
    "SELECT id, external_id FROM recipients WHERE organization_id = :organization_id AND user_id = :named"
)
# Of an address that several share, nobody knows whose choice it would be.
_OF_ADDRESS: Final = sql_text("""
SELECT min(id::text)::uuid AS id, min(external_id) AS external_id FROM recipients
 WHERE organization_id = :organization_id AND email_hash = ANY(CAST(:named AS bytea[]))
HAVING count(*) = 1
""")
_MAIL: Final = sql_text("""
SELECT recipient_sealed, (SELECT wrapped FROM data_keys WHERE data_keys.id = key_id) AS key_wrapped FROM messages
 WHERE organization_id = :organization_id AND recipient_hash = :named AND channel = 'email' ORDER BY id DESC LIMIT 1
""")
_READ: Final = sql_text(
    """
SELECT recipient_id, scope, name, channel, allowed, source, updated_at FROM preferences
 WHERE organization_id = :organization_id AND (recipient_id = :recipient_id OR recipient_id IS NULL)
 ORDER BY scope, name, channel
""",
    roles=("platform", "tenant"),
)
_ROWS: Final = {"id": "uuid", "scope": "text", "name": "text", "channel": "text", "allowed": "boolean"}
# In one order, so that those who change the same ones at once wait for one another and not crosswise.
_KEEP: Final = sql_text(
    f"""
INSERT INTO preferences (id, organization_id, recipient_id, scope, name, channel, allowed, source)
SELECT id, :organization_id, CAST(:recipient_id AS uuid), scope, name, channel, allowed, :source
  FROM {read_arrays(_ROWS, ":rows")} WHERE allowed IS NOT NULL ORDER BY scope, name, channel
ON CONFLICT (organization_id, recipient_id, scope, name, channel)
DO UPDATE SET allowed = excluded.allowed, source = excluded.source, updated_at = now()
""",  # noqa: S608 - constants
    roles=("platform", "tenant"),
)
_TAKE_BACK: Final = sql_text(
    f"""
DELETE FROM preferences AS kept USING {read_arrays(_ROWS, ":rows")}
 WHERE row.allowed IS NULL AND kept.organization_id = :organization_id AND kept.scope = row.scope
   AND kept.recipient_id IS NOT DISTINCT FROM CAST(:recipient_id AS uuid)
   AND kept.name IS NOT DISTINCT FROM row.name AND kept.channel IS NOT DISTINCT FROM row.channel
""",  # noqa: S608 - constants
    roles=("platform", "tenant"),
)


class PreferencesHolder(msgspec.Struct, frozen=True, kw_only=True):
    """Whose choices they are: a recipient's, or without one the organization's own, its defaults.

    Args:
        organization_id: the organization.
        recipient_id: the recipient's row.
        external_id: the organization's own id of them.
    """

    organization_id: UUID
    recipient_id: UUID | None = None
    external_id: str | None = None


async def preferences_holder(session: TenantSession, external_id: str) -> PreferencesHolder:
    """The recipient of the session's organization by the organization's own id.

    Raises:
        RecipientNotFoundError: there is none.
    """
    return await _holder(session, _NAMED, session.organization_id, external_id)


async def preferences_holder_of_user(
    session: PlatformSession, organization_id: UUID, user_id: UUID
) -> PreferencesHolder:
    """What a person with an account is to an organization.

    Raises:
        RecipientNotFoundError: the organization does not know them as a recipient.
    """
    return await _holder(session, _OF_USER, organization_id, user_id)


async def holder_by_address(
    session: PlatformSession, sealer: Sealer, organization_id: UUID, named: bytes
) -> PreferencesHolder:
    """The one recipient of an organization whose address has this fingerprint.

    After the secret has changed they are found as long as a mail to the address is in the log of deliveries.

    Raises:
        RecipientNotFoundError: the address is no recipient's of the organization, or that of several.
    """
    prints = {named, *await _prints_of_reader(session, sealer, organization_id, named)}
    return await _holder(session, _OF_ADDRESS, organization_id, sorted(prints))


async def read_preferences(session: TenantSession | PlatformSession, holder: PreferencesHolder) -> PreferencesView:
    """What was chosen, and what that comes to for each type and category, by which rule.

    Args:
        session: the caller's transaction.
        holder: whose.
    """
    rows = await _rows(session, holder)
    mine = [row for row in rows if row.recipient_id == holder.recipient_id]
    defaults = _choices(row for row in rows if row.recipient_id is None)
    chosen = _choices(row for row in rows if row.recipient_id is not None)
    types = _offered(holder.organization_id)
    return PreferencesView(
        recipient=holder.external_id,
        choices=tuple(
            KeptChoice(
                scope=row.scope,
                name=row.name,
                channel=row.channel,
                allowed=row.allowed,
                source=row.source,
                updated_at=row.updated_at,
            )
            for row in mine
        ),
        categories=tuple(_by_category(chosen, defaults, [one for one in types if not one.mandatory])),
        types=tuple(_by_type(chosen, defaults, one) for one in types),
    )


async def change_preferences(
    session: TenantSession | PlatformSession,
    holder: PreferencesHolder,
    choices: Sequence[PreferenceChoice],
    *,
    source: Source,
) -> PreferencesView:
    """Keep choices, or take them back: all of them, or none. What they do not name stays as it is.

    Args:
        session: the caller's transaction.
        holder: whose.
        choices: `MOST_CHOICES` at most; none about the same as another.
        source: who made them.

    Raises:
        PreferenceError: some cannot be kept; it names every field.
        RecipientNotFoundError: the recipient was taken off meanwhile.
    """
    check_choices(choices)
    if holder.recipient_id is not None and not await hold_recipient(session, holder.recipient_id):
        raise RecipientNotFoundError
    if isinstance(session, KeepsPeople):
        said = [((one.scope, one.name, one.channel), one.allowed) for one in choices]
        session.people.choose(holder.recipient_id, said, source)
        return await read_preferences(session, holder)
    await keep_choices(session, holder, choices, source=source)
    return await read_preferences(session, holder)


async def keep_choices(
    session: TenantSession | PlatformSession,
    holder: PreferencesHolder,
    choices: Sequence[PreferenceChoice],
    *,
    source: Source,
) -> None:
    """As `change_preferences`, of choices that are checked, of a recipient who is held."""
    rows = [(new_id(), one.scope, one.name, one.channel, one.allowed) for one in choices]
    values = {
        "organization_id": holder.organization_id,
        "recipient_id": holder.recipient_id,
        "source": source,
        "rows": msgspec.json.encode(rows).decode(),
    }
    await session.execute(_KEEP, values)
    await session.execute(_TAKE_BACK, {name: values[name] for name in ("organization_id", "recipient_id", "rows")})


async def _holder(
    session: Any, statement: Any, organization_id: UUID, named: str | UUID | list[bytes]
) -> PreferencesHolder:
    row: Any
    if isinstance(session, KeepsPeople):
        row = session.people.row(
            named if isinstance(named, str) else None, user_id=named if isinstance(named, UUID) else None
        )
    else:
        row = (await session.execute(statement, {"organization_id": organization_id, "named": named})).one_or_none()
    if row is None:
        raise RecipientNotFoundError
    return PreferencesHolder(organization_id=organization_id, recipient_id=row.id, external_id=row.external_id)


async def _prints_of_reader(
    session: PlatformSession, sealer: Sealer, organization_id: UUID, named: bytes
) -> list[bytes]:
    """Every fingerprint of the address that has this one, where a mail that went to it can be opened."""
    row = (await session.execute(_MAIL, {"organization_id": organization_id, "named": named})).one_or_none()
    if row is None:
        return []
    try:
        opened = open_sealed(sealer, row.recipient_sealed, row.key_wrapped, context=RECIPIENT)
    except SealError:
        return []
    return prints_of(sealer, EMAIL.address(EMAIL.decoded(opened)))


async def _rows(session: TenantSession | PlatformSession, holder: PreferencesHolder) -> Sequence[Any]:
    if isinstance(session, KeepsPeople):
        return session.people.choices(holder.recipient_id)
    values = {"organization_id": holder.organization_id, "recipient_id": holder.recipient_id}
    return (await session.execute(_READ, values)).all()


def _choices(rows: Iterable[Any]) -> Choices:
    return {(row.scope, row.name, row.channel): row.allowed for row in rows}


def _offered(organization_id: UUID) -> list[MessageType]:
    """What an organization can send: in its own name, and of the platform everything."""
    ours = organization_id == PLATFORM_ORGANIZATION_ID
    types = [one for one in message_types if ours or one.speaks_for == "organization"]
    return sorted(types, key=lambda one: (one.category, one.name))


def _by_type(chosen: Choices, defaults: Choices, one: MessageType) -> TypePreference:
    decided = {
        channel: decide(
            chosen,
            defaults,
            type_=one.name,
            category=one.category,
            channel=channel,
            mandatory=one.mandatory,
            type_allows=not one.opt_in,
        )
        for channel in one.ways
    }
    channels = tuple(ChannelPreference(channel, *decision) for channel, decision in decided.items())
    return TypePreference(one.name, one.category, one.mandatory, channels)


def _by_category(chosen: Choices, defaults: Choices, types: Sequence[MessageType]) -> Iterable[CategoryPreference]:
    for category in dict.fromkeys(one.category for one in types):
        of_it = [one for one in types if one.category == category]
        decided = {
            # No type is called so: what is chosen of single types says nothing here.
            way: decide(
                chosen,
                defaults,
                type_="",
                category=category,
                channel=way,
                type_allows=not all(one.opt_in for one in of_it),
            )
            for way in dict.fromkeys(channel for one in of_it for channel in one.ways)
        }
        yield CategoryPreference(category, tuple(ChannelPreference(way, *one) for way, one in decided.items()))
