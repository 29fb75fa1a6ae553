"""Devices that their provider says are dead get no more pushes, until they are registered again."""

from typing import Any

import pytest
from comms_queueing import ORGANIZATION, SEALER
from sqlalchemy import text

from singr_comms import MemoryEmailProvider, MemoryPushProvider, MemorySmsProvider, PermanentSendError, PlainPush
from singr_comms.notifications import MessageSender, PushRequest, queue_message
from singr_comms.people import DeviceInput, RecipientInput, put_recipient, recipient_named, register_device
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
