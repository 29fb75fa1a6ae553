"""An id that is given to another account is another person's: nothing of the former one passes to them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from comms_members import Everybody
from comms_queueing import ORGANIZATION, SEALER
from sqlalchemy import text

from singr_comms import PlainPush
from singr_comms.people import (
    DeviceInput,
    NamedRecipient,
    PreferenceChoice,
    PreferencesHolder,
    RecipientInput,
    TopicChange,
    ask_export,
    change_preferences,
    change_topic,
    erase_recipient,
    import_recipients,
    list_devices,
    put_recipient,
    read_preferences,
    read_recipient,
    recipient_named,
    register_device,
    remove_recipient,
)
from singr_comms.people.inbox import InboxMessage, add_to_inboxes, count_inbox, list_inbox
from singr_db import Database

ADA, EVE = UUID(int=1), UUID(int=2)
DEVICE = DeviceInput(token="hers-alone:0123456789", platform="ios")


async def put(session: Any, account: UUID | None) -> tuple[UUID, bool]:
    given = RecipientInput(user_id=account, phone="+15555550177")
    view, is_new = await put_recipient(session, "u-1", given, sealer=SEALER, directory=Everybody())
    return view.id, is_new


async def chosen(session: Any, recipient_id: UUID) -> set[str]:
    told = await read_preferences(session, PreferencesHolder(organization_id=ORGANIZATION, recipient_id=recipient_id))
    return {f"{one.scope}:{one.name}" for one in told.choices}


async def test_nothing_of_the_former_person_passes_to_the_next_one(tenant: Callable[[], Any]) -> None:
    async with tenant() as session:
        first, _ = await put(session, ADA)
        await register_device(session, await recipient_named(session, "u-1"), DEVICE, sealer=SEALER)
        await change_topic(session, "news", TopicChange(add=["u-1"]))
        hers = PreferencesHolder(organization_id=ORGANIZATION, recipient_id=first)
        await change_preferences(session, hers, [PreferenceChoice(scope="all", allowed=False)], source="recipient")
        theirs = [PreferenceChoice(scope="category", name="general", allowed=False)]
        await change_preferences(session, hers, theirs, source="organization")
    async with tenant() as session:
        assert await put(session, None) == (first, False)
    async with tenant() as session:
        assert await put(session, ADA) == (first, False), "nobody else had it between"
        assert len(await list_devices(session, await recipient_named(session, "u-1"))) == 1
        await put(session, None)
    async with tenant() as session:
        second, is_new = await put(session, EVE)
        assert (second != first, is_new) == (True, False)
        assert await list_devices(session, await recipient_named(session, "u-1")) == ()
        assert await chosen(session, second) == {"category:general"}
        changed = await change_topic(session, "news", TopicChange(remove=["u-1"]))
        assert changed.removed == 1, "what the organization said of the id goes on"


@pytest.mark.usefixtures("blue_note")
async def test_the_inbox_stays_behind_and_both_are_erased_under_their_id(db: Database) -> None:
    async with db.tenant(ORGANIZATION) as session:
        first, _ = await put(session, ADA)
        message = InboxMessage(first, PlainPush(title="Hers", text="Alone."))
        await add_to_inboxes(session, SEALER, [message], organization_id=ORGANIZATION)
    async with db.tenant(ORGANIZATION) as session:
        second, _ = await put(session, EVE)
        assert (await list_inbox(session, SEALER, second)).items == ()
        assert (await count_inbox(session, second)).unread == 0
        await erase_recipient(session, "u-1", sealer=SEALER)
    async with db.platform() as session:
        assert await session.scalar(text("SELECT bool_and(wrapped IS NULL) AND count(*) = 2 FROM data_keys"))
        [job] = (await session.scalars(text("SELECT payload FROM jobs WHERE type = 'recipient.erase_by_key'"))).all()
    assert (job["recipient_id"], job["former"]) == (str(second), [str(first)])


@pytest.mark.usefixtures("blue_note")
async def test_an_export_of_the_former_person_is_fetched_by_nobody(db: Database) -> None:
    async def states() -> list[str]:
        async with db.platform() as session:
            return list(await session.scalars(text("SELECT state FROM data_exports ORDER BY created_at")))

    async with db.tenant(ORGANIZATION) as session:
        first = RecipientInput(user_id=ADA, email="ada@example.org")
        await put_recipient(session, "u-1", first, sealer=SEALER, directory=Everybody())
        await ask_export(session, "u-1", sealer=SEALER)
    async with db.tenant(ORGANIZATION) as session:
        next_ = RecipientInput(user_id=EVE, email="eve@example.org")
        await put_recipient(session, "u-1", next_, sealer=SEALER, directory=Everybody())
    assert await states() == ["withdrawn"]
    async with db.tenant(ORGANIZATION) as session:
        await ask_export(session, "u-1", sealer=SEALER)
        await remove_recipient(session, "u-1")
    assert await states() == ["withdrawn", "withdrawn"]


@pytest.mark.usefixtures("blue_note")
async def test_two_change_their_accounts_in_one_call(db: Database) -> None:
    for accounts in ((ADA, EVE), (EVE, ADA)):
        people = [NamedRecipient(external_id=f"u-{place}", user_id=one) for place, one in enumerate(accounts)]
        async with db.tenant(ORGANIZATION) as session:
            done = await import_recipients(session, people, sealer=SEALER, directory=Everybody())
            assert done.created + done.updated == 2
            assert (await read_recipient(session, "u-0", sealer=SEALER)).user_id == accounts[0]
    assert (done.created, done.updated) == (0, 2)
