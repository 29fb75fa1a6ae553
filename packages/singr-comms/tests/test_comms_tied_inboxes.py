"""An account finds in a recipient's inbox what came since it is its own, and what is proved to have been for it."""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest
from comms_crowds import Crowd
from comms_waiting import waits

from singr_comms import PlainPush
from singr_comms.people import Member, RecipientInput, put_recipient, recipient_named
from singr_comms.people.exporting._tables import LISTS
from singr_comms.people.inbox import (
    InboxMessage,
    add_to_inboxes,
    count_inbox,
    inbox_changes,
    list_inbox,
    mark_inbox,
    wake_snoozed,
)
from singr_comms.testing import MemoryNotifications
from singr_config.clock import clock

ADA, BOB = UUID(int=1), UUID(int=2)
MINE = "ada@example.org"


class Accounts:
    """Members with proved addresses; those of an account without one are not."""

    emails: ClassVar = {ADA: MINE, BOB: "bob@example.org"}

    async def members(self, _session: Any, _organization: UUID, users: Collection[UUID]) -> dict[UUID, Member]:
        return {one: Member(one, "Member", self.emails.get(one)) for one in users}


class Person:
    """The recipient `u-1` of an organization, in a database or in memory."""

    def __init__(self, crowd: Crowd, where: Any) -> None:
        self.crowd, self.where = crowd, where

    async def put(self, user_id: UUID | None = None, email: str | None = None, **given: Any) -> None:
        async with self.where.tenant(self.crowd.organization) as session:
            one = RecipientInput(user_id=user_id, email=email, **given)
            await put_recipient(session, "u-1", one, sealer=self.crowd.sealer, directory=Accounts())

    async def told(self, *titles: str) -> None:
        for title in titles:
            async with self.where.tenant(self.crowd.organization) as session:
                push = InboxMessage((await recipient_named(session, "u-1")).id, PlainPush(title=title, text="Come."))
                await add_to_inboxes(session, self.crowd.sealer, [push], organization_id=self.crowd.organization)

    async def mark(self, mark: Any, **how: Any) -> tuple[int, int]:
        async with self.where.tenant(self.crowd.organization) as session:
            counts = await mark_inbox(session, (await recipient_named(session, "u-1")).id, mark, **how)
        return counts.unread, counts.unseen

    async def position(self) -> int:
        async with self.where.tenant(self.crowd.organization) as session:
            return (await count_inbox(session, (await recipient_named(session, "u-1")).id)).position

    async def sees(self) -> list[str | None]:
        """The titles in the inbox, oldest first; counts and what changed agree with them."""
        async with self.where.tenant(self.crowd.organization) as session:
            whose = (await recipient_named(session, "u-1")).id
            counts = await count_inbox(session, whose)
            items = [*reversed((await list_inbox(session, self.crowd.sealer, whose)).items)]
            archived = (await list_inbox(session, self.crowd.sealer, whose, state="archived")).items
            changed = await inbox_changes(session, self.crowd.sealer, whose, after=0, limit=100)
        assert (counts.unread, counts.unseen) == (
            sum(one.read_at is None for one in items),
            sum(one.seen_at is None for one in items),
        )
        assert {one.id for one in changed} == {one.id for one in (*items, *archived)}
        return [one.title for one in items]


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    return await Crowd.of(bench)


@pytest.fixture(params=["database", "memory"])
def person(crowd: Crowd, request: pytest.FixtureRequest) -> Person:
    return Person(crowd, crowd.db if request.param == "database" else MemoryNotifications())


async def test_account_sees_nothing_that_came_before_it_had_the_recipient(person: Person) -> None:
    await person.put(email="somebody@example.org")
    await person.told("for somebody")
    before = await person.position()
    await person.put(ADA)
    assert await person.sees() == []
    assert await person.position() - before > 500, "who follows the inbox reads it anew"
    assert await person.mark("read", before=clock.now() + timedelta(hours=1)) == (0, 0)
    await person.told("for Ada")
    assert await person.sees() == ["for Ada"]
    assert await person.mark("archived", before=clock.now() + timedelta(hours=1)) == (0, 0)
    assert await person.sees() == []


async def test_proved_address_of_the_recipient_shows_what_came_before(person: Person) -> None:
    await person.put(email="Ada@example.org")
    await person.told("one", "two")
    await person.put(ADA)
    assert await person.sees() == ["one", "two"]


@pytest.mark.parametrize("first", ["bob@example.org", None])
async def test_address_that_the_recipient_was_given_later_proves_nothing(person: Person, first: str | None) -> None:
    await person.put(email=first)
    await person.told("for whoever")
    await person.put(email=MINE)
    await person.put(ADA, email=MINE)
    assert await person.sees() == []


async def test_address_that_is_given_with_the_account_proves_nothing(person: Person) -> None:
    await person.put()
    await person.told("for whoever")
    await person.put(ADA, email=MINE)
    assert await person.sees() == []


async def test_account_without_a_proved_address_sees_what_comes_from_then_on(person: Person) -> None:
    await person.put(email="carol@example.org")
    await person.told("before")
    await person.put(UUID(int=3), email="carol@example.org")
    await person.told("since")
    assert await person.sees() == ["since"]


async def test_account_that_comes_back_finds_all_as_it_was_if_nothing_came_meanwhile(person: Person) -> None:
    await person.put(ADA)
    await person.told("one", "two")
    await person.put()
    await person.put(ADA)
    assert await person.sees() == ["one", "two"]
    await person.put()
    await person.told("for whoever it was then")
    await person.put(ADA)
    assert await person.sees() == []


async def test_other_account_sees_nothing_of_what_the_first_got(person: Person) -> None:
    await person.put(ADA)
    await person.told("for Ada")
    await person.put(BOB)
    assert await person.sees() == []
    await person.put()
    await person.put(ADA)
    assert await person.sees() == []


async def test_put_again_with_the_same_account_hides_nothing(person: Person) -> None:
    await person.put(ADA)
    await person.told("one")
    await person.put(ADA, name="Ada", email="other@example.org")
    assert await person.sees() == ["one"]


async def test_what_was_snoozed_before_comes_back_to_nobody(crowd: Crowd) -> None:
    person = Person(crowd, crowd.db)
    await person.put(email="somebody@example.org")
    await person.told("for somebody")
    async with crowd.db.tenant(crowd.organization) as session:
        whose = (await recipient_named(session, "u-1")).id
        await mark_inbox(session, whose, "snoozed", before=clock.now(), until=clock.now() + timedelta(hours=1))
    await person.put(ADA)
    await crowd.run("UPDATE inbox_items SET snoozed_until = now() WHERE snoozed_until IS NOT NULL")
    async with crowd.db.platform() as session:
        await wake_snoozed(session, limit=10)
    assert await person.sees() == []


async def test_export_has_of_the_inbox_what_the_account_sees(crowd: Crowd) -> None:
    person = Person(crowd, crowd.db)
    await person.put(email="somebody@example.org")
    await person.told("for somebody")
    await person.put(ADA)
    await person.told("for Ada")
    [inbox] = [one for one in LISTS if one.name == "inbox"]
    async with crowd.db.tenant(crowd.organization) as session:
        about = {"recipient_ids": [(await recipient_named(session, "u-1")).id], "hashes": []}
        span = {"organization_id": crowd.organization, "after": UUID(int=0), "limit": 10}
        rows = (await session.execute(inbox.statement, about | span)).all()
    assert len(rows) == 1


async def test_tie_that_the_release_before_makes_shows_nothing_of_before(crowd: Crowd) -> None:
    person = Person(crowd, crowd.db)
    await person.put(email=MINE)
    await person.told("for whoever")
    await crowd.run("UPDATE recipients SET user_id = :user, last_user_id = :user", user=ADA)
    assert await person.sees() == []


async def test_an_item_that_is_on_its_way_as_the_account_gets_the_recipient_is_hidden_with_the_others(
    crowd: Crowd,
) -> None:
    person = Person(crowd, crowd.db)
    await person.put(email="somebody@example.org")
    async with crowd.db.tenant(crowd.organization) as slow:
        push = InboxMessage((await recipient_named(slow, "u-1")).id, PlainPush(title="on its way", text="Come."))
        await add_to_inboxes(slow, crowd.sealer, [push], organization_id=crowd.organization)
        tying = asyncio.create_task(person.put(ADA))
        await waits(crowd.db, tying)
    await tying
    assert await person.sees() == []
