"""A worker that does not know a message's type leaves it to one that does, and no attempt is lost to that."""

import importlib
from typing import Any

import pytest
from comms_guides import own_types
from comms_versions import LINK, unknowing
from comms_versions import Knowing as Elsewhere
from sqlalchemy import text

from singr_comms import EmailAddress, UnknownOutcomeError
from singr_comms.notifications import EmailRequest, PushRequest, SmsRequest, queue_message
from singr_jobs import PermanentError, RetryLater


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The messages of the guide's service."""
    return importlib.import_module(own_types(monkeypatch))


@pytest.fixture
def elsewhere(own: Any, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """`with elsewhere()`: as in a process that has no such type."""
    return unknowing(monkeypatch)


async def age(bench: Any, **columns: str) -> None:
    """Let columns of all messages be so long ago."""
    async with bench.db.platform() as session:
        for column, ago in columns.items():
            await session.execute(
                text(f"UPDATE messages SET {column} = now() - CAST(:ago AS interval)"),
                {"ago": ago},
            )


async def left(bench: Any, message_id: Any, **options: Any) -> RetryLater:
    with pytest.raises(RetryLater) as caught:
        await bench.send(message_id, **options)
    assert (caught.value.code, caught.value.counts) == ("unknown_type", False)
    return caught.value


async def test_it_waits_without_an_attempt_and_is_sent_by_who_knows_it(
    bench: Any, own: Any, elsewhere: Elsewhere
) -> None:
    ready = own.ParcelReady(user_name="Jane", shop="Corner Shop", link=LINK)
    message_id = await bench.queue(ready)
    with elsewhere():
        soon = await left(bench, message_id)
        await age(bench, held_since="10 seconds")
        later = await left(bench, message_id, last=True)
        await age(bench, held_since="23 hours")
        seldom = await left(bench, message_id, last=True)
    assert (soon.after, 10 <= later.after < 60, seldom.after) == (2.0, True, 60.0)
    row = await bench.row(message_id)
    assert (row.status, row.attempts, row.error["code"]) == ("queued", 0, "unknown_type")
    assert "knows no e-mail of the type parcel_ready" in row.error["message"]
    await bench.send(message_id)
    assert [one.message for one in bench.email.sent] == [ready]
    assert await bench.story(message_id) == ("sent", ["sent"])
    assert (await bench.row(message_id)).error is None


@pytest.mark.parametrize("channel", ["email", "sms", "push"])
async def test_nothing_is_counted_or_sent_by_any_channel(
    bench: Any, own: Any, elsewhere: Elsewhere, channel: str
) -> None:
    short = {"shop": "Corner Shop", "link": LINK}
    mail = own.ParcelReady(user_name="Jane", **short)
    requests: dict[str, Any] = {
        "email": EmailRequest(to=EmailAddress("jane@example.org"), message=mail),
        "sms": SmsRequest(to="+15555550100", message=own.ParcelReadySms(**short)),
        "push": PushRequest(to="device-token:0123456789", message=own.ParcelReadyPush(**short)),
    }
    async with bench.db.tenant(bench.organization) as session:
        given = {"sealer": bench.sealer, "organization_id": bench.organization}
        message_id = (await queue_message(session, requests[channel], **given)).message_id
    with elsewhere(), pytest.raises(RetryLater, match="knows no"):
        await bench.sender().send(channel, message_id, organization_id=bench.organization, is_last_attempt=True)
    async with bench.db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM message_quotas")) == 0
    assert await bench.story(message_id) == ("queued", [])
    assert getattr(bench, channel).sent == []


async def test_what_nobody_knows_ends_when_it_is_of_no_use_any_more(bench: Any, own: Any, elsewhere: Elsewhere) -> None:
    message_id = await bench.queue(own.ParcelReady(user_name="Jane", shop="Corner Shop", link=LINK))
    with elsewhere():
        await left(bench, message_id)
        await age(bench, held_since="25 hours")
        with pytest.raises(PermanentError) as caught:
            await bench.send(message_id)
    assert caught.value.code == "expired"
    assert await bench.story(message_id) == ("failed", [])
    with elsewhere():  # somebody lets it be tried again: it has its time anew
        await left(bench, message_id)
    await bench.send(message_id)
    assert await bench.story(message_id) == ("sent", ["sent"])


async def test_what_it_says_itself_of_its_end_holds(bench: Any, own: Any, elsewhere: Elsewhere) -> None:
    message_id = await bench.queue(own.ParcelReady(user_name="Jane", shop="Corner Shop", link=LINK))
    await age(bench, expires_at="1 second")
    with elsewhere(), pytest.raises(PermanentError) as caught:
        await bench.send(message_id)
    assert caught.value.code == "expired"
    assert (await bench.row(message_id)).status == "suppressed"


async def test_what_was_perhaps_sent_is_judged_by_who_knows_its_type(
    bench: Any, own: Any, elsewhere: Elsewhere
) -> None:
    async def breaks() -> None:
        raise UnknownOutcomeError("broken", "the line broke")

    message_id = await bench.queue(own.ParcelReady(user_name="Jane", shop="Corner Shop", link=LINK))
    bench.email.after.append(breaks)
    with pytest.raises(RetryLater) as caught:
        await bench.send(message_id)
    assert caught.value.code == "settling"
    story = await bench.story(message_id)
    with elsewhere():
        await left(bench, message_id)
    assert await bench.story(message_id) == story == ("unknown", ["unknown"])
