"""What is kept for people comes in one mail, once, at the time that they want it: nothing twice, lost or empty."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from comms_crowds import Crowd
from comms_digest_windows import digests, due, made, put, rows, tell
from sqlalchemy import event, text

from singr_comms import PlainSms
from singr_comms.notifying import DigestLateness, InvalidNotificationError, Target, cancel_notification
from singr_comms.notifying.chores._close_digests import CloseDigestsWhenDue
from singr_comms.notifying.chores._tell_lateness import LATE
from singr_comms.notifying.digests._sql import PERSON
from singr_comms.people import (
    DigestTime,
    PreferenceChoice,
    change_preferences,
    preferences_holder,
)
from singr_db import new_id
from singr_jobs import PermanentError, Priority
from singr_observability import build_metrics


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization with Ada, who lives in Berlin."""
    crowd = await Crowd.of(bench)
    await put(crowd)
    return crowd


async def wishes(crowd: Crowd, *, allowed: bool) -> None:
    """Let Ada choose."""
    async with crowd.db.tenant(crowd.organization) as session:
        holder = await preferences_holder(session, "ada")
        choice = PreferenceChoice(scope="type", name="plain", channel="email", allowed=allowed)
        await change_preferences(session, holder, [choice], source="recipient")


async def test_what_is_kept_comes_in_one_mail_and_nothing_by_itself(crowd: Crowd, bench: Any) -> None:
    told = await tell(crowd, "plums")
    await tell(crowd, "pears")
    found = {(row.channel, row.status, row.code) for row in await crowd.messages(told)}
    assert found == {("push", "suppressed", "no_device"), ("email", "suppressed", "digested")}
    assert (await digests(crowd).close_due(crowd.organization)).closed == 0
    await due(crowd)
    closed = await digests(crowd).close_due(crowd.organization)
    assert (closed.closed, closed.mails) == (1, 1)
    assert await made(crowd) == [("queued", None, ["plums", "pears"], 0)]
    assert (await digests(crowd).close_due(crowd.organization)).closed == 0
    assert await rows(crowd, "SELECT id FROM digest_items") == []
    [row] = await rows(crowd, "SELECT id FROM messages WHERE kind = 'digest'")
    await bench.sender().send("email", row.id, organization_id=crowd.organization, is_last_attempt=True)
    [mail] = bench.email.sent
    assert (mail.to.email, mail.message.user_name, mail.message.period) == ("ada@example.org", "Ada", "daily")


async def test_windows_close_at_the_readers_time_and_move_with_their_clock_and_wishes(crowd: Crowd) -> None:
    await tell(crowd, "plums")
    await tell(crowd, "pears", "weekly")

    async def closings() -> dict[str, tuple[int, int]]:
        found = await rows(crowd, "SELECT period, closes_at FROM digest_windows WHERE closed_at IS NULL")
        return {
            row.period: (row.closes_at.astimezone(UTC).hour, row.closes_at.astimezone(UTC).isoweekday())
            for row in found
        }

    berlin = await closings()
    assert berlin["weekly"][1] == 1
    assert {hour for hour, _ in berlin.values()} <= {6, 7}  # 08:00 in Berlin, in summer and winter
    await put(crowd, time_zone="Asia/Tokyo", digest=DigestTime(at="18:00", weekday=3))
    assert {period: (hour, day if period == "weekly" else 0) for period, (hour, day) in (await closings()).items()} == {
        "daily": (9, 0),
        "weekly": (9, 3),
    }
    await put(crowd, time_zone="Asia/Tokyo")
    before = await closings()
    await crowd.run("INSERT INTO digest_defaults (organization_id, digest_at) SELECT id, '15:30' FROM organizations")
    await put(crowd, time_zone="Asia/Tokyo", locale="de")
    assert await closings() == before  # of who is put as before, nothing moves
    await due(crowd)
    await put(crowd)  # what is due is closed as it stands
    assert (await digests(crowd).close_due(crowd.organization)).mails == 2


async def test_a_missed_closing_is_caught_up_once_with_all_that_came_meanwhile(crowd: Crowd) -> None:
    await tell(crowd, "plums")
    await due(crowd, days=3)
    await tell(crowd, "pears")
    assert (await digests(crowd).close_due(crowd.organization)).mails == 1
    assert await made(crowd) == [("queued", None, ["plums", "pears"], 0)]


async def test_what_was_read_or_expired_is_left_out_and_an_empty_digest_is_not_sent(crowd: Crowd) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    await tell(crowd, "read", channels=["email", "inbox"])
    await tell(crowd, "expired", expires_at=soon)
    await crowd.run("UPDATE inbox_items SET read_at = now()")
    await crowd.run("UPDATE digest_items SET expires_at = now() WHERE expires_at IS NOT NULL")
    await due(crowd)
    done = await digests(crowd).close_due(crowd.organization)
    assert (done.closed, done.mails) == (1, 0)
    assert await made(crowd) == [("suppressed", "digest_empty", [], 0)]
    await tell(crowd, "read too", channels=["email", "inbox"])
    await tell(crowd, "new", channels=["email", "inbox"])
    await crowd.run(
        "UPDATE inbox_items SET read_at = now()"
        " WHERE notification_id = (SELECT notification_id FROM digest_items ORDER BY created_at LIMIT 1)"
    )
    await due(crowd)
    await digests(crowd).close_due(crowd.organization)
    assert (await made(crowd))[1:] == [("queued", None, ["new"], 0)]


async def test_wishes_are_looked_at_again_as_it_closes(crowd: Crowd) -> None:
    await tell(crowd, "plums")
    await wishes(crowd, allowed=False)
    await due(crowd)
    await digests(crowd).close_due(crowd.organization)
    assert await made(crowd) == [("suppressed", "preference", [], 0)]


async def test_more_than_a_mail_holds_are_counted(crowd: Crowd) -> None:
    for number in range(53):
        await tell(crowd, f"news {number:02}")
    await due(crowd)
    await digests(crowd).close_due(crowd.organization)
    assert await made(crowd) == [("queued", None, [f"news {number:02}" for number in range(50)], 3)]


async def test_a_cancelled_notification_is_in_no_digest(crowd: Crowd) -> None:
    told = await tell(crowd, "plums")
    await tell(crowd, "pears")
    async with crowd.db.tenant(crowd.organization) as session:
        assert (await cancel_notification(session, told.id)).stopped == 1
    assert {row.code for row in await crowd.messages(told)} == {"no_device", "cancelled"}
    await due(crowd)
    await digests(crowd).close_due(crowd.organization)
    assert await made(crowd) == [("queued", None, ["pears"], 0)]


async def test_keys_are_read_once_for_all_windows_of_a_bite(crowd: Crowd) -> None:
    await put(crowd, "bob", email="bob@example.org")
    await tell(crowd, "plums")
    await due(crowd)
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    event.listen(crowd.db.engine.sync_engine, "before_cursor_execute", note)
    try:
        assert (await digests(crowd).close_due(crowd.organization)).mails == 2
    finally:
        event.remove(crowd.db.engine.sync_engine, "before_cursor_execute", note)
    assert sum("FROM data_keys" in one for one in seen) == 1


async def test_what_a_job_may_not_tell_is_kept_until_its_window_closes(crowd: Crowd) -> None:
    await tell(crowd, "plums")
    await wishes(crowd, allowed=False)
    now = datetime.now(UTC)
    how: dict[str, Any] = {"start": now - timedelta(days=1), "end": now + timedelta(days=1), "asked_by": new_id()}
    assert (await digests(crowd).send("ada", "daily", organization_id=crowd.organization, **how)).mails == 0
    assert await made(crowd) == [("suppressed", "preference", [], 0)]
    await wishes(crowd, allowed=True)
    await due(crowd)
    await digests(crowd).close_due(crowd.organization)
    assert (await made(crowd))[1:] == [("queued", None, ["plums"], 0)]


async def test_a_job_makes_the_digest_of_a_span_once(crowd: Crowd) -> None:
    await tell(crowd, "before")
    await crowd.run("UPDATE digest_items SET created_at = now() - interval '2 days'")
    await tell(crowd, "within")
    job, now = new_id(), datetime.now(UTC)
    how: dict[str, Any] = {
        "start": now - timedelta(days=1),
        "end": now + timedelta(days=1),
        "organization_id": crowd.organization,
    }
    for _ in range(2):
        await digests(crowd).send("ada", "daily", asked_by=job, **how)
    assert await made(crowd) == [("queued", None, ["within"], 0)]
    assert (await digests(crowd).send("ada", "weekly", asked_by=new_id(), **how)).mails == 0
    await due(crowd)
    await digests(crowd).close_due(crowd.organization)
    assert [one[:3] for one in await made(crowd)] == [
        ("queued", None, ["within"]),
        ("suppressed", "digest_empty", []),
        ("queued", None, ["before"]),
    ]
    with pytest.raises(PermanentError, match="no such recipient"):
        await digests(crowd).send("nobody", "daily", asked_by=new_id(), **how)


async def test_the_chore_asks_once_for_each_organization_that_has_some_due(crowd: Crowd) -> None:
    await tell(crowd, "plums")
    chore = CloseDigestsWhenDue(crowd.db)
    assert await chore.work() == 0
    await due(crowd)
    assert [await chore.work() for _ in range(2)] == [1, 1]
    assert [tuple(row) for row in await rows(crowd, "SELECT queue, status FROM jobs WHERE type = 'digest.close'")] == [
        ("digest", "pending")
    ]


async def test_digests_that_nobody_closes_are_seen_whatever_their_type(crowd: Crowd) -> None:
    metrics = build_metrics()
    lateness = DigestLateness(crowd.db, metrics)
    assert lateness.seen_as is None, "nobody can pause who tells of pauses"

    def told() -> Any:
        found: Any = metrics.render_json()["singr_digests_late_seconds"]
        return [one["value"] for one in found["values"]]

    assert told() == [0.0]
    await tell(crowd, "plums")
    assert await lateness.work() == 0.0
    await due(crowd, days=2)
    await crowd.run("UPDATE digest_windows SET type = 'declared_elsewhere'")
    assert await lateness.work() > 172_000
    assert told()[0] > 172_000
    await crowd.run("UPDATE digest_windows SET closed_at = now()")
    assert await lateness.work() == 0.0
    assert told() == [0.0]


async def test_how_late_digests_are_is_read_by_index(crowd: Crowd) -> None:
    async with crowd.db.platform() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join((await session.scalars(text(f"EXPLAIN {LATE.text}"))).all())
    assert "digest_windows_due" in plan
    assert "Limit" in plan


async def test_who_is_erased_has_no_digest(crowd: Crowd) -> None:
    await tell(crowd, "plums")
    await crowd.run("DELETE FROM recipients WHERE organization_id = :organization")
    assert await rows(crowd, "SELECT 1 FROM digest_items UNION ALL SELECT 1 FROM digest_windows") == []


async def test_who_has_no_mail_is_told_to_have_none_at_the_decision(crowd: Crowd) -> None:
    await put(crowd, "bob", email=None, phone="+15555550100")
    told = await crowd.tell(PlainSms(text="Plums."), Target(recipient="bob"), digest="daily")
    await crowd.decide(told)
    assert [(row.status, row.code) for row in await crowd.messages(told)] == [("suppressed", "no_address")]
    assert await rows(crowd, "SELECT 1 FROM digest_items UNION ALL SELECT 1 FROM digest_windows") == []
    [row] = await rows(crowd, "SELECT error ->> 'message' AS said FROM messages")
    assert row.said == "the recipient has no e-mail address, by which digests come"


async def test_what_cannot_be_kept_is_refused_by_its_path(crowd: Crowd) -> None:
    to = [Target(recipient="ada"), Target(email="bob@example.org")]
    with pytest.raises(InvalidNotificationError) as error:
        await tell(crowd, "plums", to=to, priority=Priority.HIGH)
    assert {fault.field for fault in error.value.faults} == {"digest", "to[1].email"}


async def test_whom_a_digest_is_asked_for_is_found_by_index(crowd: Crowd) -> None:
    which = {"organization_id": crowd.organization, "name": "ada", "user_id": crowd.ids["ada"], "period": "daily"}
    async with crowd.db.platform() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join((await session.scalars(text(f"EXPLAIN {PERSON.text}"), which)).all())
    assert "recipients_by_user" in plan


async def test_nothing_of_a_digest_is_told_whose_author_was_revoked_since(crowd: Crowd) -> None:
    told = await tell(crowd, "plums")
    await tell(crowd, "pears")
    await crowd.run(
        "INSERT INTO service_credentials (id, organization_id, key_id, name, kind, secret_hash, revoked_at)"
        " VALUES (gen_random_uuid(), :organization, 'ak_thief', 'a', 'api_key', '\\x00', now())"
    )
    await crowd.run("UPDATE notifications SET created_by = 'ak_thief' WHERE id = :id", id=told.id)
    await due(crowd)
    assert (await digests(crowd).close_due(crowd.organization)).mails == 1
    assert await made(crowd) == [("queued", None, ["pears"], 0)]
    assert {row.code for row in await crowd.messages(told)} == {"no_device", "cancelled"}
