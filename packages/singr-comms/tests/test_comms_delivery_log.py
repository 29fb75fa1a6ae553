"""The delivery log: paged, filtered, telling of each attempt and telling on nobody."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from comms_queueing import EMAIL, ORGANIZATION, SEALER, SMS, queued_for, sender_for
from sqlalchemy import text

from singr_comms import MemoryEmailProvider, TransientError
from singr_comms.notifications import Deliveries
from singr_config import Secret
from singr_db import Database, Sealer
from singr_db.pages import InvalidCursor
from singr_jobs import RetryLater

OTHER = UUID("01920000-0000-7000-8000-0000000000be")


async def test_the_log_is_paged_newest_first_and_ends(db: Database) -> None:
    ids = await queued_for(db, ORGANIZATION, [EMAIL, SMS, EMAIL, SMS, EMAIL])
    log, seen, cursor = Deliveries(SEALER), [], None
    for _ in range(3):
        async with db.tenant(ORGANIZATION) as session:
            page = await log.list(session, limit=2, cursor=cursor)
        seen += [item.id for item in page.items]
        cursor = page.next_cursor
    assert seen == ids[::-1]
    assert cursor is None
    with pytest.raises(InvalidCursor):
        async with db.tenant(ORGANIZATION) as session:
            await log.list(session, cursor="nonsense")


async def test_the_log_is_filtered(db: Database) -> None:
    email, sms = await queued_for(db, ORGANIZATION, [EMAIL, SMS])
    await sender_for(db).send("email", email, organization_id=ORGANIZATION, is_last_attempt=False)
    log, now = Deliveries(SEALER), datetime.now(UTC)

    async def found(**filters: Any) -> set[UUID]:
        async with db.tenant(ORGANIZATION) as session:
            return {item.id for item in (await log.list(session, **filters)).items}

    async with db.tenant(ORGANIZATION) as session:
        detail = await log.read(session, sms)
    assert detail is not None
    assert await found(channel="sms") == {sms}
    assert await found(status="sent") == {email}
    assert await found(kind="song_request") == {email}
    assert await found(job_id=detail.job_id) == {sms}
    assert await found(recipient="JANE@example.org ") == {email}
    assert await found(recipient="+15555550177") == {sms}
    assert await found(recipient="+15555550178") == set()
    assert await found(created_after=now - timedelta(hours=1), created_before=now + timedelta(hours=1)) == {email, sms}
    assert await found(created_after=now + timedelta(hours=1)) == set()
    assert await found(created_before=now - timedelta(hours=1)) == set()
    assert await found(channel="sms", status="sent") == set()


@pytest.mark.parametrize("status", ["unknown", "failed"])
async def test_the_few_that_went_wrong_are_on_the_first_page_however_many_are_newer(
    db: Database, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singr_db.pages.LOOKS_BACK", 3)
    ids = await queued_for(db, ORGANIZATION, [EMAIL] * 8)
    log, now = Deliveries(SEALER), datetime.now(UTC)
    async with db.platform() as session:
        change = text("UPDATE messages SET status = :status WHERE id = ANY (:ids)")
        await session.execute(change, {"status": status, "ids": ids[:2]})
    async with db.tenant(ORGANIZATION) as session:
        page = await log.list(session, status=status, limit=1)
        assert [one.id for one in page.items] == [ids[1]]
        page = await log.list(session, status=status, limit=1, cursor=page.next_cursor)
        assert [one.id for one in page.items] == [ids[0]]
        assert (page.next_cursor, page.looked_back_to) == (None, None)
        page = await log.list(session, status=status, channel="email", created_before=now + timedelta(hours=1))
        assert [one.id for one in page.items] == [ids[1], ids[0]]
        assert (await log.list(session, status=status, channel="sms")).items == ()
        assert (await log.list(session, status="sent")).looked_back_to is not None


async def test_recipients_are_found_after_a_key_rotation(db: Database) -> None:
    (email,) = await queued_for(db, ORGANIZATION, [EMAIL])
    log = Deliveries(Sealer(Secret("n" * 40), [Secret("s" * 40)]))
    async with db.tenant(ORGANIZATION) as session:
        page = await log.list(session, recipient="jane@example.org")
    assert [item.id for item in page.items] == [email]


async def test_the_log_tells_the_story_of_each_attempt_without_telling_on_anybody(db: Database) -> None:
    (email,) = await queued_for(db, ORGANIZATION, [EMAIL])
    provider = MemoryEmailProvider()
    provider.fail_next(TransientError("mailjet_http_503", "mailjet answered 503"))
    sender = sender_for(db, provider)
    with pytest.raises(RetryLater):
        await sender.send("email", email, organization_id=ORGANIZATION, is_last_attempt=False)
    await sender.send("email", email, organization_id=ORGANIZATION, is_last_attempt=False)
    async with db.tenant(ORGANIZATION) as session:
        detail = await Deliveries(SEALER).read(session, email)
    assert detail is not None
    assert (detail.status, detail.recipient, detail.attempt_count) == ("sent", "j***@example.org", 2)
    assert [(one.attempt, one.status) for one in detail.attempts] == [(1, "failed"), (2, "sent")]
    assert detail.attempts[0].error is not None
    assert detail.attempts[0].error.code == "mailjet_http_503"
    assert all(one.finished_at and one.finished_at >= one.started_at for one in detail.attempts)
    shown = msgspec.json.encode(detail)
    assert b"jane" not in shown
    assert b"Waterloo" not in shown


async def test_another_organization_sees_nothing(db: Database) -> None:
    (email,) = await queued_for(db, ORGANIZATION, [EMAIL])
    log = Deliveries(SEALER)
    async with db.tenant(OTHER) as session:
        assert (await log.list(session)).items == ()
        assert (await log.list(session, recipient="jane@example.org")).items == ()
        assert await log.read(session, email) is None
