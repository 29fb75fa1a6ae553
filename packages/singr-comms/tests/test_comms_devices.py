"""Devices that their provider says are dead get no more pushes, until they are registered again."""

from typing import Any
from uuid import UUID

import pytest
from comms_both import Accounts, Both
from comms_crowds import Crowd
from comms_queueing import ORGANIZATION, SEALER
from sqlalchemy import text

from singr_comms import MemoryEmailProvider, MemoryPushProvider, MemorySmsProvider, PermanentSendError, PlainPush
from singr_comms.notifications import MessageSender, PushRequest, queue_message
from singr_comms.notifying import Audience, Target
from singr_comms.people import (
    DeviceInput,
    RecipientInput,
    list_devices,
    put_recipient,
    recipient_named,
    register_device,
)
from singr_config import LimitSettings, Secret
from singr_db import Database, Sealer
from singr_db.tables import Organization
from singr_jobs import PermanentError
from singr_observability import build_metrics

PHONE = DeviceInput(token="device-token:0123456789", platform="android")


class Gone(MemoryPushProvider):
    """Says that the token is of no more use."""

    async def send(self, envelope: Any) -> Any:
        raise PermanentSendError("fcm_UNREGISTERED", "the app was uninstalled")


async def registered(db: Database, name: str = "u-1", *, sealer: Sealer = SEALER) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await put_recipient(session, name, RecipientInput(), sealer=sealer)
        await register_device(session, await recipient_named(session, name), PHONE, sealer=sealer)


async def reasons(db: Database) -> list[str | None]:
    async with db.platform() as session:
        return list((await session.scalars(text("SELECT off_reason FROM push_devices"))).all())


async def pushed(db: Database) -> None:
    providers: dict[str, Any] = {"email": MemoryEmailProvider(), "sms": MemorySmsProvider(), "push": Gone()}
    sender = MessageSender(db, SEALER, limits=LimitSettings(), metrics=build_metrics(), **providers)
    request = PushRequest(to=PHONE.token, message=PlainPush(title="Hello", text="You are next"))
    async with db.tenant(ORGANIZATION) as session:
        queued = await queue_message(session, request, sealer=SEALER, organization_id=ORGANIZATION)
    with pytest.raises(PermanentError):
        await sender.send("push", queued.message_id, organization_id=ORGANIZATION, is_last_attempt=True)  # type: ignore[arg-type] # it is new


async def test_a_dead_token_is_off_until_its_device_is_registered_again(db: Database) -> None:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    await registered(db)
    await pushed(db)
    assert await reasons(db) == ["fcm_UNREGISTERED"]
    await registered(db)
    assert await reasons(db) == [None]


async def test_a_token_is_one_device_also_after_the_secret_was_changed(db: Database) -> None:
    async with db.platform() as session:
        session.add(Organization(id=ORGANIZATION, name="Blue Note", slug="blue-note"))
    rotated = Sealer(Secret("n" * 40), [Secret("s" * 40)])
    await registered(db)
    await registered(db, sealer=rotated)
    assert await reasons(db) == [None]
    await registered(db)  # by a process that does not know of it yet
    await registered(db, "u-2", sealer=rotated)
    async with db.platform() as session:
        owner = "SELECT r.external_id FROM push_devices d JOIN recipients r ON r.id = d.recipient_id"
        assert (await session.scalars(text(owner))).all() == ["u-2"]


@pytest.mark.parametrize("to", [Audience(all=True), Target(recipient="u-1")], ids=["a crowd", "by name"])
async def test_a_push_is_in_the_language_of_its_device_and_else_of_its_reader(bench: Any, to: Any) -> None:
    both = Both(await Crowd.of(bench), bench)

    async def register(session: Any) -> None:
        them = RecipientInput(email="ada@example.org", locale="ar")
        await put_recipient(session, "u-1", them, sealer=both.crowd.sealer)
        person = await recipient_named(session, "u-1")
        for number, spoken in enumerate(("de", None)):
            device = DeviceInput(token=f"device-token:00000000{number}", platform="ios", locale=spoken)
            await register_device(session, person, device, sealer=both.crowd.sealer)

    await both.do(register)
    await both.tell(to, what="plain", data={"title": "You", "text": "Come on."}, channels=["push", "email", "inbox"])
    in_memory, stored = await both.came_to(*both.told[0])
    assert in_memory == stored
    spoken_by = {(channel, masked): locale for channel, _, masked, _, _, locale, _ in stored}
    assert list(spoken_by.values()) == ["ar", "ar", "de", "ar"]
    assert spoken_by["push", "device …0000"] == "de"


@pytest.mark.parametrize("first", [True, False])
async def test_device_that_somebody_registered_themselves_goes_with_their_account_and_others_stay(
    bench: Any, first: Any
) -> None:
    both, left = Both(await Crowd.of(bench), bench), []
    given, mine = (DeviceInput(token=f"device-token:{number}00000000{number}", platform="ios") for number in (1, 2))

    async def put(session: Any, account: UUID | None = None) -> None:
        them = RecipientInput(user_id=account)
        await put_recipient(session, "u-1", them, sealer=both.crowd.sealer, directory=Accounts())

    async def register(session: Any) -> None:
        await put(session, UUID(int=1))
        ways = [(given, False), (mine, first), (mine, not first)]
        for device, is_own in ways:
            person = await recipient_named(session, "u-1")
            await register_device(session, person, device, sealer=both.crowd.sealer, is_own=is_own)

    async def see(session: Any) -> list[str]:
        left.append([one.token for one in await list_devices(session, await recipient_named(session, "u-1"))])
        return left[-1]  # type: ignore[no-any-return] # as it was found

    await both.do(register)
    await both.do(lambda session: put(session, UUID(int=1)))
    await both.do(see)
    await both.do(put)
    await both.do(see)
    assert left[0] == left[1] == ["device …0002", "device …0001"]
    assert left[2] == left[3] == ["device …0001"]
