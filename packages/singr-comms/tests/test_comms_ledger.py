"""The send ledger against a real PostgreSQL: crashes, lost answers, two runners, limits."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from singr_comms import (
    EmailAddress,
    EmailEnvelope,
    EmailMessage,
    MemoryEmailProvider,
    MemorySmsProvider,
    PermanentSendError,
    PlainSms,
    SendReceipt,
    SongRequest,
    TransientError,
    TwoFactorCode,
    TwoFactorCodeSms,
    UnknownOutcomeError,
)
from singr_comms.notifications import (
    Delivered,
    EmailRequest,
    MessageSender,
    SmsRequest,
    queue_email,
    queue_sms,
)
from singr_config import LimitSettings, Secret
from singr_db import Database, Sealer, new_id
from singr_jobs import PermanentError, RetryLater
from singr_observability import Metrics, build_metrics

CODE = TwoFactorCode(user_name="Jane Doe", code="735104", expiry_minutes=5)
SONG = SongRequest(venue_name="Blue Note", artist="Abba", title="Waterloo", link="https://singr.example/requests")
ORGANIZATION = UUID("01920000-0000-7000-8000-00000000c0de")
OLD, NEW = Secret("o" * 40), Secret("n" * 40)


class Killed(BaseException):
    """The process ended here: nothing after this line ran."""


class Provider(MemoryEmailProvider):
    """A provider that runs something before and after it takes a message."""

    def __init__(self, *, takes_idempotency_key: bool = False) -> None:
        super().__init__(takes_idempotency_key=takes_idempotency_key)
        self.before: list[Callable[[], Any]] = []
        self.after: list[Callable[[], Any]] = []
        self.calls = 0
        self.called = asyncio.Event()

    async def send(self, envelope: EmailEnvelope) -> SendReceipt:
        self.calls += 1
        self.called.set()
        for step in self.before[:1]:
            del self.before[0]
            await step()
        receipt = await super().send(envelope)
        for step in self.after[:1]:
            del self.after[0]
            await step()
        return receipt


async def kill() -> None:
    raise Killed


class Bench:
    """A database, a provider, and a sender between them."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.sealer = Sealer(OLD)
        self.email = Provider()
        self.sms = MemorySmsProvider()
        self.metrics: Metrics = build_metrics()
        self.limits = LimitSettings()

    def sender(self, *, in_flight: float = 0.0, db: Any = None) -> MessageSender:
        return MessageSender(
            db or self.db,
            self.sealer,
            email=self.email,
            sms=self.sms,
            limits=self.limits,
            metrics=self.metrics,
            in_flight=in_flight,
        )

    async def queue(
        self,
        message: EmailMessage = SONG,
        *,
        user_id: UUID | None = None,
        to: str = "jane@example.org",
        organization: UUID = ORGANIZATION,
    ) -> UUID:
        request = EmailRequest(to=EmailAddress(to), message=message, user_id=user_id)
        async with self.db.tenant(organization) as session:
            queued = await queue_email(session, request, sealer=self.sealer, organization_id=organization)
        assert queued.message_id is not None
        return queued.message_id

    async def send(
        self, message_id: UUID, *, last: bool = False, in_flight: float = 0.0, organization: UUID = ORGANIZATION
    ) -> Delivered:
        sender = self.sender(in_flight=in_flight)
        return await sender.send_email(message_id, organization_id=organization, is_last_attempt=last)

    async def row(self, message_id: UUID) -> Any:
        async with self.db.platform() as session:
            found = await session.execute(text("SELECT * FROM messages WHERE id = :id"), {"id": message_id})
            return found.one()

    async def attempts(self, message_id: UUID) -> list[Any]:
        query = text("SELECT * FROM message_attempts WHERE message_id = :id ORDER BY attempt")
        async with self.db.platform() as session:
            return list((await session.execute(query, {"id": message_id})).all())

    async def story(self, message_id: UUID) -> tuple[str, list[str]]:
        return (await self.row(message_id)).status, [one.status for one in await self.attempts(message_id)]


@pytest.fixture
def bench(db: Database) -> Bench:
    return Bench(db)


async def test_a_message_is_sent_once_however_often_its_job_runs(bench: Bench) -> None:
    message_id = await bench.queue()
    first = await bench.send(message_id)
    assert await bench.send(message_id) == first
    assert await bench.send(message_id, last=True) == first
    assert len(bench.email.sent) == 1
    assert bench.email.sent[0].to == EmailAddress("jane@example.org")
    assert bench.email.sent[0].message == SONG
    assert bench.email.sent[0].idempotency_token == message_id.hex
    assert await bench.story(message_id) == ("sent", ["sent"])
    row = await bench.row(message_id)
    assert (row.provider, row.provider_message_id, row.attempts) == ("memory", f"memory-{message_id.hex}", 1)
    assert row.sent_at is not None


async def test_the_attempt_is_committed_and_no_transaction_is_open_when_the_provider_is_called(bench: Bench) -> None:
    seen: list[Any] = []
    message_id = await bench.queue()

    async def look() -> None:
        seen.append(await bench.story(message_id))
        busy = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND xact_start IS NOT NULL AND backend_type = 'client backend'"
        )
        async with bench.db.platform() as session:
            seen.append((await session.execute(busy)).scalar())

    bench.email.before.append(look)
    await bench.send(message_id)
    assert seen == [("dispatched", ["dispatched"]), 0]


# --- crashes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["before", "after"])
async def test_a_code_whose_sender_died_is_sent_again(bench: Bench, point: str) -> None:
    message_id = await bench.queue(CODE)
    getattr(bench.email, point).append(kill)
    with pytest.raises(Killed):
        await bench.send(message_id)
    assert await bench.story(message_id) == ("dispatched", ["dispatched"])
    await bench.send(message_id)
    assert await bench.story(message_id) == ("sent", ["unknown", "sent"])
    assert (await bench.attempts(message_id))[0].error["code"] == "lost"
    assert len(bench.email.sent) == (1 if point == "before" else 2)


@pytest.mark.parametrize("point", ["before", "after"])
async def test_any_other_message_whose_sender_died_is_flagged_and_never_sent_twice(bench: Bench, point: str) -> None:
    message_id = await bench.queue(SONG)
    getattr(bench.email, point).append(kill)
    with pytest.raises(Killed):
        await bench.send(message_id)
    for last in (False, True, False):
        with pytest.raises(PermanentError) as caught:
            await bench.send(message_id, last=last)
        assert caught.value.code == "outcome_unknown"
    assert await bench.story(message_id) == ("unknown", ["unknown"])
    assert (await bench.row(message_id)).error["code"] == "outcome_unknown"
    assert len(bench.email.sent) == (0 if point == "before" else 1)


@pytest.mark.parametrize("point", ["before", "after"])
async def test_a_provider_that_takes_idempotency_keys_gets_every_message_exactly_once(bench: Bench, point: str) -> None:
    bench.email = Provider(takes_idempotency_key=True)
    message_id = await bench.queue(SONG)
    getattr(bench.email, point).append(kill)
    with pytest.raises(Killed):
        await bench.send(message_id)
    await bench.send(message_id)
    assert await bench.story(message_id) == ("sent", ["unknown", "sent"])
    assert len(bench.email.sent) == 1


async def test_a_second_runner_waits_while_the_first_may_be_calling(bench: Bench) -> None:
    message_id = await bench.queue(CODE)
    bench.email.before.append(kill)
    with pytest.raises(Killed):
        await bench.send(message_id)
    with pytest.raises(RetryLater) as caught:
        await bench.send(message_id, in_flight=20.0)
    assert caught.value.code == "in_flight"
    assert 15 < caught.value.after <= 20.2
    assert bench.email.sent == []
    await bench.send(message_id, in_flight=20.0, last=True)  # nobody comes after: the policy decides now
    assert len(bench.email.sent) == 1


@pytest.mark.parametrize("message", [CODE, SONG])
async def test_of_many_runners_at_once_one_wins(bench: Bench, message: EmailMessage) -> None:
    message_id = await bench.queue(message)
    release = asyncio.Event()
    bench.email.before.append(release.wait)
    runners = [asyncio.create_task(bench.send(message_id, in_flight=20.0)) for _ in range(6)]
    _, waiting = await asyncio.wait(runners, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    while len(waiting) > 1:
        _, waiting = await asyncio.wait(waiting, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    release.set()
    outcomes = await asyncio.gather(*runners, return_exceptions=True)
    assert len(bench.email.sent) == bench.email.calls == 1
    assert sum(isinstance(outcome, Delivered) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, RetryLater) for outcome in outcomes) == 5
    assert await bench.story(message_id) == ("sent", ["sent"])


async def test_what_is_learned_late_still_counts(bench: Bench) -> None:
    message_id = await bench.queue(SONG)
    release = asyncio.Event()
    bench.email.before.append(release.wait)
    slow = asyncio.create_task(bench.send(message_id))
    async with asyncio.timeout(10):
        await bench.email.called.wait()
    with pytest.raises(PermanentError):
        await bench.send(message_id)
    assert await bench.story(message_id) == ("unknown", ["unknown"])
    release.set()
    await slow
    assert await bench.story(message_id) == ("sent", ["sent"])


async def test_an_outcome_is_written_even_when_the_database_stumbles(bench: Bench) -> None:
    class Stumbling:
        failures = 0

        @asynccontextmanager
        async def tenant(self, organization_id: UUID) -> AsyncIterator[Any]:
            if self.failures:
                self.failures -= 1
                raise OperationalError("SELECT", {}, ConnectionError("gone"))
            async with bench.db.tenant(organization_id) as session:
                yield session

    database = Stumbling()
    message_id = await bench.queue(SONG)

    async def stumble() -> None:
        database.failures = 3

    bench.email.after.append(stumble)
    sender = bench.sender(db=database)
    await sender.send_email(message_id, organization_id=ORGANIZATION, is_last_attempt=False)
    assert await bench.story(message_id) == ("sent", ["sent"])


@pytest.mark.parametrize(("message", "status"), [(CODE, "unknown"), (SONG, "unknown")])
async def test_a_call_that_is_cut_short_is_recorded_as_unknown(
    bench: Bench, message: EmailMessage, status: str
) -> None:
    message_id = await bench.queue(message)
    bench.email.before.append(asyncio.Event().wait)
    task = asyncio.create_task(bench.send(message_id))
    async with asyncio.timeout(10):
        await bench.email.called.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bench.story(message_id) == (status, ["unknown"])
    assert (await bench.attempts(message_id))[0].error["code"] == "interrupted"


# --- what providers answer -------------------------------------------------------------------------------------------


async def test_a_transient_error_is_retried_after_the_providers_wait(bench: Bench) -> None:
    message_id = await bench.queue(SONG)
    bench.email.fail_next(TransientError("mailjet_http_429", "slow down", retry_after=17.0))
    with pytest.raises(RetryLater) as caught:
        await bench.send(message_id)
    assert (caught.value.after, caught.value.code) == (17.0, "mailjet_http_429")
    assert await bench.story(message_id) == ("queued", ["failed"])
    assert (await bench.row(message_id)).error == {"code": "mailjet_http_429", "message": "slow down"}
    await bench.send(message_id)
    assert await bench.story(message_id) == ("sent", ["failed", "sent"])
    assert (await bench.row(message_id)).error is None


async def test_a_message_has_failed_when_its_attempts_are_spent(bench: Bench) -> None:
    message_id = await bench.queue(SONG)
    for last in (False, False, True):
        bench.email.fail_next(TransientError("connection", "refused"))
        with pytest.raises(RetryLater):
            await bench.send(message_id, last=last)
    assert await bench.story(message_id) == ("failed", ["failed"] * 3)


async def test_a_failed_message_is_sent_when_an_operator_asks_again(bench: Bench) -> None:
    message_id = await bench.queue(SONG)
    bench.email.fail_next(TransientError("connection", "refused"))
    with pytest.raises(RetryLater):
        await bench.send(message_id, last=True)
    await bench.send(message_id)
    assert await bench.story(message_id) == ("sent", ["failed", "sent"])


async def test_a_permanent_error_ends_it_at_once(bench: Bench) -> None:
    message_id = await bench.queue(SONG)
    bench.email.fail_next(PermanentSendError("mailjet_mj-0013", "invalid address"))
    with pytest.raises(PermanentError) as caught:
        await bench.send(message_id)
    assert caught.value.code == "mailjet_mj-0013"
    assert await bench.story(message_id) == ("failed", ["failed"])


async def test_a_lost_answer_is_flagged_for_most_kinds_and_retried_for_codes(bench: Bench) -> None:
    song, code = await bench.queue(SONG), await bench.queue(CODE)
    bench.email.fail_next(UnknownOutcomeError("timeout", "no answer"), UnknownOutcomeError("timeout", "no answer"))
    with pytest.raises(PermanentError) as flagged:
        await bench.send(song)
    assert flagged.value.code == "outcome_unknown"
    with pytest.raises(RetryLater):
        await bench.send(code)
    assert await bench.story(song) == ("unknown", ["unknown"])
    assert await bench.story(code) == ("unknown", ["unknown"])
    await bench.send(code)
    assert await bench.story(code) == ("sent", ["unknown", "sent"])
    with pytest.raises(PermanentError):
        await bench.send(song)
    assert [envelope.message for envelope in bench.email.sent] == [CODE]


async def test_a_bug_in_a_provider_counts_as_unknown_and_not_as_not_sent(bench: Bench) -> None:
    message_id = await bench.queue(SONG)
    bench.email.fail_next(KeyError("Messages"))
    with pytest.raises(PermanentError):
        await bench.send(message_id)
    assert await bench.story(message_id) == ("unknown", ["unknown"])
    assert (await bench.row(message_id)).error["code"] == "internal"


async def test_metrics_tell_outcomes_apart(bench: Bench) -> None:
    await bench.send(await bench.queue(SONG))
    bench.email.fail_next(TransientError("busy", "busy"), UnknownOutcomeError("timeout", "no answer"))
    for kind in (RetryLater, PermanentError):
        with pytest.raises(kind):
            await bench.send(await bench.queue(SONG))
    page = bench.metrics.render_text()[0].decode()
    for outcome in ("sent", "transient", "unknown"):
        assert f'singr_sends_total{{channel="email",outcome="{outcome}",provider="memory"}} 1.0' in page
    assert 'singr_send_duration_seconds_count{channel="email",provider="memory"} 3.0' in page


# --- secrets ---------------------------------------------------------------------------------------------------------


async def test_nothing_readable_about_people_or_codes_lies_in_the_database(bench: Bench) -> None:
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


async def test_a_code_is_erased_once_it_is_sent(bench: Bench) -> None:
    code, song = await bench.queue(CODE), await bench.queue(SONG)
    await bench.send(code)
    await bench.send(song)
    assert (await bench.row(code)).content_sealed == b""
    assert (await bench.row(song)).content_sealed != b""


async def test_messages_outlive_a_key_rotation(bench: Bench) -> None:
    message_id = await bench.queue(SONG)
    bench.sealer = Sealer(NEW, [OLD])
    await bench.send(message_id)
    assert len(bench.email.sent) == 1


async def test_a_message_that_cannot_be_opened_fails_for_good(bench: Bench) -> None:
    message_id = await bench.queue(SONG)
    bench.sealer = Sealer(NEW)
    with pytest.raises(PermanentError) as caught:
        await bench.send(message_id)
    assert caught.value.code == "unreadable"
    assert await bench.story(message_id) == ("failed", ["failed"])


async def test_another_organizations_message_does_not_exist(bench: Bench) -> None:
    message_id = await bench.queue(SONG)
    for organization, wanted in ((new_id(), message_id), (ORGANIZATION, uuid4())):
        with pytest.raises(PermanentError) as caught:
            await bench.send(wanted, organization=organization)
        assert caught.value.code == "message_gone"
    assert await bench.story(message_id) == ("queued", [])


async def test_an_sms_job_cannot_send_an_email(bench: Bench) -> None:
    message_id = await bench.queue(SONG)
    with pytest.raises(PermanentError):
        await bench.sender().send_sms(message_id, organization_id=ORGANIZATION, is_last_attempt=False)
    assert bench.sms.sent == []


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def within_an_hour() -> None:
    """Limits count by the hour of the clock: a test must not straddle two."""
    now = datetime.now(UTC)
    if (now + timedelta(seconds=20)).hour != now.hour:
        await asyncio.sleep(20)


async def sent_of(bench: Bench, ids: list[UUID], organization: UUID = ORGANIZATION) -> int:
    outcomes = await asyncio.gather(
        *(bench.send(message_id, organization=organization) for message_id in ids), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(error, PermanentError) and error.code == "user_limit" for error in refused), refused
    return len(ids) - len(refused)


@pytest.mark.usefixtures("within_an_hour")
async def test_a_user_gets_no_more_than_the_limit_even_from_many_runners(bench: Bench) -> None:
    bench.limits = LimitSettings(email_per_hour=3)
    user = new_id()
    ids = [await bench.queue(user_id=user) for _ in range(8)]
    assert await sent_of(bench, ids) == 3
    statuses = sorted([(await bench.row(message_id)).status for message_id in ids])
    assert statuses == ["sent"] * 3 + ["suppressed"] * 5
    suppressed = [message_id for message_id in ids if (await bench.row(message_id)).status == "suppressed"][0]  # noqa: RUF015 - next() takes no asynchronous generator
    assert (await bench.row(suppressed)).error["code"] == "user_limit"
    assert await bench.attempts(suppressed) == []
    assert await sent_of(bench, [suppressed]) == 0, "it stays suppressed"


@pytest.mark.usefixtures("within_an_hour")
async def test_limits_of_users_channels_codes_and_organizations_are_apart(bench: Bench) -> None:
    bench.limits = LimitSettings(email_per_hour=1, sms_per_hour=1)
    user, other = new_id(), new_id()
    assert await sent_of(bench, [await bench.queue(user_id=user) for _ in range(2)]) == 1
    assert await sent_of(bench, [await bench.queue(user_id=other)]) == 1
    assert await sent_of(bench, [await bench.queue(CODE, user_id=user) for _ in range(2)]) == 1
    away = new_id()
    assert await sent_of(bench, [await bench.queue(user_id=user, organization=away)], away) == 1
    request = SmsRequest(to="+15555550100", message=PlainSms(text="hello"), user_id=user)
    async with bench.db.tenant(ORGANIZATION) as session:
        queued = await queue_sms(session, request, sealer=bench.sealer, organization_id=ORGANIZATION)
    assert queued.message_id is not None
    await bench.sender().send_sms(queued.message_id, organization_id=ORGANIZATION, is_last_attempt=False)


@pytest.mark.usefixtures("within_an_hour")
async def test_codes_without_a_user_are_limited_by_recipient_and_other_messages_are_not(bench: Bench) -> None:
    bench.limits = LimitSettings(email_per_hour=2)
    codes = [await bench.queue(CODE, to=to) for to in ("jane@example.org", "JANE@example.org", "jane@EXAMPLE.org")]
    assert await sent_of(bench, codes) == 2
    assert await sent_of(bench, [await bench.queue(CODE, to="joe@example.org")]) == 1
    assert await sent_of(bench, [await bench.queue(SONG) for _ in range(5)]) == 5


@pytest.mark.usefixtures("within_an_hour")
async def test_a_retried_message_is_counted_once(bench: Bench) -> None:
    bench.limits = LimitSettings(email_per_hour=1)
    message_id = await bench.queue(user_id=new_id())
    for _ in range(3):
        bench.email.fail_next(TransientError("busy", "busy"))
        with pytest.raises(RetryLater):
            await bench.send(message_id)
    await bench.send(message_id)
    assert await bench.story(message_id) == ("sent", ["failed"] * 3 + ["sent"])
