"""What the ledger keeps secret, and how many messages it lets through, against a real PostgreSQL."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from singr_comms import (
    PasswordReset,
    PlainSms,
    SecurityNotice,
    SongRequest,
    TransientError,
    TwoFactorCode,
    TwoFactorCodeSms,
)
from singr_comms.notifications import SmsRequest, queue_sms
from singr_comms.notifications.sending._quotas import LIMITS
from singr_config import LimitSettings, Secret
from singr_db import PLATFORM_ORGANIZATION_ID, Sealer, new_id
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError, RetryLater

CODE = TwoFactorCode(user_name="Jane Doe", code="735104", expiry_minutes=5)
RESET = PasswordReset(user_name="Jane Doe", reset_link="https://singr.example/r?token=t", expiry_minutes=60)
NOTICE = SecurityNotice(
    user_name="Jane Doe", event="password_changed", occurred_at="now", link="https://singr.example/"
)
SONG = SongRequest(venue_name="Blue Note", artist="Abba", title="Waterloo", link="https://singr.example/requests")
ORGANIZATION = UUID("01920000-0000-7000-8000-00000000c0de")
OLD, NEW = Secret("o" * 40), Secret("n" * 40)


# --- secrets ---------------------------------------------------------------------------------------------------------


async def test_nothing_readable_about_people_or_codes_lies_in_the_database(bench: Any) -> None:
    request = SmsRequest(to="+15555550177", message=TwoFactorCodeSms(code="842917", expiry_minutes=5))
    async with bench.db.tenant(ORGANIZATION) as session:
        await queue_sms(session, request, sealer=bench.sealer, organization_id=ORGANIZATION)
    await bench.queue(CODE)
    async with bench.db.platform() as session:
        tables = ("messages", "message_attempts", "jobs", "message_quotas")
        dumps = [(await session.execute(text(f"SELECT t::text FROM {table} t"))).scalars().all() for table in tables]
    dump = "\n".join(line for lines in dumps for line in lines)
    for secret in ("842917", "735104", "+15555550177", "5550177", "jane@example.org", "Jane Doe"):
        assert secret not in dump
        assert secret.encode().hex() not in dump
    assert "j***@example.org" in dump
    assert "+1******0177" in dump


async def test_a_code_is_erased_once_it_is_sent(bench: Any) -> None:
    code, song = await bench.queue(CODE), await bench.queue(SONG)
    await bench.send(code)
    await bench.send(song)
    assert (await bench.row(code)).content_sealed == b""
    assert (await bench.row(song)).content_sealed != b""


async def test_messages_outlive_a_key_rotation(bench: Any) -> None:
    message_id = await bench.queue(SONG)
    bench.sealer = Sealer(NEW, [OLD])
    await bench.send(message_id)
    assert len(bench.email.sent) == 1


async def test_a_message_that_cannot_be_opened_fails_for_good(bench: Any) -> None:
    message_id = await bench.queue(SONG)
    bench.sealer = Sealer(NEW)
    with pytest.raises(PermanentError) as caught:
        await bench.send(message_id)
    assert caught.value.code == "unreadable"
    assert await bench.story(message_id) == ("failed", ["failed"])


async def test_another_organizations_message_does_not_exist(bench: Any) -> None:
    message_id = await bench.queue(SONG)
    for organization, wanted in ((new_id(), message_id), (ORGANIZATION, uuid4())):
        with pytest.raises(PermanentError) as caught:
            await bench.send(wanted, organization=organization)
        assert caught.value.code == "message_gone"
    assert await bench.story(message_id) == ("queued", [])


async def test_an_sms_job_cannot_send_an_email(bench: Any) -> None:
    message_id = await bench.queue(SONG)
    with pytest.raises(PermanentError):
        await bench.sender().send("sms", message_id, organization_id=ORGANIZATION, is_last_attempt=False)
    assert bench.sms.sent == []


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def noon(clock: VirtualClock) -> VirtualClock:
    """Limits count by the hour of the clock: a test begins with one, and does not straddle two."""
    tomorrow = clock.now() + timedelta(days=1)
    clock.move_to(tomorrow.replace(hour=12, minute=0, second=0, microsecond=0))
    return clock


async def sent_of(bench: Any, ids: list[UUID], organization: UUID = ORGANIZATION) -> int:
    outcomes = await asyncio.gather(
        *(bench.send(message_id, organization=organization) for message_id in ids), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(error, PermanentError) and error.code in LIMITS for error in refused), refused
    return len(ids) - len(refused)


@pytest.mark.usefixtures("noon")
async def test_a_user_gets_no_more_than_the_limit_even_from_many_runners(bench: Any) -> None:
    bench.limits = LimitSettings(email_per_hour=3)
    user = new_id()
    ids = [await bench.queue(SONG, user_id=user) for _ in range(8)]
    assert await sent_of(bench, ids) == 3
    statuses = sorted([(await bench.row(message_id)).status for message_id in ids])
    assert statuses == ["sent"] * 3 + ["suppressed"] * 5
    suppressed = [message_id for message_id in ids if (await bench.row(message_id)).status == "suppressed"][0]  # noqa: RUF015 - next() takes no asynchronous generator
    assert (await bench.row(suppressed)).error["code"] == "user_limit"
    assert await bench.attempts(suppressed) == []
    assert await sent_of(bench, [suppressed]) == 0, "it stays suppressed"


@pytest.mark.usefixtures("noon")
async def test_what_a_limit_or_a_wish_keeps_from_being_sent_keeps_no_words(bench: Any) -> None:
    bench.limits = LimitSettings(email_per_hour=1)
    ids = [await bench.queue(SONG) for _ in range(2)]
    assert await sent_of(bench, ids) == 1
    kept = {row.status: row.content_sealed for row in [await bench.row(message_id) for message_id in ids]}
    assert kept["sent"], "its words are kept as long as messages of its category are"
    assert kept["suppressed"] == b""


async def test_a_reader_gets_messages_again_with_the_next_hour(bench: Any, noon: VirtualClock) -> None:
    bench.limits = LimitSettings(email_per_hour=1)
    assert await sent_of(bench, [await bench.queue(SONG) for _ in range(2)]) == 1
    noon.advance(minutes=59)
    assert await sent_of(bench, [await bench.queue(SONG)]) == 0
    noon.advance(minutes=1)
    assert await sent_of(bench, [await bench.queue(SONG)]) == 1


@pytest.mark.usefixtures("noon")
async def test_limits_of_users_channels_codes_and_organizations_are_apart(bench: Any) -> None:
    bench.limits = LimitSettings(email_per_hour=1, sms_per_hour=1)
    user, other = new_id(), new_id()
    assert await sent_of(bench, [await bench.queue(SONG, user_id=user) for _ in range(2)]) == 1
    assert await sent_of(bench, [await bench.queue(SONG, user_id=other, to="joe@example.org")]) == 1
    assert await sent_of(bench, [await bench.queue(CODE, user_id=user) for _ in range(2)]) == 1
    assert await sent_of(bench, [await bench.queue(RESET, user_id=user) for _ in range(2)]) == 1
    away = new_id()
    assert await sent_of(bench, [await bench.queue(SONG, user_id=user, organization=away)], away) == 1
    request = SmsRequest(to="+15555550100", message=PlainSms(text="hello"), user_id=user)
    async with bench.db.tenant(ORGANIZATION) as session:
        queued = await queue_sms(session, request, sealer=bench.sealer, organization_id=ORGANIZATION)
    assert queued.message_id is not None
    await bench.sender().send("sms", queued.message_id, organization_id=ORGANIZATION, is_last_attempt=False)


@pytest.mark.usefixtures("noon")
async def test_codes_without_a_user_are_limited_by_recipient(bench: Any) -> None:
    bench.limits = LimitSettings(email_per_hour=2)
    codes = [await bench.queue(CODE, to=to) for to in ("jane@example.org", "JANE@example.org", "jane@EXAMPLE.org")]
    assert await sent_of(bench, codes) == 2
    assert await sent_of(bench, [await bench.queue(CODE, to="joe@example.org")]) == 1
    assert await sent_of(bench, [await bench.queue(SONG) for _ in range(5)]) == 2


@pytest.mark.usefixtures("noon")
async def test_one_address_gets_no_more_than_the_limit_whatever_users_are_named(bench: Any) -> None:
    bench.limits = LimitSettings(email_per_hour=2)
    named = [await bench.queue(SONG, user_id=new_id()) for _ in range(3)]
    assert await sent_of(bench, [*named, await bench.queue(SONG)]) == 2
    assert await sent_of(bench, [await bench.queue(SONG, to="joe@example.org")]) == 1


@pytest.mark.usefixtures("noon")
async def test_one_number_gets_no_more_than_the_limit(bench: Any) -> None:
    bench.limits = LimitSettings(sms_per_hour=1)
    request = SmsRequest(to="+15555550100", message=PlainSms(text="hello"))
    async with bench.db.tenant(ORGANIZATION) as session:
        two = [await queue_sms(session, request, sealer=bench.sealer, organization_id=ORGANIZATION) for _ in range(2)]
    await bench.sender().send("sms", two[0].message_id, organization_id=ORGANIZATION, is_last_attempt=False)
    with pytest.raises(PermanentError) as caught:
        await bench.sender().send("sms", two[1].message_id, organization_id=ORGANIZATION, is_last_attempt=False)
    assert caught.value.code == "recipient_limit"


@pytest.mark.usefixtures("noon")
async def test_an_organization_sends_no_more_than_its_day_holds(bench: Any) -> None:
    bench.limits = LimitSettings(email_per_day=2)
    ids = [await bench.queue(SONG, to=f"someone-{number}@example.org") for number in range(4)]
    assert await sent_of(bench, ids) == 2
    held = [row for row in [await bench.row(message_id) for message_id in ids] if row.status == "suppressed"]
    assert {row.error["code"] for row in held} == {"organization_limit"}
    away = new_id()
    assert await sent_of(bench, [await bench.queue(SONG, organization=away)], away) == 1


async def test_an_organization_sends_again_with_the_next_day(bench: Any, noon: VirtualClock) -> None:
    bench.limits = LimitSettings(email_per_day=1)

    async def sent_to(name: str) -> int:
        return await sent_of(bench, [await bench.queue(SONG, to=f"{name}@example.org")])

    assert (await sent_to("first"), await sent_to("second")) == (1, 0)
    noon.advance(hours=11)
    assert await sent_to("third") == 0
    noon.advance(hours=1)
    assert await sent_to("fourth") == 1


@pytest.mark.usefixtures("noon")
async def test_strangers_who_fill_a_day_shut_no_owner_out(bench: Any) -> None:
    bench.limits = LimitSettings(email_per_day=1)
    ids = [
        await bench.queue(RESET, to=f"owner-{number}@example.org", organization=PLATFORM_ORGANIZATION_ID)
        for number in range(3)
    ]
    assert await sent_of(bench, ids, PLATFORM_ORGANIZATION_ID) == 3


@pytest.mark.usefixtures("noon")
async def test_security_notices_always_pass_and_take_nothing_from_other_messages(bench: Any) -> None:
    bench.limits = LimitSettings(email_per_hour=1)
    user = new_id()
    assert await sent_of(bench, [await bench.queue(NOTICE, user_id=user) for _ in range(4)]) == 4
    assert await sent_of(bench, [await bench.queue(SONG, user_id=user) for _ in range(2)]) == 1
    assert await sent_of(bench, [await bench.queue(NOTICE, user_id=user)]) == 1


@pytest.mark.usefixtures("noon")
async def test_a_retried_message_is_counted_once(bench: Any) -> None:
    bench.limits = LimitSettings(email_per_hour=1)
    message_id = await bench.queue(SONG, user_id=new_id())
    for _ in range(3):
        bench.email.fail_next(TransientError("busy", "busy"))
        with pytest.raises(RetryLater):
            await bench.send(message_id)
    await bench.send(message_id)
    assert await bench.story(message_id) == ("sent", ["failed"] * 3 + ["sent"])
