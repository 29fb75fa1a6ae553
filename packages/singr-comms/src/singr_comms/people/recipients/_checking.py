"""What is asked before people are kept: whether they can be, who has which account, and for whom an inbox was."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from singr_comms.notifications._rows import prints_of
from singr_comms.people._directory import Directory, Member, NoDirectory
from singr_comms.people._errors import PeopleError, PersonFault
from singr_comms.people._forms import in_form
from singr_comms.people.recipients._checks import (
    ZONES,
    account_of,
    faults_of,
    filled,
    strangers,
    taken,
    twice,
)
from singr_comms.people.recipients._leaving import former_accounts, other_accounts
from singr_comms.people.recipients._model import NamedRecipient
from singr_db import Sealer, TenantSession

_NOBODY: Final = UUID(int=0)


async def members_of(
    session: TenantSession, given: Sequence[NamedRecipient], directory: Directory | None
) -> Mapping[UUID, Member]:
    """The accounts that are named, as far as they belong to the organization."""
    users = [account for one in given if (account := account_of(one)) is not None]
    return await (directory or NoDirectory()).members(session, session.organization_id, users) if users else {}


async def checked(
    session: TenantSession,
    given: Sequence[NamedRecipient],
    members: Mapping[UUID, Member],
    *,
    allow_test: bool,
    paths: Sequence[str],
) -> list[NamedRecipient]:
    """All of them with what their accounts say, where nothing is wrong with any; raises PeopleError."""
    itself = {place: list(faults_of(one, allow_test=allow_test)) for place, one in enumerate(given)}
    sound = [
        one for place, one in enumerate(given) if not {"user_id", "external_id"} & {at.field for at in itself[place]}
    ]
    users = {one.user_id for one in sound if one.user_id is not None}
    left = await former_accounts(session, [one.external_id for one in sound]) if users - members.keys() else set()
    found = [*twice(given), *strangers(given, members, left)]
    for place, one in enumerate(given):
        found += [(place, fault) for fault in itself[place]]
        if "time_zone" in {at.field for at in itself[place]} or one.time_zone is None:
            continue
        if wrong := await ZONES.wrong(session, one.time_zone):
            found.append((place, PersonFault("time_zone", wrong, "unknown_value")))
    faults = [PersonFault(paths[place] + fault.field, fault.message, fault.code) for place, fault in found]
    others = await other_accounts(session, list(users), [one.external_id for one in sound]) if users else set()
    faults += [taken(path) for path, one in zip(paths, given, strict=True) if account_of(one) in others]
    if faults:
        raise PeopleError(*faults)
    whole = [in_form(one, NamedRecipient) for one in given]
    return [filled(one, members.get(one.user_id) if one.user_id else None) for one in whole]


def proved(
    ties: Collection[Any], given: Sequence[NamedRecipient], members: Mapping[UUID, Member], sealer: Sealer
) -> list[UUID]:
    """Who of those that get an account was nobody's, and has had that account's own address from the first."""
    known = {one.external_id: members.get(account_of(one) or _NOBODY) for one in given}
    return [
        row.id
        for row in ties
        if row.account is None
        and row.address_changed_at is None
        and (member := known[row.external_id]) is not None
        and member.email is not None
        and row.email_hash in prints_of(sealer, member.email)
    ]
