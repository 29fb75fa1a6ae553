"""Who leaves an organization's list: taken off it, or giving their id to somebody else."""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import select

from singr_comms.catalogue._given import is_name
from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.notifications._rows import prints_of
from singr_comms.people._errors import RecipientNotFoundError
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.exporting._withdrawing import withdraw_exports
from singr_comms.people.inbox._news import note_news
from singr_comms.people.preferences._carrying import keep_ended
from singr_comms.people.recipients._model import NamedRecipient
from singr_db import Sealer, TenantSession, sql_text
from singr_db.tables import Recipient

_TAKEN: Final = sql_text(
    """
SELECT user_id, external_id FROM recipients
 WHERE user_id = ANY(CAST(:users AS uuid[])) AND external_id <> ALL (CAST(:ids AS text[]))
""",
    roles=("tenant",),
)
# While somebody else gets the id. No id has a space.
_STEP_ASIDE: Final = sql_text(
    "UPDATE recipients SET external_id = external_id || ' ' || id, user_id = NULL,"
    " last_user_id = coalesce(user_id, last_user_id)"
    " WHERE id = ANY(CAST(:ids AS uuid[])) RETURNING external_id",
    roles=("tenant",),
)
_HEIRS: Final = """
  FROM recipients AS former JOIN recipients AS heir
       ON heir.organization_id = former.organization_id AND heir.external_id = split_part(former.external_id, ' ', 1)
 WHERE former.external_id = ANY(CAST(:external_ids AS text[]))
"""
# What the organization itself has said of its id goes on to be so.
_PASS_ON: Final = tuple(
    sql_text(
        f"UPDATE {table} AS t SET recipient_id = heir.id {_HEIRS}"  # noqa: S608 - constants
        f" AND t.organization_id = former.organization_id AND t.recipient_id = former.id{which}",
        roles=("tenant",),
    )
    for table, which in (
        ("topic_members", ""),
        ("preferences", " AND t.source = 'organization'"),
        ("digest_choices", " AND t.source = 'organization'"),
    )
)
# A choice that is being made is there once it is held.
_HOLD: Final = sql_text(
    "SELECT id FROM recipients WHERE external_id = ANY(CAST(:external_ids AS text[])) ORDER BY external_id FOR UPDATE",
    roles=("tenant",),
)
# What the key sealed is kept for as long as messages are; after that a chore destroys it.
_TAKE_OFF: Final = sql_text(
    """
WITH gone AS (
    DELETE FROM recipients WHERE external_id = ANY(CAST(:external_ids AS text[]))
    RETURNING id, external_id, key_id, coalesce(user_id, last_user_id) AS account, email_hash, phone_hash
), released AS (
    UPDATE data_keys
       SET released_at = now(), external_id = split_part(gone.external_id, ' ', 1), recipient_id = gone.id,
           user_id = gone.account, prints = array_remove(ARRAY[gone.email_hash, gone.phone_hash], NULL)
                    || ARRAY(SELECT token_hash FROM push_devices AS d WHERE d.recipient_id = gone.id)
      FROM gone WHERE data_keys.id = gone.key_id
)
SELECT id FROM gone
""",
    roles=("tenant",),
)


async def remove_recipient(session: TenantSession, external_id: str) -> None:
    """Take a person off an organization's list, with devices, topics, inbox, exports and what they chose.

    The categories that they ended themselves are suppressed for their addresses, whoever has these later.
    What waits for them ends as `erased` when its attempt begins, and the log of deliveries keeps what it has for its
    time: whoever wants to be forgotten is erased (`erase_recipient`), also afterwards.

    Raises:
        RecipientNotFoundError: there is none.
    """
    if not is_name(external_id):
        is_gone = False
    elif isinstance(session, KeepsPeople):
        is_gone = session.people.remove(external_id)
    else:
        is_gone = await _take_off(session, [external_id])
    if not is_gone:
        raise RecipientNotFoundError("external_id")


async def former_accounts(session: TenantSession, ids: Collection[str]) -> set[tuple[str, UUID]]:
    """Of these ids, those that are an account's or were, with the last one."""
    if isinstance(session, KeepsPeople):
        return {(one.external_id, one.last_user_id) for one in session.people.find(ids, ()) if one.last_user_id}
    asked = select(Recipient.external_id, Recipient.last_user_id).where(
        Recipient.organization_id == session.organization_id, Recipient.external_id.in_(ids)
    )
    return {(row.external_id, row.last_user_id) for row in await session.execute(asked) if row.last_user_id}


async def other_accounts(session: TenantSession, users: Sequence[UUID], ids: Sequence[str]) -> set[UUID]:
    """Of these accounts, those that recipients of other ids have."""
    if isinstance(session, KeepsPeople):
        return session.people.taken(users, ids)
    return {row.user_id for row in await session.execute(_TAKEN, {"users": users, "ids": ids})}


async def step_aside(session: TenantSession, ids: Collection[UUID]) -> list[str]:
    """Let the ids of these people be free for others; returns what they are called until `give_up`."""
    return list((await session.scalars(_STEP_ASIDE, {"ids": list(ids)})).all())


async def give_up(session: TenantSession, aside: list[str]) -> None:
    """Pass on to the heirs of who stepped aside what the organization has said of the id, and take the others off."""
    for statement in _PASS_ON:
        await session.execute(statement, {"external_ids": aside})
    await _take_off(session, aside)


async def leave_addresses(session: TenantSession, given: Collection[NamedRecipient], sealer: Sealer) -> None:
    """Let addresses that people change keep what these ended; one under a former secret's fingerprint is no other."""
    named = {one.external_id: one for one in given}

    def leaves(external_id: str, channel: str, print_: bytes) -> bool:
        stays = named[external_id].email if channel == EMAIL.name else named[external_id].phone
        return stays is None or print_ not in prints_of(sealer, stays)

    if named:
        await keep_ended(session, list(named), leaves=leaves)


async def _take_off(session: TenantSession, external_ids: list[str]) -> bool:
    await session.execute(_HOLD, {"external_ids": external_ids})
    await keep_ended(session, external_ids)
    gone = (await session.scalars(_TAKE_OFF, {"external_ids": external_ids})).all()
    await withdraw_exports(session, gone)
    note_news(session, gone)
    return bool(gone)
