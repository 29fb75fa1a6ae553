"""Topics and their members, in the caller's transaction."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlalchemy import func, select

from singr_comms.catalogue._given import is_name
from singr_comms.people._errors import PeopleError, PersonFault, TopicInUseError, TopicNotFoundError
from singr_comms.people._forms import formed
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.recipients._model import MOST_AT_ONCE, ExternalId
from singr_db import TenantSession, new_id, sql_text
from singr_db.pages import Page, fetch_page
from singr_db.tables import Recipient, Topic, TopicMember

_END: Final = r"(?![\s\S])"
TopicKey = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=rf"^[A-Za-z0-9][A-Za-z0-9._:@+~=|-]*{_END}",
        description="Letters, digits and . _ : @ + ~ = | -",
        examples=["farm-9"],
    ),
]
"""What an organization calls a topic."""
_Names = Annotated[list[ExternalId], Meta(max_length=MOST_AT_ONCE)]

_MAKE: Final = sql_text(
    """
INSERT INTO topics (id, organization_id, key) VALUES (:id, :organization_id, :key)
ON CONFLICT (organization_id, key) DO NOTHING
""",
    roles=("tenant",),
)
# The lock keeps the topic while its members change.
_HELD: Final = sql_text("SELECT id FROM topics WHERE key = :key FOR KEY SHARE", roles=("tenant",))
_ADD: Final = sql_text(
    """
INSERT INTO topic_members (topic_id, recipient_id, organization_id)
SELECT :topic_id, id, :organization_id FROM recipients WHERE external_id = ANY(CAST(:ids AS text[])) ORDER BY id
ON CONFLICT DO NOTHING
RETURNING recipient_id
""",
    roles=("tenant",),
)
_TAKE: Final = sql_text(
    """
DELETE FROM topic_members WHERE topic_id = :topic_id AND recipient_id IN (
    SELECT id FROM recipients WHERE external_id = ANY(CAST(:ids AS text[])))
RETURNING recipient_id
""",
    roles=("tenant",),
)
# Whoever tells its members in this moment holds it: what they stored is seen afterwards.
_LOCKED: Final = sql_text("SELECT id FROM topics WHERE key = :key FOR UPDATE", roles=("tenant",))
_TO_REACH: Final = sql_text(
    """
SELECT id FROM notifications
 WHERE organization_id = :organization_id AND ended_at IS NULL AND state IN ('scheduled', 'deciding')
   AND audience ->> 'topic_id' = CAST(CAST(:topic_id AS uuid) AS text)
 ORDER BY id LIMIT 10
""",
    roles=("tenant",),
)
_REMOVE: Final = sql_text("DELETE FROM topics WHERE id = :topic_id", roles=("tenant",))


class TopicView(msgspec.Struct, frozen=True, kw_only=True):
    """A topic.

    Attributes:
        members: how many people it reaches.
    """

    key: str
    members: int
    created_at: datetime


class TopicChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People to add to a topic and to remove from it, by the organization's own ids.

    Args:
        add: at most 1,000.
        remove: likewise; ids that are no members are ignored.
    """

    add: _Names = msgspec.field(default_factory=list)
    remove: _Names = msgspec.field(default_factory=list)


class TopicChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of the change.

    Attributes:
        added: people who were added.
        removed: people who were removed.
    """

    added: int
    removed: int


async def change_topic(session: TenantSession, key: str, change: TopicChange) -> TopicChanged:
    """Add people to a topic, which is made where there is none, and take others off.

    Args:
        session: the caller's transaction, fenced to the organization.
        key: the topic.
        change: who.

    Raises:
        PeopleError: the key, or an id, has not its form, or somebody is to be added whom the organization does not
            have, or to be added and removed; it names all of them, and nothing is changed.
    """
    key, faults = formed(key, TopicKey, "key")
    change, misshapen = formed(change, TopicChange)
    faults += misshapen or [fault async for fault in _faults(session, change)]
    if faults:
        raise PeopleError(*faults)
    if isinstance(session, KeepsPeople):
        return TopicChanged(**session.people.change_topic(key, change.add, change.remove))
    values = {"organization_id": session.organization_id, "key": key}
    await session.execute(_MAKE, values | {"id": new_id()})
    topic_id = await session.scalar(_HELD, values)
    if topic_id is None:  # somebody removed it in this moment
        raise TopicNotFoundError
    values |= {"topic_id": topic_id}
    removed = (await session.execute(_TAKE, values | {"ids": change.remove})).all() if change.remove else []
    added = (await session.execute(_ADD, values | {"ids": change.add})).all() if change.add else []
    return TopicChanged(added=len(added), removed=len(removed))


async def read_topic(session: TenantSession, key: str) -> TopicView:
    """One topic.

    Raises:
        TopicNotFoundError: there is none.
    """
    if not is_name(key):
        raise TopicNotFoundError
    if isinstance(session, KeepsPeople):
        if (kept := session.people.topics.get(key)) is None:
            raise TopicNotFoundError
        return TopicView(key=key, members=len(kept.members), created_at=kept.created_at)
    asked = select(Topic).where(Topic.organization_id == session.organization_id, Topic.key == key)
    row = await session.scalar(asked)
    if row is None:
        raise TopicNotFoundError
    return (await _views(session, [row]))[0]


async def list_topics(session: TenantSession, *, limit: int = 20, cursor: str | None = None) -> Page[TopicView]:
    """One page of an organization's topics, newest first.

    Raises:
        singr_db.pages.InvalidCursor: The cursor is malformed.
    """
    asked = select(Topic).where(Topic.organization_id == session.organization_id)
    page = await fetch_page(session, asked, key=Topic.id, limit=limit, cursor=cursor)
    return Page(tuple(await _views(session, list(page.items))), page.next_cursor)


async def remove_topic(session: TenantSession, key: str) -> None:
    """Take a topic away; its members stay recipients.

    Raises:
        TopicNotFoundError: there is none.
        TopicInUseError: a notification has yet to reach its members: nobody would tell who was left out.
    """
    # One of the time when any key was taken is taken away, too.
    if not is_name(key):
        raise TopicNotFoundError
    if isinstance(session, KeepsPeople):
        kept = session.people.topics.get(key)
        if kept is None:
            raise TopicNotFoundError
        if waiting := session.people.to_reach(kept.id):
            raise TopicInUseError(waiting)
        del session.people.topics[key]
        return
    values = {"organization_id": session.organization_id, "key": key}
    values["topic_id"] = await session.scalar(_LOCKED, values)
    if values["topic_id"] is None:
        raise TopicNotFoundError
    if found := (await session.scalars(_TO_REACH, values)).all():
        raise TopicInUseError(found)
    await session.execute(_REMOVE, values)


async def _faults(session: TenantSession, change: TopicChange) -> AsyncIterator[PersonFault]:
    known = await _known(session, change.add) if change.add else set()
    gone = set(change.remove)
    for place, one in enumerate(change.add):
        if one not in known:
            yield PersonFault(f"add[{place}]", "must be the id of a recipient of this organization", "not_found")
    for place, one in enumerate(change.add):
        if one in gone:
            yield PersonFault(f"add[{place}]", "must not be in remove as well", "repeated")


async def _known(session: TenantSession, ids: list[str]) -> set[str]:
    """Of these ids, those of recipients; they stay until the caller's transaction is committed."""
    if isinstance(session, KeepsPeople):
        return {one.external_id for one in session.people.find(ids, ())}
    asked = (
        select(Recipient.external_id)
        .where(Recipient.organization_id == session.organization_id, Recipient.external_id.in_(ids))
        .order_by(Recipient.external_id)
        .with_for_update(read=True, key_share=True)
    )
    return set((await session.scalars(asked)).all())


async def _views(session: TenantSession, rows: list[Topic]) -> list[TopicView]:
    counted = (
        select(TopicMember.topic_id, func.count())
        .where(TopicMember.topic_id.in_([row.id for row in rows]))
        .group_by(TopicMember.topic_id)
    )
    counts: dict[UUID, int] = dict((await session.execute(counted)).all()) if rows else {}
    return [TopicView(key=row.key, members=counts.get(row.id, 0), created_at=row.created_at) for row in rows]
