"""A fan-out to a crowd while workers are killed, Redis is flushed, people join, and it is cancelled: row R26."""

import contextlib
import os
import signal
import time
from typing import Any
from uuid import UUID

import pytest
import redis
from faults.harness import ORGANIZATION, Process, Site, until

from singr_comms.notifying import (
    Audience,
    Cancelled,
    FanOutNotification,
    Notified,
    cancel_notification,
    notify,
    read_notification,
)
from singr_config import DatabaseSettings, Secret
from singr_db import Database, Sealer, new_id

SEALER = Sealer(Secret("f" * 40))
SAID = {"title": "Now", "text": "Come on."}
WAYS = ("email", "inbox")
TOPIC = UUID("01920000-0000-7000-8000-000000000002")
EVERYBODY = Audience(topic="all-of-them")
_PEOPLE = """
WITH made AS (
    INSERT INTO recipients (id, organization_id, external_id, email_sealed, email_hash, email_masked, key_id)
    SELECT id, %s, id::text, 'sealed', uuid_send(id), '***', id FROM unnest(%s::uuid[]) AS t (id) RETURNING id
)
INSERT INTO topic_members (topic_id, recipient_id, organization_id) SELECT %s, id, %s FROM made
"""
# Of each recipient and way so many messages; 1 is right.
_EACH = """
SELECT copies, count(*) FROM (
       SELECT count(*) AS copies FROM messages WHERE notification_id = %s GROUP BY recipient_id, channel) AS each
 GROUP BY copies
"""
_INBOXES = """
SELECT count(*) FROM inbox_counters AS c
 WHERE unread <> (SELECT count(*) FROM inbox_items AS i WHERE i.recipient_id = c.recipient_id)
"""


def add(site: Site, number: int) -> None:
    """So many more members of the topic, made now."""
    site.sql(_PEOPLE, (ORGANIZATION, [new_id() for _ in range(number)], TOPIC, ORGANIZATION))


def database(site: Site) -> Database:
    return Database(DatabaseSettings(url=Secret(site.database_url)), application_name="faults")


async def tell(site: Site) -> Notified:
    """Tell everybody; with a second job for the same turn, so that two processes decide it at once."""
    async with database(site) as db, db.tenant(ORGANIZATION) as session:
        told = await notify(session, "plain", EVERYBODY, sealer=SEALER, data=SAID, channels=WAYS)
    await site.put(FanOutNotification(told.id, 1))
    return told


async def cancel(site: Site, told: Notified) -> Cancelled:
    async with database(site) as db, db.tenant(ORGANIZATION) as session:
        return await cancel_notification(session, told.id)


async def counted(site: Site, told: Notified) -> dict[tuple[str, str, str | None], int]:
    """What its readers are told: how many by channel, status and reason."""
    async with database(site) as db, db.tenant(ORGANIZATION) as session:
        detail = await read_notification(session, told.id)
    assert detail is not None
    assert detail.messages == sum(one.messages for one in detail.counts)
    return {(one.channel, one.status, one.reason): one.messages for one in detail.counts}


def standing(site: Site, told: Notified) -> tuple[str, int]:
    [(state, decided)] = site.sql("SELECT state, decided FROM notifications WHERE id = %s", (told.id,))
    return state, decided


def advance(site: Site, told: Notified, before: int) -> int:
    """Wait until more had their turn, as soon as it can be seen; how many then."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        state, decided = standing(site, told)
        if decided > before or state != "deciding":
            return decided
        time.sleep(0.005)
    raise AssertionError(f"nobody had a turn for three minutes: {standing(site, told)} {site.jobs()}")


def kill(worker: Process) -> None:
    """Kill all processes that work; their supervisor begins others."""
    for pid in worker.children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def each_once(site: Site, told: Notified) -> list[tuple[Any, ...]]:
    """How many have one message by a way, and how many have two."""
    return sorted(site.sql(_EACH, (told.id,)))


@pytest.mark.timeout(1800)  # it waits for processes that are begun anew, with deadlines of its own
@pytest.mark.parametrize(("people", "kills"), [(4_000, 2), pytest.param(100_000, 20, marks=pytest.mark.full)])
async def test_a_crowd_is_told_once_each_whoever_is_killed_and_counts_add_up_where_it_is_cancelled(
    site: Site, people: int, kills: int
) -> None:
    """R26: two jobs for one turn; whoever decides is killed when a bite was committed, or on its way to the next."""
    site.sql("INSERT INTO topics (id, organization_id, key) VALUES (%s, %s, 'all-of-them')", (TOPIC, ORGANIZATION))
    add(site, people)
    with (
        redis.Redis.from_url(site.redis_url) as flushed,
        site.run_worker("--queues", "default", "--lease", "4") as worker,
    ):
        told, decided = await tell(site), 0
        for turn in range(kills):
            decided = advance(site, told, decided)
            if not turn:
                add(site, 1)  # behind the cursor, whatever it is
            kill(worker)
            flushed.flushall()
            worker.wait_until_healthy()
        until(lambda: standing(site, told)[0] == "sending", within=600, what=lambda: f"it is decided: {site.jobs()}")
        assert standing(site, told)[1] == people + 1
        cancelled = await tell(site)
        advance(site, cancelled, 0)
        counts = await cancel(site, cancelled)
        _, stopped = standing(site, cancelled)
    assert 0 < stopped <= people + 1
    assert each_once(site, told) == [(1, len(WAYS) * (people + 1))]
    assert each_once(site, cancelled) == [(1, len(WAYS) * stopped)]
    assert await counted(site, told) == {
        ("email", "queued", None): people + 1, ("inbox", "delivered", None): people + 1,
    }  # fmt: skip
    assert counts == Cancelled(stopped=stopped, already_sent=stopped, in_flight=0)
    assert await counted(site, cancelled) == {
        ("email", "suppressed", "cancelled"): stopped, ("inbox", "delivered", None): stopped,
    }  # fmt: skip
    assert site.count("jobs WHERE type = 'email.send' AND status = 'pending'") == people + 1
    assert site.count("jobs WHERE type = 'email.send' AND status = 'cancelled'") == stopped
    assert site.count("inbox_items") == people + 1 + stopped
    assert site.sql(_INBOXES) == [(0,)]
