"""What `clock.settle()` does is what a worker of Singr's would have done by then, and what cannot be done is told."""

from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text

from singr_comms.notifying import Target, notify, read_notification
from singr_comms.people import RecipientInput, put_recipient
from singr_config import Settings
from singr_db import PLATFORM_ORGANIZATION_ID, Database, Sealer, new_id
from singr_db.tables import Organization
from singr_dev import DevError
from singr_dev.clock import VirtualClock
from singr_jobs import JobContext, Jobs, enqueue


class Tune(msgspec.Struct, tag="settling.tune", frozen=True):
    """A job whose handler asks for something."""


async def told(db: Database, settings: Settings, **how: Any) -> tuple[UUID, UUID]:
    """Somebody is told something by mail; the organization, and the notification."""
    organization_id, sealer = new_id(), Sealer(settings.auth.secret)
    async with db.platform() as session:
        session.add(Organization(id=organization_id, name="Library", slug="library"))
    async with db.tenant(organization_id) as session:
        await put_recipient(session, "reader", RecipientInput(email="reader@example.org"), sealer=sealer)
        data = {"title": "Due", "text": "Bring it back."}
        one = Target(recipient="reader")
        sent = await notify(session, "plain", one, sealer=sealer, data=data, channels=["email"], **how)
    return organization_id, sent.id


async def test_a_digest_whose_time_has_come_is_sent(clock: VirtualClock, db: Database, settings: Settings) -> None:
    await told(db, settings, digest="daily")
    await clock.settle()
    clock.advance(days=1)
    await clock.settle()
    async with db.platform() as session:
        kinds = (await session.execute(text("SELECT kind, status FROM messages"))).all()
    assert ("digest", "sent") in [tuple(one) for one in kinds]


async def test_a_notification_that_was_sent_is_done(clock: VirtualClock, db: Database, settings: Settings) -> None:
    """A chore sees it off once its messages have ended."""
    organization_id, sent = await told(db, settings)
    await clock.settle()
    async with db.tenant(organization_id) as session:
        found = await read_notification(session, sent)
    assert found is not None
    assert found.state == "done"


async def test_a_handler_that_asks_for_what_is_not_there_fails_the_test(clock: VirtualClock, db: Database) -> None:
    jobs = Jobs()

    @jobs.handler(Tune)
    async def tune(_job: Tune, context: JobContext) -> None:
        context.resource(Sealer)

    async with db.platform() as session:
        await enqueue(session, Tune(), organization_id=PLATFORM_ORGANIZATION_ID)
    with pytest.raises(DevError, match="Sealer"):
        await clock.settle(jobs)
