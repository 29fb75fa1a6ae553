"""What messages say, and messages, go once their time is over, by category; and nothing that is wanted with them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from faults.dying import Dying, KilledError

from singr_comms.catalogue import message_types
from singr_comms.notifications import MessageReport, MessageRetention, foresee_messages
from singr_comms.notifications.retention import _dropping, _trimming
from singr_comms.notifications.retention._notifications import Forgotten
from singr_comms.notifications.retention._times import Times
from singr_comms.notifications.retention._turn import TURN, retain_messages
from singr_config import RetentionSettings
from singr_config.clock import clock
from singr_db import Database, ensure_partitions, first_id
from singr_db.retention import retaining
from singr_jobs.chores._tell_retention import TellRetention
from singr_observability import build_metrics

ORGANIZATION = UUID("01920000-0000-7000-8000-0000000000aa")
DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)
MONDAY = datetime(2026, 8, 3, tzinfo=UTC)
END = MONDAY + WEEK
TIMES = Times(RetentionSettings(), message_types)
ORDINARY, MARKETING, ACCOUNT, FOREIGN = "song_request", "campaign", "security_notice", "of_another_service"


class Shelf:
    """Messages as they came to lie, at any time."""

    def __init__(self, db: Database, connection: Any) -> None:
        self.db = db
        self.connection = connection
        self._count = 0

    async def run(self, statement: str, *values: Any) -> list[Any]:
        cursor = await self.connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []

    async def weeks(self, now: datetime) -> None:
        async with self.db.engine.connect() as connection:
            await ensure_partitions(connection, weeks_ahead=1, now=now)

    async def message(
        self,
        kind: str = ORDINARY,
        status: str = "sent",
        *,
        made: datetime = MONDAY,
        changed: datetime | None = None,
        code: str | None = None,
        job: UUID | None = None,
    ) -> UUID:
        """One that was asked for then, with an attempt and what its provider said."""
        self._count += 1
        message_id = UUID(int=first_id(made).int | (7 << 76) | (2 << 62) | self._count)
        error = None if code is None else f'{{"code": "{code}"}}'
        await self.run(
            "INSERT INTO messages (id, organization_id, job_id, channel, kind, status, error, recipient_sealed,"
            " recipient_hash, recipient_masked, content_sealed, created_at, updated_at)"
            " VALUES (%s, %s, %s, 'email', %s, %s, %s, 'sealed', '', '***', 'words', %s, %s)",
            message_id, ORGANIZATION, job, kind, status, error, made, changed or made,
        )  # fmt: skip
        await self.run(
            "INSERT INTO message_attempts (message_id, attempt, organization_id, provider, idempotency_token)"
            " VALUES (%s, 1, %s, 'p', '')", message_id, ORGANIZATION,
        )  # fmt: skip
        await self.run(
            "INSERT INTO message_events (message_id, key_hash, organization_id, provider, event, raised)"
            " VALUES (%s, '', %s, 'p', 'sent', true)", message_id, ORGANIZATION,
        )  # fmt: skip
        return message_id

    async def there(self) -> dict[UUID, bool]:
        """Which messages there are, and whether their words are; attempts and events of these, and of no others."""
        found = dict(await self.run("SELECT id, content_sealed <> '' FROM messages"))
        for table in ("message_attempts", "message_events"):
            assert {one for (one,) in await self.run(f"SELECT message_id FROM {table}")} == found.keys()
        return found

    async def turn(self, now: datetime, times: Times = TIMES) -> MessageReport:
        return await retain_messages(self.connection, times, now=now)


@pytest.fixture
async def shelf(db: Database) -> AsyncIterator[Shelf]:
    async with retaining(db.psycopg, TURN) as connection:
        made = Shelf(db, connection)
        names = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '_w[0-9]{8}$'"
        before = {name for (name,) in await made.run(names)}
        await made.weeks(MONDAY)
        yield made
        for name in {name for (name,) in await made.run(names)} - before:
            await made.run(f"DROP TABLE {name}")


async def test_words_go_first_and_then_the_week_whole_and_each_category_has_its_time(shelf: Shelf) -> None:
    ordinary, marketing, account, foreign = [
        await shelf.message(kind) for kind in (ORDINARY, MARKETING, ACCOUNT, FOREIGN)
    ]
    assert await shelf.turn(END + DAY * 6.9) == MessageReport(oldest=MONDAY)
    assert (await shelf.turn(END + DAY * 7)).blanked == 2
    assert await shelf.there() == {ordinary: True, marketing: False, account: False, foreign: True}
    assert (await shelf.turn(END + DAY * 30)).deleted == 1
    assert await shelf.there() == {ordinary: False, account: False, foreign: False}
    assert (await shelf.turn(END + DAY * 89)).dropped == ()
    gone = await shelf.turn(END + DAY * 90)
    assert (gone.dropped[0], gone.moved) == ("messages_w20260803", 2)
    assert await shelf.there() == {account: False, foreign: False}, "what no type is known of is kept the longest"
    assert (await shelf.turn(MONDAY + DAY * 399)).deleted == 0
    assert (await shelf.turn(MONDAY + DAY * 400)).deleted == 2
    assert await shelf.there() == {}


async def test_dry_run_says_what_the_next_turn_then_does_and_changes_nothing(shelf: Shelf) -> None:
    for kind in (ORDINARY, MARKETING, ACCOUNT):
        await shelf.message(kind)
    there, week = await shelf.there(), "messages_w20260803"

    async def foreseen(days: int) -> str:
        lines = await foresee_messages(shelf.connection, RetentionSettings(), now=END + DAY * days)
        return next(line for line in lines if line.startswith(week)).removeprefix(f"{week}: ")

    stays = f"stays until {END + DAY * 90:%Y-%m-%d} 00:00 UTC"
    assert await foreseen(6) == stays
    assert await foreseen(7) == f"{stays}; messages that go: 0; that lose what they say: 2"
    assert await foreseen(30) == f"{stays}; messages that go: 1; that lose what they say: 2"
    assert await foreseen(90) == "goes now; 1 of its messages are kept"
    assert await shelf.there() == there
    assert (await shelf.turn(END + DAY * 30)).deleted == 1
    assert await foreseen(30) == f"{stays}; messages that go: 0; that lose what they say: 0"
    assert (await shelf.turn(END + DAY * 90)).moved == 1


LATER = END + DAY * 500


@pytest.mark.parametrize(
    ("status", "code", "beside"),
    [
        ("queued", None, ""),
        ("dispatched", None, ""),
        ("unknown", "settling", ""),
        ("unknown", None, ""),
        ("failed", "rejected", "letter"),
        ("failed", "rejected", "job"),
        ("unknown", "outcome_unknown", "letter"),
    ],
)
async def test_what_is_on_its_way_is_never_dropped_and_keeps_its_words(
    shelf: Shelf, status: str, code: str | None, beside: str
) -> None:
    job = UUID(int=first_id(MONDAY).int | (7 << 76) | (2 << 62))
    if beside == "job":
        await shelf.run(
            "INSERT INTO jobs (id, organization_id, type, queue, status, payload, max_attempts, backoff, timeout)"
            " VALUES (%s, %s, 'test.steer', 'q', 'pending', '{}', 2, 1, 1)", job, ORGANIZATION,
        )  # fmt: skip
    elif beside:
        await shelf.run(
            "INSERT INTO dead_letters (id, organization_id, job_id, type, queue, error, error_code, fingerprint,"
            " attempts) VALUES (gen_random_uuid(), %s, %s, 'test.steer', 'q', '{}', '', '', '[]')", ORGANIZATION, job,
        )  # fmt: skip
    wanted = await shelf.message(MARKETING, status, code=code, job=job)
    await shelf.message(MARKETING, "failed", code="rejected")
    await shelf.message(MARKETING, "unknown", code="outcome_unknown")
    await shelf.turn(END + DAY * 30)
    assert await shelf.there() == {wanted: True}
    report = await shelf.turn(LATER)
    assert (report.dropped[0], report.moved) == ("messages_w20260803", 1)
    assert await shelf.there() == {wanted: True}
    await shelf.run("DELETE FROM jobs")
    await shelf.run("DELETE FROM dead_letters")
    await shelf.run("UPDATE messages SET status = 'sent', updated_at = %s", LATER)
    await shelf.turn(LATER + DAY * 13)
    assert await shelf.there() == {wanted: False}, "somebody may ask what became of it"
    await shelf.turn(LATER + DAY * 14)
    assert await shelf.there() == {}


async def test_week_of_which_too_much_is_kept_stays_and_is_gone_through(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_dropping, "MOST_SURVIVORS", 1)
    monkeypatch.setattr(_trimming, "BITE", 2)
    kept = [await shelf.message(kind) for kind in (ACCOUNT, ORDINARY, ORDINARY, ACCOUNT, ORDINARY)]
    report = await shelf.turn(END + DAY * 90)
    assert (report.held_up, report.deleted, report.blanked) == ((), 3, 2)
    assert "messages_w20260803" not in report.dropped
    assert await shelf.there() == {kept[0]: False, kept[3]: False}
    assert (await shelf.turn(END + DAY * 91)).deleted == 0
    assert "messages_w20260803" in (await shelf.turn(END + DAY * 400)).dropped
    assert await shelf.there() == {}


async def test_what_somebody_has_in_hand_is_gone_around_and_looked_at_a_day_later(
    shelf: Shelf, database_url: str
) -> None:
    held, other = await shelf.message(MARKETING), await shelf.message(MARKETING)
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT FROM messages WHERE id = %s FOR UPDATE", (held,))
        assert (await shelf.turn(END + DAY * 30)).deleted == 1
    assert (await shelf.there()).keys() == {held}
    assert other not in await shelf.there()
    assert (await shelf.turn(END + DAY * 30.5)).deleted == 0
    assert (await shelf.turn(END + DAY * 31)).deleted == 1


async def test_turn_that_ended_early_goes_on_and_begins_anew_where_more_is_over(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_trimming, "BITE", 1)

    async def rests(patience: _trimming.Patience, _: float) -> None:
        patience._until = 0.0

    monkeypatch.setattr(_trimming.Patience, "rests", rests)
    for _ in range(2):
        await shelf.message(ACCOUNT)
        await shelf.message(ORDINARY)
    turns = [(await shelf.turn(END + DAY * days)).blanked for days in (7, 7, 30, 30, 30, 30, 30)]
    assert sum(turns) == 4
    assert not any((await shelf.there()).values())


async def test_long_transaction_holds_the_drop_up_and_nobody_else(shelf: Shelf, database_url: str) -> None:
    message = await shelf.message()
    with psycopg.connect(database_url, application_name="a report") as reader:
        reader.execute("SELECT * FROM messages")
        report = await shelf.turn(END + DAY * 90)
        assert report.dropped == ()
        why, *_ = report.held_up
        assert why.startswith("messages_w20260803: ")
        with psycopg.connect(database_url, autocommit=True, options="-c lock_timeout=1") as other:
            other.execute("UPDATE messages SET sent_at = now()")
    assert (await shelf.there()).keys() == {message}
    assert (await shelf.turn(END + DAY * 90)).dropped[0] == "messages_w20260803"


async def test_nothing_goes_that_statistics_still_count(shelf: Shelf) -> None:
    message = await shelf.message(MARKETING)
    await shelf.run("INSERT INTO delivery_counts (hour, due_at) VALUES (%s, now())", MONDAY)
    for age in (30, 90):
        why, *_ = (await shelf.turn(END + DAY * age)).held_up
        assert why == "messages_w20260803: its hours are counted still: see the standing work deliveries.count"
    assert (await shelf.there()).keys() == {message}
    await shelf.run("UPDATE delivery_counts SET due_at = 'infinity'")
    assert (await shelf.turn(END + DAY * 90)).held_up == ()
    assert await shelf.there() == {}


async def test_killed_before_any_of_its_statements_it_loses_nothing_and_goes_on(shelf: Shelf) -> None:
    wanted = {await shelf.message(MARKETING, "queued"), await shelf.message(ACCOUNT)}
    every = wanted | {await shelf.message(), await shelf.message(MARKETING)}
    for lives in range(200):
        try:
            await retain_messages(cast("Any", Dying(shelf.connection, lives)), TIMES, now=END + DAY * 90)
        except KilledError:
            found = {one for (one,) in await shelf.run("SELECT id FROM messages")}
            assert wanted <= found <= every, f"killed before statement {lives}"
            continue
        break
    assert lives > 20
    assert (await shelf.there()).keys() == wanted
    assert await shelf.run("SELECT relname FROM pg_class WHERE relname LIKE 'gone_%%'") == []
    await shelf.weeks(END + DAY * 90)
    where = "SELECT DISTINCT tableoid::regclass::text FROM {} WHERE {} = ANY (%s)"
    for table, key in (("messages", "id"), ("message_events", "message_id")):
        assert await shelf.run(where.format(table, key), list(wanted)) == [(f"{table}_default",)], "none is made again"


@pytest.mark.parametrize("weeks", [16, pytest.param(72, marks=pytest.mark.full)])
async def test_over_many_weeks_nothing_wanted_goes_and_what_is_over_is_gone_for_good(shelf: Shelf, weeks: int) -> None:
    days = {ORDINARY: 90, MARKETING: 30, ACCOUNT: 400, FOREIGN: 400}
    over: dict[UUID, tuple[datetime, datetime]] = {}
    waiting, gone = set(), set()
    for count in range(weeks):
        monday = MONDAY + WEEK * count
        now = monday + DAY * 6.5
        await shelf.weeks(now)
        for kind, kept in days.items():
            over[await shelf.message(kind, made=now)] = now + DAY * kept, monday + WEEK + DAY * kept
        waiting.add(await shelf.message(MARKETING, "queued", made=now))
        await shelf.turn(now)
        there = (await shelf.there()).keys()
        assert waiting | {one for one, (soonest, _) in over.items() if soonest > now} <= there
        assert not there & {one for one, (_, latest) in over.items() if latest <= now}
        assert not gone & there
        gone = over.keys() - there
    assert len(gone) > weeks / 2, "too little was over to tell"


async def test_notifications_go_with_whom_they_named_once_the_time_of_their_category_is_over(shelf: Shelf) -> None:
    await shelf.run("INSERT INTO organizations (id, name, slug) VALUES (%s, 'Blue Note', 'blue-note')", ORGANIZATION)
    for number, (kind, ended) in enumerate([(MARKETING, MONDAY), (ACCOUNT, MONDAY), (MARKETING, None)]):
        which = UUID(int=first_id(MONDAY).int | number)
        await shelf.run(
            "INSERT INTO notifications (id, organization_id, type, audience, channels, state, ended_at)"
            " VALUES (%s, %s, %s, '{\"kind\": \"named\"}', '{email}', %s, %s)",
            which, ORGANIZATION, kind, "done" if ended else "sending", ended,
        )  # fmt: skip
        await shelf.run(
            "INSERT INTO notification_targets (notification_id, ordinal, organization_id, channel, address_sealed)"
            " VALUES (%s, 1, %s, 'email', 'sealed')", which, ORGANIZATION,
        )  # fmt: skip
    assert (await shelf.turn(MONDAY + DAY * 30)).notifications == 0
    assert (await shelf.turn(MONDAY + DAY * 31)).notifications == 1
    left = "SELECT n.type, n.ended_at IS NULL FROM notifications n JOIN notification_targets ON notification_id = n.id"
    assert sorted(await shelf.run(left)) == [(MARKETING, True), (ACCOUNT, False)]


async def test_notifications_are_gone_through_once_and_a_turn_that_ended_early_goes_on(shelf: Shelf) -> None:
    await shelf.run("INSERT INTO organizations (id, name, slug) VALUES (%s, 'Blue Note', 'blue-note')", ORGANIZATION)
    days = {MARKETING: 30, ORDINARY: 90, ACCOUNT: 400, FOREIGN: 400}
    for number, kind in enumerate(list(days) * 12):
        ended = MONDAY + timedelta(hours=number)
        await shelf.run(
            "INSERT INTO notifications (id, organization_id, type, audience, channels, state, ended_at)"
            " VALUES (%s, %s, %s, '{\"kind\": \"named\"}', '{email}', 'done', %s)",
            UUID(int=first_id(MONDAY).int | number), ORGANIZATION, kind, ended,
        )  # fmt: skip
    all_marketing = (await shelf.turn(MONDAY + DAY * 32)).notifications
    assert all_marketing == 12
    forgotten = Forgotten()

    async def forget(age: int, seconds: float = 60.0) -> int:
        patience = _trimming.Patience(seconds=seconds)
        return await forgotten.forget(shelf.connection, TIMES, MONDAY + DAY * age, patience)

    assert [await forget(age) for age in (32, 91, 92, 93)] == [0, 6, 6, 0]
    assert await shelf.run("SELECT DISTINCT type FROM notifications ORDER BY 1") == [(FOREIGN,), (ACCOUNT,)]
    assert [await forget(403, 0.0) for _ in range(3)] == [20, 4, 0], "a bite a turn, once its time is over"
    assert await shelf.run("SELECT FROM notifications") == []


async def test_notification_in_somebodys_hands_is_come_back_for_within_a_day(shelf: Shelf, database_url: str) -> None:
    await shelf.run("INSERT INTO organizations (id, name, slug) VALUES (%s, 'Blue Note', 'blue-note')", ORGANIZATION)

    async def ended(moment: datetime) -> None:
        await shelf.run(
            "INSERT INTO notifications (id, organization_id, type, audience, channels, state, ended_at)"
            " VALUES (%s, %s, %s, '{\"kind\": \"named\"}', '{email}', 'done', %s)",
            first_id(moment), ORGANIZATION, MARKETING, moment,
        )  # fmt: skip

    async def forget(forgotten: Forgotten) -> int:
        patience = _trimming.Patience(seconds=60.0)
        return await forgotten.forget(shelf.connection, TIMES, MONDAY + DAY * 30.5, patience)

    known = Forgotten()
    await ended(MONDAY)
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT FROM notifications FOR UPDATE")
        assert await forget(known) == 0
    assert await forget(known) == 1
    await ended(MONDAY - DAY)
    assert (await forget(known), await forget(Forgotten())) == (0, 1), "it walked through all there are again"


async def test_what_a_turn_did_is_told_in_metrics_and_one_process_does_it(shelf: Shelf, db: Database) -> None:
    metrics, settings = build_metrics(), RetentionSettings(message_categories=(("acount", 7, 400),))
    assert await MessageRetention(db, settings, metrics).work() is None, "somebody else is at it"
    await shelf.run("UPDATE job_gates SET held_until = NULL")
    made = clock.now() - WEEK * 20
    for week in (made, clock.now()):
        await shelf.weeks(week)
    await shelf.message(made=made)
    report = await MessageRetention(db, settings, metrics).work()
    assert report is not None
    await TellRetention(db.psycopg, metrics).work()
    rendered = cast("dict[str, dict[str, Any]]", metrics.render_json())
    told = {name: family["values"][0].get("value") for name, family in rendered.items() if family["values"]}
    assert told["singr_messages_weeks_dropped"] == len(report.dropped) >= 1
    assert (told["singr_messages_held_up"], told["singr_messages_oldest_week_seconds"] < 1e7) == (0, True)
