"""The send ledger against a real PostgreSQL: crashes, lost answers, two runners."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from singr_comms import (
    EmailAddress,
    EmailMessage,
    Invitation,
    PermanentSendError,
    SecurityNotice,
    SendReceipt,
    SongRequest,
    TransientError,
    TwoFactorCode,
    UnknownOutcomeError,
)
from singr_comms.notifications import Delivered
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError, RetryLater

CODE = TwoFactorCode(user_name="Jane Doe", code="735104", expiry_minutes=5)
INVITATION = Invitation(
    inviter_name="Joe", organization_name="Blue Note", invitation_link="https://singr.example/i?token=t", expiry_days=7
)
NOTICE = SecurityNotice(
    user_name="Jane Doe", event="password_changed", occurred_at="now", link="https://singr.example/"
)
SONG = SongRequest(venue_name="Blue Note", artist="Abba", title="Waterloo", link="https://singr.example/requests")
ORGANIZATION = UUID("01920000-0000-7000-8000-00000000c0de")


class Killed(BaseException):
    """The process ended here: nothing after this line ran."""


async def kill() -> None:
    raise Killed


async def test_a_message_is_sent_once_however_often_its_job_runs(bench: Any) -> None:
    message_id = await bench.queue(SONG)
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


async def test_the_attempt_is_committed_and_no_transaction_is_open_when_the_provider_is_called(bench: Any) -> None:
    seen: list[Any] = []
    message_id = await bench.queue(SONG)

    async def look() -> None:
        seen.append(await bench.story(message_id))
        busy = text(
            "SELECT application_name, state, xact_start, query FROM pg_stat_activity WHERE xact_start IS NOT NULL"
            " AND datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            " AND application_name = current_setting('application_name')"
        )
        for _ in range(200):  # one that was hung up on before this test may take its time to end
            async with bench.db.platform() as session:
                still = (await session.execute(busy)).all()
            if not still:
                break
            await asyncio.sleep(0.05)
        seen.append(still)

    bench.email.before.append(look)
    await bench.send(message_id)
    assert seen == [("dispatched", ["dispatched"]), []]


# --- crashes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["before", "after"])
async def test_a_code_whose_sender_died_is_sent_again(bench: Any, point: str) -> None:
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
async def test_any_other_message_whose_sender_died_is_flagged_and_never_sent_twice(
    clock: VirtualClock, bench: Any, point: str
) -> None:
    message_id = await bench.queue(SONG)
    getattr(bench.email, point).append(kill)
    with pytest.raises(Killed):
        await bench.send(message_id)
    for last in (False, True):  # the provider may still tell by itself
        with pytest.raises(RetryLater) as waits:
            await bench.send(message_id, last=last)
        assert (waits.value.code, waits.value.counts) == ("settling", False)
    clock.advance(minutes=10)
    for last in (False, True, False):  # nobody can be asked
        with pytest.raises(PermanentError) as caught:
            await bench.send(message_id, last=last)
        assert caught.value.code == "outcome_unknown"
    assert await bench.story(message_id) == ("unknown", ["unknown"])
    assert (await bench.row(message_id)).error["code"] == "outcome_unknown"
    assert len(bench.email.sent) == (0 if point == "before" else 1)


@pytest.mark.parametrize("point", ["before", "after"])
async def test_a_provider_that_takes_idempotency_keys_gets_every_message_exactly_once(bench: Any, point: str) -> None:
    bench.email = type(bench.email)(takes_idempotency_key=True)
    message_id = await bench.queue(SONG)
    getattr(bench.email, point).append(kill)
    with pytest.raises(Killed):
        await bench.send(message_id)
    await bench.send(message_id)
    assert await bench.story(message_id) == ("sent", ["unknown", "sent"])
    assert len(bench.email.sent) == 1


async def test_a_second_runner_waits_while_the_first_may_be_calling(bench: Any) -> None:
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
async def test_of_many_runners_at_once_one_wins(bench: Any, message: EmailMessage) -> None:
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


async def test_what_is_learned_late_still_counts(bench: Any) -> None:
    message_id = await bench.queue(SONG)
    release = asyncio.Event()
    bench.email.before.append(release.wait)
    slow = asyncio.create_task(bench.send(message_id))
    async with asyncio.timeout(10):
        await bench.email.called.wait()
    with pytest.raises(RetryLater):
        await bench.send(message_id)
    assert await bench.story(message_id) == ("unknown", ["unknown"])
    release.set()
    await slow
    assert await bench.story(message_id) == ("sent", ["sent"])


async def test_an_outcome_is_written_even_when_the_database_stumbles(bench: Any) -> None:
    class Stumbling:
        failures = 0
        platform = bench.db.platform

        @asynccontextmanager
        async def tenant(self, organization_id: UUID) -> AsyncIterator[Any]:
            if self.failures:
                self.failures -= 1
                raise OperationalError("SELECT", {}, ConnectionError("gone"))
            async with bench.db.tenant(organization_id) as session:
                yield session

        @property
        def psycopg(self) -> Any:
            return self

        @asynccontextmanager
        async def connection(self) -> AsyncIterator[Any]:
            if self.failures:
                raise psycopg.OperationalError("gone")
            async with bench.db.psycopg.connection() as connection:
                yield connection

    database = Stumbling()
    message_id = await bench.queue(SONG)

    async def stumble() -> None:
        database.failures = 3

    bench.email.after.append(stumble)
    sender = bench.sender(db=database)
    await sender.send("email", message_id, organization_id=ORGANIZATION, is_last_attempt=False)
    assert await bench.story(message_id) == ("sent", ["sent"])


@pytest.mark.parametrize("said", ["SM\0", "\ud800", "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(9_000))])
async def test_code_that_was_taken_is_recorded_as_sent_whatever_id_it_got(bench: Any, said: str) -> None:
    message_id = await bench.queue(CODE)

    async def send(_: object) -> SendReceipt:
        bench.email.calls += 1
        receipt = SendReceipt("memory", "x")
        msgspec.structs.force_setattr(receipt, "provider_message_id", said)  # past what makes ids storable
        return receipt

    bench.email.send = send
    for _ in range(2):
        await bench.send(message_id)
    assert await bench.story(message_id) == ("sent", ["sent"])
    assert bench.email.calls == 1


async def test_refusal_that_cannot_be_stored_is_recorded_in_plain_words(bench: Any) -> None:
    message_id = await bench.queue(CODE)
    error = PermanentSendError("x", "x")
    error.message = "no\0"
    bench.email.fail_next(error)
    with pytest.raises(PermanentError):
        await bench.send(message_id)
    assert (await bench.row(message_id)).error["code"] == "not_storable"


@pytest.mark.parametrize(("message", "status"), [(CODE, "unknown"), (SONG, "unknown")])
async def test_a_call_that_is_cut_short_is_recorded_as_unknown(bench: Any, message: EmailMessage, status: str) -> None:
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


async def test_what_was_sent_is_recorded_however_often_its_sender_is_cancelled(bench: Any) -> None:
    message_id, locked = await bench.queue(SONG), asyncio.Event()
    async with bench.db.platform() as session:

        async def lock() -> None:
            await session.execute(text("SELECT FROM messages WHERE id = :id FOR UPDATE"), {"id": message_id})
            locked.set()

        bench.email.after.append(lock)
        task = asyncio.create_task(bench.send(message_id))
        async with asyncio.timeout(10):
            await locked.wait()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.05)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bench.story(message_id) == ("sent", ["sent"])


# --- what providers answer -------------------------------------------------------------------------------------------


async def test_a_transient_error_is_retried_after_the_providers_wait(bench: Any) -> None:
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


async def test_a_message_has_failed_when_its_attempts_are_spent(bench: Any) -> None:
    message_id = await bench.queue(SONG)
    for last in (False, False, True):
        bench.email.fail_next(TransientError("connection", "refused"))
        with pytest.raises(RetryLater):
            await bench.send(message_id, last=last)
    assert await bench.story(message_id) == ("failed", ["failed"] * 3)


async def test_a_failed_message_is_sent_when_an_operator_asks_again(clock: VirtualClock, bench: Any) -> None:
    message_id = await bench.queue(SONG)
    bench.email.fail_next(TransientError("connection", "refused"))
    with pytest.raises(RetryLater):
        await bench.send(message_id, last=True)
    clock.advance(seconds=10)
    await bench.send(message_id)
    assert await bench.story(message_id) == ("sent", ["failed", "sent"])


async def test_a_permanent_error_ends_it_at_once(bench: Any) -> None:
    message_id = await bench.queue(SONG)
    bench.email.fail_next(PermanentSendError("mailjet_mj-0013", "invalid address"))
    with pytest.raises(PermanentError) as caught:
        await bench.send(message_id)
    assert caught.value.code == "mailjet_mj-0013"
    assert await bench.story(message_id) == ("failed", ["failed"])


@pytest.mark.parametrize("harmless", [CODE, INVITATION, NOTICE], ids=lambda message: message.__struct_config__.tag)
async def test_a_lost_answer_is_waited_for_for_most_kinds_and_retried_for_codes_links_and_notices(
    clock: VirtualClock, bench: Any, harmless: EmailMessage
) -> None:
    song, again = await bench.queue(SONG), await bench.queue(harmless)
    bench.email.fail_next(UnknownOutcomeError("timeout", "no answer"), UnknownOutcomeError("timeout", "no answer"))
    with pytest.raises(RetryLater) as settles:
        await bench.send(song, last=True)
    assert (settles.value.code, settles.value.after, settles.value.counts) == ("settling", 600.0, False)
    with pytest.raises(RetryLater) as repeats:
        await bench.send(again)
    assert (repeats.value.code, repeats.value.counts) == ("timeout", True)
    assert await bench.story(song) == ("unknown", ["unknown"])
    assert await bench.story(again) == ("unknown", ["unknown"])
    await bench.send(again)
    assert await bench.story(again) == ("sent", ["unknown", "sent"])
    clock.advance(minutes=11)
    with pytest.raises(PermanentError) as flagged:
        await bench.send(song)
    assert flagged.value.code == "outcome_unknown"
    assert [envelope.message for envelope in bench.email.sent] == [harmless]


async def test_a_bug_in_a_provider_counts_as_unknown_and_not_as_not_sent(bench: Any) -> None:
    message_id = await bench.queue(SONG)
    bench.email.fail_next(KeyError("Messages"))
    with pytest.raises(RetryLater):
        await bench.send(message_id)
    assert await bench.story(message_id) == ("unknown", ["unknown"])
    assert (await bench.row(message_id)).error["code"] == "internal"


async def test_metrics_tell_outcomes_apart(bench: Any) -> None:
    await bench.send(await bench.queue(SONG))
    bench.email.fail_next(TransientError("busy", "busy"), UnknownOutcomeError("timeout", "no answer"))
    for _ in range(2):
        with pytest.raises(RetryLater):
            await bench.send(await bench.queue(SONG))
    page = bench.metrics.render_text()[0].decode()
    for outcome in ("sent", "transient", "unknown"):
        assert f'singr_sends_total{{channel="email",outcome="{outcome}",provider="memory"}} 1.0' in page
    assert 'singr_send_duration_seconds_count{channel="email",provider="memory"} 3.0' in page
