"""Recipients: put, imported, read, listed and taken off, in the caller's transaction."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg.errors import UniqueViolation
from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import IntegrityError

from singr_comms.catalogue._given import is_name
from singr_comms.models._locale import canonical_locale
from singr_comms.notifications._person_keys import read_keys
from singr_comms.notifications._rows import prints_of
from singr_comms.people._directory import Directory
from singr_comms.people._errors import PeopleError, RecipientNotFoundError
from singr_comms.people._memory import KeepsPeople, is_another
from singr_comms.people.inbox._tying import hold_inboxes, show_inboxes
from singr_comms.people.recipients._checking import checked, members_of, proved
from singr_comms.people.recipients._checks import (
    check_filter,
    check_list,
    check_person,
    copied_of,
    taken,
)
from singr_comms.people.recipients._leaving import (
    give_up,
    leave_addresses,
    step_aside,
)
from singr_comms.people.recipients._model import (
    Imported,
    NamedRecipient,
    RecipientInput,
    RecipientView,
    view_of,
)
from singr_comms.people.recipients._sealing import COLUMNS, VALUES, name_of, written
from singr_comms.people.times._moving import move_digests
from singr_db import PersonKey, PlatformSession, Sealer, TenantSession, new_id, sql_text
from singr_db.batch import read_arrays
from singr_db.pages import Page, decode_cursor, search_page
from singr_db.tables import Recipient, Topic, TopicMember

# Who comes second waits for the first to commit, and then finds the row, and the key in it, that the first made.
_PLACES: Final = sql_text(
    f"""
INSERT INTO recipients (id, organization_id, external_id, key_id)
SELECT id, :organization_id, external_id, key_id
  FROM {read_arrays({"id": "uuid", "external_id": "text", "key_id": "uuid"}, ":rows")} ORDER BY external_id
ON CONFLICT (organization_id, external_id) DO NOTHING
RETURNING id, key_id
""",  # noqa: S608 - constants
    roles=("tenant",),
)
_KEYS: Final = sql_text(
    f"""
INSERT INTO data_keys (id, organization_id, wrapped)
SELECT id, :organization_id, wrapped FROM {read_arrays({"id": "uuid", "wrapped": "bytea"}, ":rows")}
""",  # noqa: S608 - constants
    roles=("tenant",),
)
_LOCKED: Final = sql_text(
    "SELECT id, external_id, key_id, user_id, coalesce(user_id, last_user_id) AS account, email_hash,"
    " address_changed_at FROM recipients"
    " WHERE external_id = ANY(CAST(:ids AS text[])) ORDER BY external_id FOR NO KEY UPDATE",
    roles=("tenant",),
)
# Of people whose keys are lost; what these sealed is written anew, but for tokens, which nobody can read any more. One
# that is there and cannot be opened here is kept for as long as messages are: the secret may be known elsewhere.
_GIVE_KEYS: Final = sql_text(
    f"""
WITH given AS (
    SELECT * FROM {read_arrays({"id": "uuid", "key_id": "uuid"}, ":rows")}
), released AS (
    UPDATE data_keys
       SET released_at = now(), external_id = r.external_id, recipient_id = r.id,
           user_id = coalesce(r.user_id, r.last_user_id), prints = array_remove(ARRAY[r.email_hash, r.phone_hash], NULL)
                    || ARRAY(SELECT token_hash FROM push_devices AS d WHERE d.recipient_id = r.id)
      FROM recipients AS r JOIN given USING (id) WHERE data_keys.id = r.key_id AND wrapped IS NOT NULL
)
UPDATE recipients AS r SET key_id = given.key_id FROM given WHERE r.id = given.id
""",  # noqa: S608 - constants
    roles=("tenant",),
)
_FORGET_TOKENS: Final = sql_text(
    "DELETE FROM push_devices WHERE organization_id = :organization_id AND recipient_id = ANY(CAST(:ids AS uuid[]))",
    roles=("tenant",),
)
# Where a link to somebody's data goes is changed by another account or, where there is none, another e-mail address.
# Who was taken off and comes back has what they were sent before, and nobody knows any more where: that is one, too.
_WRITE: Final = sql_text(
    f"""
UPDATE recipients AS r SET {VALUES}, updated_at = now(),
       last_user_id = coalesce(row.user_id, r.user_id, r.last_user_id),
       address_changed_at = CASE
           WHEN former.created_at = now() THEN (
                SELECT max(clock_timestamp()) FROM data_keys AS k
                 WHERE k.organization_id = r.organization_id AND k.external_id = r.external_id
                   AND k.recipient_id IS NOT NULL AND k.user_id IS NOT DISTINCT FROM row.user_id)
           WHEN row.user_id IS DISTINCT FROM former.user_id
             OR row.user_id IS NULL AND row.email_hash IS DISTINCT FROM former.email_hash THEN clock_timestamp()
           ELSE former.address_changed_at END
  FROM {read_arrays(COLUMNS, ":rows")} JOIN recipients AS former USING (external_id) WHERE r.id = former.id
RETURNING r.external_id, (r.time_zone, r.digest_at, r.digest_weekday)
          IS DISTINCT FROM (former.time_zone, former.digest_at, former.digest_weekday) AS has_other_times
""",  # noqa: S608 - constants
    roles=("tenant",),
)
_HOLD: Final = sql_text("SELECT id FROM recipients WHERE id = :id FOR KEY SHARE", roles=("platform", "tenant"))
_HOLD_ALONE: Final = sql_text(
    "SELECT id FROM recipients WHERE id = :id FOR NO KEY UPDATE", roles=("platform", "tenant")
)
_GIVEN: Final = RecipientInput.__struct_fields__


async def put_recipient(
    session: TenantSession,
    external_id: str,
    given: RecipientInput,
    *,
    sealer: Sealer,
    directory: Directory | None = None,
    allow_test: bool = False,
) -> tuple[RecipientView, bool]:
    """Keep a person as they are given; returns them, and whether their id is new.

    An id that is given to another account is another person's from then on, by an `id` of its own: nothing of the
    former one passes to them, as if those had been taken off the list (`remove_recipient`). Their devices, inbox and
    digests and what they chose themselves are let go, and a notification that named them and is not decided yet tells
    nobody; the topics that the id is a member of stay, and so do the choices that the organization made for it.
    Without an account for a while, it is the same person's if that account comes back.

    An account that an id is given to sees of its inbox what comes from then on. What came before is shown to it only
    where the id was no account's yet and has had the account's own address, as the directory proves it, from the first;
    and to an account that comes back, where nothing came meanwhile.

    Time zone, quiet hours and digest time that somebody set themselves (`set_times`) stay where they are not given;
    each that is given is the organization's from then on.

    Args:
        session: the caller's transaction, fenced to the organization.
        external_id: the organization's own id of the person.
        given: all of them: a field left out is removed, unless they set it themselves.
        sealer: wraps the person's key, and gives the fingerprints of addresses.
        directory: knows members; without one nobody can be named by an account.
        allow_test: take addresses of `.test`, too.

    Raises:
        PeopleError: something about them cannot be; it names every field.
    """
    check_person(given)
    one = NamedRecipient(external_id=external_id, **{name: getattr(given, name) for name in _GIVEN})
    created = await _keep(session, [one], sealer, directory, allow_test=allow_test, paths=("",))
    return await read_recipient(session, external_id, sealer=sealer), bool(created)


async def import_recipients(
    session: TenantSession,
    given: Sequence[NamedRecipient],
    *,
    sealer: Sealer,
    directory: Directory | None = None,
    allow_test: bool = False,
) -> Imported:
    """Keep many people, as `put_recipient` keeps each: all of them, or none.

    Args:
        session: as for `put_recipient`.
        given: 1,000 at most; nobody twice.
        sealer: as for `put_recipient`.
        directory: as for `put_recipient`.
        allow_test: as for `put_recipient`.

    Raises:
        PeopleError: it names every field of everybody that cannot be, such as `recipients[3].phone`.
    """
    check_list(given)
    paths = tuple(f"recipients[{place}]." for place in range(len(given)))
    created = await _keep(session, given, sealer, directory, allow_test=allow_test, paths=paths)
    return Imported(created=created, updated=len(given) - created)


async def read_recipient(session: TenantSession, external_id: str, *, sealer: Sealer) -> RecipientView:
    """One person, by the organization's own id.

    Raises:
        RecipientNotFoundError: there is none.
    """
    if isinstance(session, KeepsPeople):
        if not is_name(external_id) or (kept := session.people.recipients.get(external_id)) is None:
            raise RecipientNotFoundError("external_id")
        return kept.view()
    row = await row_of(session, external_id)
    [view] = await _views(session, [row], sealer)
    return view


async def list_recipients(
    session: TenantSession,
    *,
    sealer: Sealer,
    tag: str | None = None,
    topic: str | None = None,
    address: str | None = None,
    user_id: UUID | None = None,
    locale: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> Page[RecipientView]:
    """One page of an organization's people, newest first.

    Args:
        session: fenced to the organization.
        sealer: opens names, and finds an address by its fingerprint.
        tag: who has it.
        topic: who is a member of it, by its key.
        address: who has this e-mail address or phone number, in full.
        user_id: only the person with this account.
        locale: who is written to in it.
        limit: how many, 1 or more.
        cursor: `next_cursor` of the page before.

    Raises:
        PeopleError: what is asked for has not its form.
        singr_db.pages.InvalidCursor: The cursor is malformed.
    """
    check_filter(tag=tag, topic=topic, address=address, locale=locale, user_id=user_id)
    statement = select(Recipient).where(Recipient.organization_id == session.organization_id)
    if tag is not None:
        statement = statement.where(Recipient.tags.contains([tag]))
    if topic is not None:
        named = select(Topic.id).where(Topic.organization_id == session.organization_id, Topic.key == topic)
        its_id = await session.scalar(named)
        statement = statement.join(TopicMember, TopicMember.recipient_id == Recipient.id)
        statement = statement.where(TopicMember.topic_id == its_id)
        if cursor is not None:  # said of members too, so that their index leads to those of this page
            statement = statement.where(TopicMember.recipient_id < decode_cursor(cursor))
    if address is not None:
        prints = prints_of(sealer, address)
        statement = statement.where(Recipient.email_hash.in_(prints) | Recipient.phone_hash.in_(prints))
    if user_id is not None:
        statement = statement.where(Recipient.user_id == user_id)

    def fits(one: Any) -> list[ColumnElement[bool]]:
        return [] if locale is None else [one.locale == canonical_locale(locale)]

    page = await search_page(session, statement, fits, entity=Recipient, limit=limit, cursor=cursor)
    return Page(tuple(await _views(session, page.items, sealer)), page.next_cursor, page.looked_back_to)


async def row_of(session: TenantSession, external_id: str) -> Recipient:
    """The row of a person; raises RecipientNotFoundError."""
    if not is_name(external_id):
        raise RecipientNotFoundError("external_id")
    if isinstance(session, KeepsPeople):
        row = session.people.row(external_id)
    else:
        asked = select(Recipient).where(
            Recipient.organization_id == session.organization_id, Recipient.external_id == external_id
        )
        row = await session.scalar(asked.execution_options(populate_existing=True))
    if row is None:
        raise RecipientNotFoundError("external_id")
    return row


async def hold_recipient(session: TenantSession | PlatformSession, recipient_id: UUID, *, alone: bool = False) -> bool:
    """Keep a person there until the caller's transaction ends; False where they are gone.

    Args:
        session: the caller's transaction.
        recipient_id: who.
        alone: until then nobody else holds them alone: what is read of theirs now is what the change is made to.
    """
    if isinstance(session, KeepsPeople):
        return recipient_id in session.people.by_id()
    return await session.scalar(_HOLD_ALONE if alone else _HOLD, {"id": recipient_id}) is not None


async def _views(session: TenantSession, rows: Collection[Recipient], sealer: Sealer) -> list[RecipientView]:
    keys = await read_keys(session, sealer, {row.key_id for row in rows if row.name_sealed is not None})
    return [view_of(row, name_of(row.name_sealed, keys, row.key_id)) for row in rows]


async def _keep(
    session: TenantSession,
    given: Sequence[NamedRecipient],
    sealer: Sealer,
    directory: Directory | None,
    *,
    allow_test: bool,
    paths: Sequence[str],
) -> int:
    """Write all of them; returns how many are new."""
    members = await members_of(session, given, directory)
    complete = await checked(session, given, members, allow_test=allow_test, paths=paths)
    copied = {was.external_id: copied_of(was, one) for was, one in zip(given, complete, strict=True)}
    if isinstance(session, KeepsPeople):
        return session.people.put(complete, copied, members)
    created, keys, ties = await _held(session, complete, sealer)
    await leave_addresses(session, complete if created < len(complete) else (), sealer)
    rows = [written(one, copied[one.external_id], keys[one.external_id], sealer) for one in complete]
    values = {"rows": msgspec.json.encode(rows).decode()}
    try:
        async with session.begin_nested():
            await hold_inboxes(session, [row.id for row in ties])
            told = await session.execute(_WRITE, values)
            await show_inboxes(session, [row.id for row in ties], proved(ties, complete, members, sealer))
            # Of the others they stay, as they do where the organization's default is another by now.
            if moved := [row.external_id for row in told if row.has_other_times]:
                await move_digests(session, moved, organization_id=session.organization_id)
    except IntegrityError as error:  # somebody named the same account in this moment
        if not isinstance(error.orig, UniqueViolation):
            raise
        raise PeopleError(*(taken(path) for path, one in zip(paths, complete, strict=True) if one.user_id)) from None
    return created


async def _held(
    session: TenantSession, given: Sequence[NamedRecipient], sealer: Sealer
) -> tuple[int, dict[str, PersonKey], list[Any]]:
    """Make who is missing, and hold all; returns how many were, everybody's key, and who is to get another account."""
    accounts = {one.external_id: one.user_id for one in given}
    ids = list(accounts)
    created = 0
    rows: Sequence[Any] = ()
    while len(rows) < len(ids):  # again: somebody was taken off between the look and the lock
        created += await _made(session, await _missing(session, ids), sealer)
        rows = (await session.execute(_LOCKED, {"ids": ids})).all()
    former = [row for row in rows if is_another(accounts[row.external_id], row.account)]
    if former:
        aside = await step_aside(session, [row.id for row in former])
        await _made(session, [row.external_id for row in former], sealer)
        await give_up(session, aside)
        rows = (await session.execute(_LOCKED, {"ids": ids})).all()
    known = await read_keys(session, sealer, {row.key_id for row in rows})
    lost = {row.id: PersonKey.made() for row in rows if row.key_id not in known}
    if lost:
        await _keep_keys(session, lost.values(), sealer)
        await session.execute(_GIVE_KEYS, _rows(session, [(one, key.id) for one, key in lost.items()]))
        await session.execute(_FORGET_TOKENS, {"organization_id": session.organization_id, "ids": list(lost)})
    ties = [row for row in rows if accounts[row.external_id] not in {None, row.user_id}]
    return created, {row.external_id: lost.get(row.id) or known[row.key_id] for row in rows}, ties


async def _made(session: TenantSession, missing: list[str], sealer: Sealer) -> int:
    made = {one: PersonKey.made() for one in missing}
    places = [(new_id(), one, key.id) for one, key in made.items()]
    created = {row.key_id for row in await session.execute(_PLACES, _rows(session, places))} if places else set()
    if created:
        await _keep_keys(session, [key for key in made.values() if key.id in created], sealer)
    return len(created)


async def _keep_keys(session: TenantSession, keys: Iterable[PersonKey], sealer: Sealer) -> None:
    await session.execute(_KEYS, _rows(session, [(key.id, key.wrapped(sealer)) for key in keys]))


async def _missing(session: TenantSession, ids: list[str]) -> list[str]:
    asked = select(Recipient.external_id).where(
        Recipient.organization_id == session.organization_id, Recipient.external_id.in_(ids)
    )
    there = set((await session.scalars(asked)).all())
    return sorted(set(ids) - there)


def _rows(session: TenantSession, rows: Sequence[Any]) -> dict[str, Any]:
    return {"organization_id": session.organization_id, "rows": msgspec.json.encode(rows).decode()}
