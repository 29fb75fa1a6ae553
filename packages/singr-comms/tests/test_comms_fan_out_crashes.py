"""A fan-out that dies anywhere has done whole bites, and whoever comes next goes on from there."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from comms_crowds import Crowd, KilledError, dying
from sqlalchemy import text

from singr_comms.notifying import Audience, cancel_notification
from singr_comms.notifying._fan_out import FanOut
from singr_db import new_id
from singr_observability import build_metrics

SAID = {"title": "Now", "text": "Come on."}
NAMES = [f"u-{number:02}" for number in range(7)]
WAYS = ("sms", "push", "inbox")
HERE = """
SELECT (SELECT decided FROM notifications WHERE id = :id) AS decided,
       (SELECT count(DISTINCT recipient_id) FROM messages WHERE notification_id = :id) AS told,
       (SELECT count(*) FROM messages WHERE notification_id = :id) AS messages,
       (SELECT count(*) FROM messages WHERE notification_id = :id AND status = 'queued') AS queued,
       (SELECT count(*) FROM jobs WHERE type = 'sms.send' AND status = 'pending') AS jobs,
       (SELECT count(*) FROM job_ready WHERE type = 'sms.send') AS places,
       (SELECT count(*) FROM inbox_items WHERE notification_id = :id) AS items,
       (SELECT coalesce(sum(unread), 0) FROM inbox_counters) AS unread
"""


async def adds_up(crowd: Crowd, told: Any) -> int:
    """See that what is there is that of the recipients who had their turn; how many these are."""
    async with crowd.db.platform() as session:
        found: Any = (await session.execute(text(HERE), {"id": told.id})).one()
    assert found.decided == found.told == found.queued == found.jobs == found.places == found.items == found.unread
    assert found.messages == found.decided * len(WAYS)
    return int(found.decided)


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization's recipients."""
    crowd = await Crowd.of(bench)
    await crowd.add(*NAMES)
    return crowd


async def test_one_that_dies_before_any_of_its_statements_leaves_whole_bites_and_is_gone_on_with(crowd: Crowd) -> None:
    told = await crowd.tell("plain", Audience(all=True), data=SAID, channels=WAYS)
    seen = []
    for lives in range(100):
        try:
            with dying(crowd, lives):
                await crowd.decide(told, bite=2)
        except KilledError:
            seen.append(await adds_up(crowd, told))
            continue
        break
    assert await adds_up(crowd, told) == len(NAMES)
    assert seen == sorted(seen)
    assert set(seen) >= {0, 2, 4, 6}
    rows = Counter((row.external_id, row.channel) for row in await crowd.messages(told))
    assert rows == dict.fromkeys(((name, way) for name in NAMES for way in WAYS), 1)


async def test_two_that_decide_at_once_take_turns(crowd: Crowd) -> None:
    told = await crowd.tell("plain", Audience(all=True), data={"text": "Come on."}, channels=["sms"])
    decided = await asyncio.gather(crowd.decide(told, bite=2), crowd.decide(told, bite=2))
    assert Counter(row.external_id for row in await crowd.messages(told)) == dict.fromkeys(NAMES, 1)
    assert sum(decided) == len(NAMES)


async def test_one_that_is_cancelled_between_two_bites_counts_all_that_it_made(crowd: Crowd) -> None:
    told = await crowd.tell("plain", Audience(all=True), data=SAID, channels=WAYS)
    turns = FanOut(crowd.db, bite=3)
    which = {"id": told.id, "organization_id": crowd.organization}
    assert (await turns._turn(which, 1)).decided == 3
    async with crowd.db.tenant(crowd.organization) as session:
        counts = await cancel_notification(session, told.id)
    assert (counts.stopped, counts.already_sent, counts.in_flight) == (3, 3, 0)  # what is in an inbox is there
    assert await crowd.decide(told) == 0
    ends = Counter((row.channel, row.status, row.code) for row in await crowd.messages(told))
    assert ends == {
        ("sms", "suppressed", "cancelled"): 3,
        ("push", "suppressed", "no_device"): 3,
        ("inbox", "delivered", None): 3,
    }


async def test_what_is_counted_was_committed(crowd: Crowd) -> None:
    told = await crowd.tell("plain", Audience(all=True), data=SAID, channels=WAYS)
    metrics = build_metrics()
    turns = FanOut(crowd.db, bite=2, metrics=metrics)
    for lives in (5, 100):  # the first one dies in its first bite
        with suppress(KilledError), dying(crowd, lives):
            await turns.run(told.id, organization_id=crowd.organization, turn=1)
    page = metrics.render_text()[0].decode()
    counted = dict(line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("singr_notification_"))
    messages = 'singr_notification_messages_total{channel="%s",reason="%s",type="plain"}'
    assert counted['singr_notification_recipients_total{type="plain"}'] == "7.0"
    assert counted[messages % ("sms", "queued")] == "7.0"
    assert counted[messages % ("push", "no_device")] == "7.0"
    assert counted[messages % ("inbox", "delivered")] == "7.0"
    assert counted['singr_notification_lag_seconds_count{type="plain"}'] == "1.0"


async def test_who_joins_while_it_is_decided_has_one_turn_or_none_but_never_two(crowd: Crowd) -> None:
    """Behind the cursor are those whose ids are greater: all that are made from then on."""
    topic = await crowd.topic("farm-9", *NAMES[1:])
    told = await crowd.tell("plain", Audience(topic="farm-9"), data=SAID, channels=["inbox"])
    turns = FanOut(crowd.db, bite=3)
    which = {"id": told.id, "organization_id": crowd.organization}
    await turns._turn(which, 1)
    await crowd.add("late")
    await crowd.join(topic, NAMES[0], "late")
    await crowd.run("DELETE FROM topic_members WHERE recipient_id = :who", who=crowd.ids[NAMES[-1]])
    await crowd.decide(told, bite=3)
    found = Counter(row.external_id for row in await crowd.messages(told))
    assert found == dict.fromkeys([*NAMES[1:-1], "late"], 1)
    assert new_id() > crowd.ids["late"]
