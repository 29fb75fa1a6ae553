"""Choices: read with what they come to, and changed, in the caller's transaction."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from singr_comms.catalogue import MessageType, message_types
from singr_comms.catalogue._given import is_name
from singr_comms.channels import in_order
from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.notifications._person_keys import open_sealed
from singr_comms.notifications._rows import RECIPIENT, prints_of
from singr_comms.people._errors import RecipientNotFoundError
from singr_comms.people._forms import in_form
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.preferences._carrying import end_where_read, ended_for, keep_from_others, lift_ended
from singr_comms.people.preferences._checks import check_choices
from singr_comms.people.preferences._frequency import Frequencies, Often, frequency_of, may_wait
from singr_comms.people.preferences._model import (
    CategoryPreference,
    ChannelPreference,
    FrequencyChoice,
    KeptChoice,
    KeptFrequency,
    PreferenceChoice,
    PreferencesView,
    Source,
    TypePreference,
)
from singr_comms.people.preferences._overruling import check_overruled, off_themselves, without_repeats
from singr_comms.people.preferences._rule import ORGANIZATION, Choice, Choices, Decision, decide
from singr_comms.people.recipients._store import hold_recipient
from singr_db import PLATFORM_ORGANIZATION_ID, PlatformSession, Sealer, SealError, TenantSession, new_id, sql_text
from singr_db.batch import read_arrays

K = TypeVar("K", KeptChoice, KeptFrequency)
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
_BOTH: Final = ("platform", "tenant")
_READ: Final = {
    kept: sql_text(
        f"""
SELECT recipient_id, scope, name, channel, {kept}, source, updated_at FROM {table}
 WHERE organization_id = :organization_id AND (recipient_id = :recipient_id OR recipient_id IS NULL)
 ORDER BY scope, name, channel
""",  # noqa: S608 - constants
        roles=_BOTH,
    )
    for table, kept in (("preferences", "allowed"), ("digest_choices", "frequency"))
}


def _keep(table: str, kept: str, rows: str) -> tuple[Any, Any]:
    """Keep choices, in one order, so that those who change the same ones wait for one another; and take some back."""
    return (
        sql_text(
            f"""
INSERT INTO {table} (id, organization_id, recipient_id, scope, name, channel, {kept}, source)
SELECT id, :organization_id, CAST(:recipient_id AS uuid), scope, name, channel, {kept}, :source
  FROM {rows} WHERE {kept} IS NOT NULL ORDER BY scope, name, channel
ON CONFLICT (organization_id, recipient_id, scope, name, channel)
DO UPDATE SET {kept} = excluded.{kept}, source = excluded.source, updated_at = now()
""",  # noqa: S608 - constants
            roles=_BOTH,
        ),
        sql_text(
            f"""
DELETE FROM {table} AS kept USING {rows}
 WHERE row.{kept} IS NULL AND kept.organization_id = :organization_id AND kept.scope = row.scope
   AND kept.recipient_id IS NOT DISTINCT FROM CAST(:recipient_id AS uuid)
   AND kept.name IS NOT DISTINCT FROM row.name AND kept.channel IS NOT DISTINCT FROM row.channel
""",  # noqa: S608 - constants
            roles=_BOTH,
        ),
    )


_PLACE: Final = {"id": "uuid", "scope": "text", "name": "text", "channel": "text"}
_KEEP: Final = _keep("preferences", "allowed", read_arrays(_PLACE | {"allowed": "boolean"}, ":rows"))
_KEEP_OFTEN: Final = _keep("digest_choices", "frequency", read_arrays(_PLACE | {"frequency": "text"}, ":rows"))


class PreferencesHolder(msgspec.Struct, frozen=True, kw_only=True):
    """Whose choices they are: a recipient's, or without one the organization's own, its defaults.

    Args:
        organization_id: the organization.
        recipient_id: the recipient's row.
        external_id: the organization's own id of them.
        reads: fingerprints of the addresses whose mail whoever chooses has shown to read (`as_reader`): what was
            unsubscribed for these, they lift, and for no other.
    """

    organization_id: UUID
    recipient_id: UUID | None = None
    external_id: str | None = None
    reads: frozenset[bytes] = frozenset()


async def preferences_holder(session: TenantSession, external_id: str) -> PreferencesHolder:
    """The recipient of the session's organization by the organization's own id.

    Raises:
        RecipientNotFoundError: there is none.
    """
    if not is_name(external_id):
        raise RecipientNotFoundError
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
    prints = {named, *await prints_of_reader(session, sealer, organization_id, named)}
    return await _holder(session, _OF_ADDRESS, organization_id, sorted(prints))


async def read_preferences(session: TenantSession | PlatformSession, holder: PreferencesHolder) -> PreferencesView:
    """What was chosen, and what that comes to for each type and category, by which rule.

    Args:
        session: the caller's transaction.
        holder: whose.
    """
    wanted, often = await _rows(session, holder, "allowed"), await _rows(session, holder, "frequency")
    ended = await ended_for(session, holder)
    chosen = _Chosen(_split(wanted, "allowed"), _split(often, "frequency"), ended)
    types = _offered(holder.organization_id)
    return PreferencesView(
        recipient=holder.external_id,
        choices=tuple(_kept(KeptChoice, row) for row in wanted if row.recipient_id == holder.recipient_id),
        frequencies=tuple(_kept(KeptFrequency, row) for row in often if row.recipient_id == holder.recipient_id),
        categories=tuple(_by_category(chosen, [one for one in types if not one.mandatory])),
        types=tuple(_by_type(chosen, one) for one in types),
    )


async def change_preferences(
    session: TenantSession | PlatformSession,
    holder: PreferencesHolder,
    choices: Sequence[PreferenceChoice] = (),
    *,
    frequencies: Sequence[FrequencyChoice] = (),
    source: Source,
    note: str | None = None,
) -> PreferencesView:
    """Keep choices, or take them back: all of them, or none. What they do not name stays as it is.

    What a person switched off themselves (any source but `organization`), an organization switches on or clears with a
    note alone, which is put down in the operation log; by their own no said once more, it stays theirs. What their
    address was unsubscribed from by category (`rule` is `suppression`) is lifted by switching it on, if who does has
    shown that they read what goes to it: by a link that was sent there (`reader_of_link`), or with `as_reader`. All
    others' choices are kept as choices, and lift nothing. What is switched off by such a link is off for the address.

    Args:
        session: the caller's transaction.
        holder: whose.
        choices: what is wanted; `MOST_CHOICES` at most; none about the same as another.
        frequencies: how often; likewise.
        source: who made them.
        note: why an organization overrules the person, in one line.

    Raises:
        PreferenceError: some cannot be kept; it names every field.
        RecipientNotFoundError: the recipient was taken off meanwhile.
        singr_db.operation_log.ReasonError: the note cannot be kept.
    """
    holder = in_form(holder, PreferencesHolder, "holder")
    check_choices(choices, frequencies, source)
    if holder.recipient_id is not None and not await hold_recipient(session, holder.recipient_id, alone=True):
        raise RecipientNotFoundError
    if source == ORGANIZATION and holder.recipient_id is not None and choices:
        kept = await _rows(session, holder, "allowed")
        own = off_themselves(one for one in kept if one.recipient_id is not None)
        await check_overruled(session, holder, choices, own, note)
        choices = without_repeats(choices, own)
    elif holder.recipient_id is not None:
        await keep_from_others(session, holder, choices, source)
        choices = await lift_ended(session, holder, choices)
    if isinstance(session, KeepsPeople):
        said = [((one.scope, one.name, one.channel), one.allowed) for one in choices]
        often = [((one.scope, one.name, one.channel), one.frequency) for one in frequencies]
        session.people.choose(holder.recipient_id, said, source)
        session.people.choose_often(holder.recipient_id, often, source)
    else:
        await keep_choices(session, holder, choices, source=source)
        rows = [(new_id(), one.scope, one.name, one.channel, one.frequency) for one in frequencies]
        await _write(session, _KEEP_OFTEN, holder, rows, source)
    await end_where_read(session, holder, choices, source)
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
    await _write(session, _KEEP, holder, rows, source)


async def _write(
    session: TenantSession | PlatformSession,
    statements: tuple[Any, Any],
    holder: PreferencesHolder,
    rows: Sequence[tuple[Any, ...]],
    source: Source,
) -> None:
    if not rows:
        return
    whose = {
        "organization_id": holder.organization_id,
        "recipient_id": holder.recipient_id,
        "rows": msgspec.json.encode(rows).decode(),
    }
    keep, take_back = statements
    await session.execute(keep, whose | {"source": source})
    await session.execute(take_back, whose)


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


async def prints_of_reader(
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


async def _rows(
    session: TenantSession | PlatformSession, holder: PreferencesHolder, kept: Literal["allowed", "frequency"]
) -> Sequence[Any]:
    if isinstance(session, KeepsPeople):
        people = session.people
        return (people.choices if kept == "allowed" else people.frequencies)(holder.recipient_id)
    values = {"organization_id": holder.organization_id, "recipient_id": holder.recipient_id}
    return (await session.execute(_READ[kept], values)).all()


class _Chosen(NamedTuple):
    """What somebody and their organization chose: of what is wanted, and of how often; and what their address ended."""

    wanted: tuple[Choices, Choices]
    often: tuple[Frequencies, Frequencies]
    ended: frozenset[tuple[str, str]]

    def of(
        self,
        channel: str,
        *,
        type_: str,
        category: str,
        waits: bool,
        mandatory: bool = False,
        type_allows: bool,
    ) -> ChannelPreference:
        """What that comes to by a channel."""
        decision = decide(
            *self.wanted,
            type_=type_,
            category=category,
            channel=channel,
            mandatory=mandatory,
            type_allows=type_allows,
        )
        if decision.allowed and not mandatory and (channel, category) in self.ended:
            decision = Decision(allowed=False, rule="suppression")
        often = Often()
        if waits:
            often = frequency_of(*self.often, type_=type_, category=category, channel=channel)
        return ChannelPreference(channel, *decision, *often)


def _split(rows: Iterable[Any], kept: str) -> tuple[dict[Choice, Any], dict[Choice, Any]]:
    """A recipient's, and the organization's."""
    chosen: dict[Choice, Any] = {}
    defaults: dict[Choice, Any] = {}
    for row in rows:
        (defaults if row.recipient_id is None else chosen)[row.scope, row.name, row.channel] = getattr(row, kept)
    return chosen, defaults


def _kept(struct: type[K], row: Any) -> K:
    return struct(**{name: getattr(row, name) for name in struct.__struct_fields__})


def _offered(organization_id: UUID) -> list[MessageType]:
    """What an organization can send: in its own name, and of the platform everything."""
    ours = organization_id == PLATFORM_ORGANIZATION_ID
    types = [one for one in message_types if ours or one.speaks_for == "organization"]
    return sorted(types, key=lambda one: (one.category, one.name))


def _by_type(chosen: _Chosen, one: MessageType) -> TypePreference:
    channels = tuple(
        chosen.of(
            channel,
            type_=one.name,
            category=one.category,
            waits=may_wait(one, channel),
            mandatory=one.mandatory,
            type_allows=not one.opt_in,
        )
        for channel in in_order(one.ways)
    )
    return TypePreference(one.name, one.category, one.mandatory, channels)


def _by_category(chosen: _Chosen, types: Sequence[MessageType]) -> Iterable[CategoryPreference]:
    for category in dict.fromkeys(one.category for one in types):
        of_it = [one for one in types if one.category == category]
        channels = tuple(
            # No type is called so: what is chosen of single types says nothing here.
            chosen.of(
                way,
                type_="",
                category=category,
                waits=any(may_wait(one, way) for one in of_it),
                type_allows=not all(one.opt_in for one in of_it),
            )
            for way in in_order(channel for one in of_it for channel in one.ways)
        )
        yield CategoryPreference(category, channels)
