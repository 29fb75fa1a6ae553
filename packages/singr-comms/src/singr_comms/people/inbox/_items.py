"""Items of inboxes: how they come in, and how they are read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, select

from singr_comms._errors import CommsError, InvalidMessageError
from singr_comms.catalogue import message_types
from singr_comms.channels.push import CHANNEL as PUSH
from singr_comms.channels.push import render_push
from singr_comms.models._message import Message, kind_of
from singr_comms.notifications._rows import CONTENT
from singr_comms.notifications.branding._worn import READER_LOCALE_SQL, Brands, Wardrobe
from singr_comms.people._errors import PeopleError
from singr_comms.people._forms import formed, in_form
from singr_comms.people._memory import KeepsPeople
from singr_comms.people._memory_inboxes import MemoryItem
from singr_comms.people.inbox._news import note_news
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_db import PlatformSession, Sealer, SealError, TenantSession, new_id, sql_text
from singr_db.batch import read_arrays
from singr_db.pages import Page, fetch_page
from singr_db.tables import InboxCounter, InboxItem

InboxState: TypeAlias = Literal["open", "unread", "archived", "snoozed"]
_COLUMNS: Final = {
    "id": "uuid",
    "organization_id": "uuid",
    "recipient_id": "uuid",
    "notification_id": "uuid",
    "kind": "text",
    "content_sealed": "bytea",
}
# Counters are taken in the order of ids, so that two that write to many inboxes wait for each other and never in a
# circle.
ADDED: Final = """bumped AS (
    INSERT INTO inbox_counters AS known (recipient_id, organization_id, unread, unseen, position)
    SELECT recipient_id, organization_id, 1, 1, 1 FROM given ORDER BY recipient_id
    ON CONFLICT (recipient_id) DO UPDATE
       SET unread = known.unread + 1, unseen = known.unseen + 1, position = known.position + 1
    RETURNING recipient_id, position
), added AS (
    INSERT INTO inbox_items (id, organization_id, recipient_id, notification_id, kind, content_sealed, position)
    SELECT id, organization_id, recipient_id, notification_id, kind, content_sealed, bumped.position
      FROM given JOIN bumped USING (recipient_id)
    RETURNING recipient_id
)"""
"""Parts of a WITH that put a relation `given`, which has the columns of an item, into inboxes, one a recipient."""
_ADD: Final = sql_text(
    f"""
WITH given AS (
    SELECT * FROM {read_arrays(_COLUMNS, ":rows")}
), {ADDED}
SELECT count(*) FROM added
""",  # noqa: S608 - constants
    roles=("platform", "tenant"),
)
_OF_USER: Final = sql_text("SELECT id FROM recipients WHERE organization_id = :organization_id AND user_id = :user_id")
_OWNER: Final = sql_text("SELECT user_id FROM recipients WHERE id = :recipient_id")
_LOCALE: Final = sql_text(
    f"SELECT {READER_LOCALE_SQL} FROM recipients AS r WHERE r.id = :recipient_id",  # noqa: S608 - constants
    roles=("platform", "tenant"),
)
_COUNTS: Final = sql_text(
    "SELECT unread, unseen, position FROM inbox_counters WHERE recipient_id = :recipient_id",
    roles=("platform", "tenant"),
)


class InboxNotFoundError(CommsError, LookupError):
    """The organization reaches no such person."""


class InboxWordsError(CommsError, ValueError):
    """A message has no words for an inbox."""


class InboxCounts(msgspec.Struct, frozen=True):
    """How many items of an inbox are new.

    Attributes:
        unread: not read, and neither archived nor snoozed.
        unseen: not seen yet, and neither archived nor snoozed.
        position: the inbox's position, which grows with every change; follow later changes from here.
    """

    unread: int = 0
    unseen: int = 0
    position: int = 0


class InboxItemView(msgspec.Struct, frozen=True, kw_only=True):
    """One item of an inbox.

    Attributes:
        type: the message's type.
        title: null, like the body, if this process does not know the type, or the text was erased.
        link: where a tap leads.
        notification_id: the notification that it belongs to.
        position: the position of its last change.
        snoozed_until: until when it is hidden.
    """

    id: UUID
    type: str
    title: str | None
    body: str | None
    link: str | None
    notification_id: UUID | None
    position: int
    created_at: datetime
    seen_at: datetime | None
    read_at: datetime | None
    archived_at: datetime | None
    snoozed_until: datetime | None


class InboxMessage(msgspec.Struct, frozen=True):
    """What goes into one person's inbox.

    Args:
        recipient_id: whose.
        message: a push, whose title and text it shows.
        notification_id: what it comes of; one item of it for each person.
    """

    recipient_id: UUID
    message: Message
    notification_id: UUID | None = None


class _Row(msgspec.Struct, frozen=True, array_like=True):
    id: UUID
    organization_id: UUID
    recipient_id: UUID
    notification_id: UUID | None
    kind: str
    content_sealed: bytes


async def add_to_inboxes(
    session: TenantSession | PlatformSession,
    sealer: Sealer,
    messages: Sequence[InboxMessage],
    *,
    organization_id: UUID,
) -> int:
    """Put messages into inboxes, in the caller's transaction, one for each person; how many there were.

    Raises:
        InboxWordsError: a message has no form for pushes, which is what an inbox shows.
        ValueError: a person is named twice: their items have an order.
        sqlalchemy.exc.IntegrityError: the organization has no such recipient, or theirs is there already.
    """
    if len({one.recipient_id for one in messages}) < len(messages):
        raise ValueError("name each recipient once: what comes later comes in a call of its own")
    if isinstance(session, KeepsPeople):
        for one in messages:
            session.people.inboxes.add(one.recipient_id, shown_in_inboxes(one.message), one.notification_id)
        return len(messages)
    rows = [
        _Row(
            new_id(),
            organization_id,
            one.recipient_id,
            one.notification_id,
            kind_of(shown_in_inboxes(one.message)),
            sealer.seal(msgspec.json.encode(one.message), context=CONTENT),
        )
        for one in messages
    ]
    added = await session.scalar(_ADD, {"rows": msgspec.json.encode(rows).decode()})
    note_news(session, [one.recipient_id for one in messages])
    return int(added or 0)


def shown_in_inboxes(message: Message) -> Message:
    """Return the message where an inbox can show it: it is a push; raises InboxWordsError."""
    if message_types.of(message).models.get("push") is not type(message):
        raise InboxWordsError(f"{type(message).__name__} is no push, whose title and text an inbox shows")
    return message


async def inbox_of(session: PlatformSession, *, organization_id: UUID, user_id: UUID) -> UUID:
    """Return by which recipient an organization reaches a signed-in person; raises InboxNotFoundError."""
    found: UUID | None = await session.scalar(_OF_USER, {"organization_id": organization_id, "user_id": user_id})
    if found is None:
        raise InboxNotFoundError("this organization keeps no inbox for you")
    return found


async def owner_of_inbox(session: PlatformSession, recipient_id: UUID) -> UUID | None:
    """Return whose account it is; None where nobody's is, or there is no such inbox any more."""
    found: UUID | None = await session.scalar(_OWNER, {"recipient_id": recipient_id})
    return found


async def count_inbox(session: TenantSession | PlatformSession, recipient_id: UUID) -> InboxCounts:
    """How many items are new; all 0 of an inbox in which nothing ever was."""
    recipient_id = in_form(recipient_id, UUID, "recipient_id")
    if isinstance(session, KeepsPeople):
        return InboxCounts(*session.people.inboxes.counts(recipient_id))
    row: Any = (await session.execute(_COUNTS, {"recipient_id": recipient_id})).first()
    return InboxCounts() if row is None else InboxCounts(*row)


async def list_inbox(
    session: TenantSession | PlatformSession,
    sealer: Sealer,
    recipient_id: UUID,
    *,
    state: InboxState = "open",
    limit: int = 20,
    cursor: str | None = None,
    brands: Brands | None = None,
) -> Page[InboxItemView]:
    """One page of a person's inbox, newest first, in their language as it is now.

    Args:
        session: the caller's transaction.
        sealer: opens the words.
        recipient_id: whose; the caller has made sure that it may look.
        state: `open` is what is neither archived nor snoozed, `unread` that of it which was not read.
        limit: how many, 1 or more.
        cursor: `next_cursor` of the page before.
        brands: what organizations' messages wear: items then say what their pushes do, in the organization's own words
            where it has some; without it, types' own.

    Raises:
        singr_db.pages.InvalidCursor: the cursor is malformed.
        PeopleError: the id is none, or there is no such state.
    """
    state, faults = formed(state, InboxState, "state")
    faults += formed(recipient_id, UUID, "recipient_id")[1]
    if faults:
        raise PeopleError(*faults)
    if isinstance(session, KeepsPeople):
        kept = session.people.inboxes.page(recipient_id, state, limit=limit, cursor=cursor)
        views = await _views(session, sealer, recipient_id, kept.items, brands)
        return Page(views, kept.next_cursor)
    statement = select(InboxItem).where(*_theirs(recipient_id), *_in_state(state))
    page = await fetch_page(session, statement, key=InboxItem.id, limit=limit, cursor=cursor)
    return Page(await _views(session, sealer, recipient_id, page.items, brands), page.next_cursor)


async def inbox_changes(
    session: TenantSession | PlatformSession,
    sealer: Sealer,
    recipient_id: UUID,
    *,
    after: int,
    limit: int,
    brands: Brands | None = None,
) -> list[InboxItemView]:
    """Items that changed behind a position, in the order of their changes, `limit` at most; as in `list_inbox`.

    Where the position is ahead of the inbox (`count_inbox`), it is of one that is gone: read all of this one.

    Raises:
        PeopleError: the id or the position has not its form.
    """
    faults = formed(recipient_id, UUID, "recipient_id")[1] + formed(after, int, "after")[1]
    if faults:
        raise PeopleError(*faults)
    if isinstance(session, KeepsPeople):
        kept = session.people.inboxes.changes(recipient_id, after=after, limit=limit)
        return [*await _views(session, sealer, recipient_id, kept, brands)]
    changed = (*_theirs(recipient_id), InboxItem.position > after)
    rows = await session.scalars(select(InboxItem).where(*changed).order_by(InboxItem.position).limit(limit))
    return [*await _views(session, sealer, recipient_id, rows.all(), brands)]


async def _views(
    session: TenantSession | PlatformSession,
    sealer: Sealer,
    recipient_id: UUID,
    rows: Sequence[Any],
    brands: Brands | None,
) -> tuple[InboxItemView, ...]:
    """Items as their reader sees them: all of an inbox is in one language, which is asked for where there are any."""
    if not rows:
        return ()
    wardrobe = Wardrobe()
    if isinstance(session, KeepsPeople):
        person = session.people.by_id().get(recipient_id)
        locale = None if person is None else person.given.locale
    else:
        locale = await session.scalar(_LOCALE, {"recipient_id": recipient_id})
        if brands is not None:
            wardrobe = await brands.wardrobe_of(session, rows[0].organization_id, rows)
    return tuple(_view(row, sealer, locale, wardrobe) for row in rows)


def _view(row: Any, sealer: Sealer, locale: str | None, wardrobe: Wardrobe) -> InboxItemView:
    title, body, link = _words(row, sealer, locale, wardrobe)
    return InboxItemView(
        id=row.id,
        type=row.kind,
        title=title,
        body=body,
        link=link,
        notification_id=row.notification_id,
        position=row.position,
        created_at=row.created_at,
        seen_at=row.seen_at,
        read_at=row.read_at,
        archived_at=row.archived_at,
        snoozed_until=row.snoozed_until,
    )


def _words(
    row: Any, sealer: Sealer, locale: str | None, wardrobe: Wardrobe
) -> tuple[str | None, str | None, str | None]:
    declared = message_types.named(row.kind)
    model = declared and declared.models.get("push")
    if model is None:
        return None, None, None
    try:
        if isinstance(row, MemoryItem):
            message = row.message
        else:
            message = msgspec.json.decode(sealer.open(row.content_sealed, context=CONTENT), type=model)
        worn, lang = wardrobe.told(message, PUSH.name, row.id, locale)
        rendered = render_push(message, worn or DEFAULT_BRAND, lang)
    except (SealError, msgspec.MsgspecError, InvalidMessageError):
        return None, None, None
    return rendered.title, rendered.body, rendered.link


def _theirs(recipient_id: UUID) -> Sequence[ColumnElement[bool]]:
    """All that is in an inbox: what came before an account had it is hidden."""
    shown = select(InboxCounter.hidden_through).where(InboxCounter.recipient_id == recipient_id).scalar_subquery()
    return InboxItem.recipient_id == recipient_id, InboxItem.position > shown


def _in_state(state: InboxState) -> Sequence[ColumnElement[bool]]:
    if state == "archived":
        return (InboxItem.archived_at.is_not(None),)
    if state == "snoozed":
        return (InboxItem.snoozed_until.is_not(None), InboxItem.archived_at.is_(None))
    seen = (InboxItem.archived_at.is_(None), InboxItem.snoozed_until.is_(None))
    return (*seen, InboxItem.read_at.is_(None)) if state == "unread" else seen
