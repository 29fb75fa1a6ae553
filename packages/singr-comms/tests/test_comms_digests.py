"""What is kept for people comes in one mail, once, at the time that they want it: nothing twice, lost or empty."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from comms_crowds import Crowd, KilledError, dying
from sqlalchemy import event, text

from singr_comms import PlainSms
from singr_comms.messages.digest import Digest
from singr_comms.notifications._person_keys import open_sealed
from singr_comms.notifications._rows import CONTENT
from singr_comms.notifying import Audience, Digests, InvalidNotificationError, Target, cancel_notification
from singr_comms.notifying.chores._close_digests import CloseDigestsWhenDue
from singr_comms.notifying.digests._sql import PERSON
from singr_comms.people import (
    DigestTime,
    PreferenceChoice,
    RecipientInput,
    change_preferences,
    preferences_holder,
    put_recipient,
)
from singr_db import new_id
from singr_jobs import PermanentError, Priority

EVERYBODY = Audience(all=True)


class Sites:
    url_web = "https://singr.example"
    url_customer = "https://customers.singr.example"


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization with Ada, who lives in Berlin."""
    crowd = await Crowd.of(bench)
    await put(crowd)
    return crowd


async def put(crowd: Crowd, name: str = "ada", **given: Any) -> None:
    kept = {"name": "Ada", "email": "ada@example.org", "time_zone": "Europe/Berlin", "locale": "en"} | given
    async with crowd.db.tenant(crowd.organization) as session:
        view, _ = await put_recipient(session, name, RecipientInput(**kept), sealer=crowd.sealer)
    crowd.ids[name] = view.id


async def tell(crowd: Crowd, title: str, period: str = "daily", **options: Any) -> Any:
    data = {"title": title, "text": f"All about {title}."}
    given = {"channels": ["push", "email"], "to": EVERYBODY, "digest": period} | options
    told = await crowd.tell("plain", given.pop("to"), data=data, **given)
    await crowd.decide(told)
    return told


def digests(crowd: Crowd) -> Digests:
    return Digests(crowd.db, crowd.sealer, Sites())


async def due(crowd: Crowd, **ago: float) -> None:
    """Let the time of all windows have come."""
    await crowd.run(
        "UPDATE digest_windows SET closes_at = now() - CAST(:ago AS interval) WHERE closed_at IS NULL",
        ago=timedelta(**ago or {"seconds": 1}),
    )


async def made(crowd: Crowd) -> list[tuple[str, str | None, list[str], int]]:
    """What came of digests: status, reason, titles, and how many more."""
    asked = text(
        "SELECT m.status, m.error ->> 'code' AS code, m.content_sealed, k.wrapped, j.type AS job FROM messages AS m"
        " LEFT JOIN data_keys AS k ON k.id = m.key_id LEFT JOIN jobs AS j ON j.id = m.job_id WHERE m.kind = 'digest'"
        " ORDER BY m.id"
    )
    found = []
    async with crowd.db.platform() as session:
        for row in (await session.execute(asked)).all():
            assert (row.job == "email.send") is (row.status == "queued")
            said = (
                open_sealed(crowd.sealer, row.content_sealed, row.wrapped, context=CONTENT)
                if row.content_sealed
                else None
            )
            digest = said and msgspec.json.decode(said, type=Digest)
            titles = [item.title for item in digest.items] if digest else []
            found.append((row.status, row.code, titles, digest.more if digest else 0))
    return found


async def rows(crowd: Crowd, statement: str) -> list[Any]:
    async with crowd.db.platform() as session:
        return list((await session.execute(text(statement))).all())


async def waits(crowd: Crowd, task: asyncio.Task[Any]) -> None:
    """Return once it waits for what somebody else holds."""
    await all_stand(crowd, [task])
    assert not task.done()


async def all_stand(crowd: Crowd, tasks: list[asyncio.Task[Any]]) -> None:
    """Return once each of them is done, or waits for what somebody else holds."""
    asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while len(await rows(crowd, asked)) < sum(not task.done() for task in tasks):  # noqa: ASYNC110 — PostgreSQL tells
        await asyncio.sleep(0.01)


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


async def test_what_comes_while_a_window_closes_opens_the_next_one(crowd: Crowd) -> None:
    await tell(crowd, "plums")
    await due(crowd)
    async with crowd.db.platform() as session:  # somebody closes it, and has not committed
        await session.execute(text("UPDATE digest_windows SET closed_at = now()"))
        late = asyncio.create_task(tell(crowd, "pears"))
        await waits(crowd, late)
    await late
    items = await rows(
        crowd,
        "SELECT w.closed_at FROM digest_items AS i JOIN digest_windows AS w ON w.id = window_id ORDER BY i.created_at",
    )
    assert [row.closed_at is None for row in items] == [False, True]
    # Had it found out before the closing when that is, it had the time of the closed one, and waits for the next.
    await crowd.run(
        "UPDATE digest_windows SET closes_at = (SELECT closes_at FROM digest_windows WHERE closed_at IS NOT NULL)"
    )
    assert (await digests(crowd).close_due(crowd.organization)).closed == 0
    assert [
        row.later
        for row in await rows(crowd, "SELECT closes_at > now() AS later FROM digest_windows WHERE closed_at IS NULL")
    ] == [True]


async def test_many_workers_close_each_window_once(crowd: Crowd) -> None:
    for number in range(30):
        await put(crowd, f"u-{number}", email=f"u-{number}@example.org")
    await tell(crowd, "plums")
    await due(crowd)
    async with crowd.db.platform() as session:
        await session.execute(text("LOCK TABLE digest_items IN SHARE MODE"))
        closing = [asyncio.create_task(digests(crowd).close_due(crowd.organization)) for _ in range(4)]
        await all_stand(crowd, closing)
    done = await asyncio.gather(*closing)
    assert sum(one.closed for one in done) == 31
    assert sum(one.mails for one in done) == 31
    assert await rows(crowd, "SELECT count(*), count(message_id) FROM digest_windows") == [(31, 31)]
    assert await made(crowd) == [("queued", None, ["plums"], 0)] * 31


async def test_whoever_dies_while_it_closes_leaves_all_of_it_or_one_mail(crowd: Crowd) -> None:
    await tell(crowd, "plums")
    await tell(crowd, "pears")
    await due(crowd)
    seen = []
    for lives in range(60):
        try:
            with dying(crowd, lives):
                await digests(crowd).close_due(crowd.organization)
        except KilledError:
            kept = len(await rows(crowd, "SELECT id FROM digest_items"))
            seen.append((kept, sum(len(titles) for _, _, titles, _ in await made(crowd))))
            continue
        break
    assert set(seen) <= {(2, 0), (0, 2)}
    assert seen.count((2, 0)) > 5
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


async def test_what_is_cancelled_while_a_digest_is_made_is_not_in_it(crowd: Crowd) -> None:
    told = await tell(crowd, "plums")
    await tell(crowd, "pears")
    await due(crowd)
    async with crowd.db.tenant(crowd.organization) as session:
        assert (await cancel_notification(session, told.id)).stopped == 1
        closing = asyncio.create_task(digests(crowd).close_due(crowd.organization))
        await waits(crowd, closing)
    assert (await closing).mails == 1
    assert await made(crowd) == [("queued", None, ["pears"], 0)]


async def test_a_window_that_somebody_holds_keeps_no_other_waiting(crowd: Crowd) -> None:
    await put(crowd, "bob", email="bob@example.org")
    await tell(crowd, "plums")
    await due(crowd)
    await digests(crowd).close_due(crowd.organization)
    await tell(crowd, "pears")
    await crowd.run(
        "UPDATE digest_windows AS w SET closes_at = before.closes_at FROM digest_windows AS before"
        " WHERE w.closed_at IS NULL AND before.closed_at IS NOT NULL AND before.recipient_id = w.recipient_id"
    )
    asked = text("SELECT FROM digest_windows WHERE closed_at IS NULL AND recipient_id = :ada FOR UPDATE")
    async with crowd.db.platform() as session:
        await session.execute(asked, {"ada": crowd.ids["ada"]})
        assert (await digests(crowd).close_due(crowd.organization)).closed == 0
    due_still = await rows(
        crowd, "SELECT recipient_id FROM digest_windows WHERE closed_at IS NULL AND closes_at <= now()"
    )
    assert [row.recipient_id for row in due_still] == [crowd.ids["ada"]]


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
