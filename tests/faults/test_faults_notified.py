"""Everything is killed at random under notifications, and each recipient has each once, or its reason: row R26."""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from faults.harness import ORGANIZATION, Site, until
from faults.test_faults_everything import (
    CHANNELS,
    WITHOUT_END,
    Parts,
    address,
    ask_now,
    device,
    judge,
    phone,
    quiet,
    under_kills,
)
from faults.test_faults_providers import AUTH_SECRET, where
from faults.test_faults_stores import ingest
from providers_apart import Apart, kept_ports

from singr_comms import EmailAddress
from singr_comms.channels import CHANNELS as BY_NAME
from singr_comms.notifications._rows import RECIPIENT, recipient_hash
from singr_config import Secret
from singr_db import Sealer, new_id

PATH = f"/v1/notifications?organization_id={ORGANIZATION}"
_PEOPLE = """
WITH given AS (
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bytea[],
                         %s::bytea[]) AS t (id, name, email, phone, token, email_print, phone_print, token_print)
), made AS (
    INSERT INTO recipients (id, organization_id, external_id, email_sealed, email_hash, email_masked, phone_sealed,
                            phone_hash, phone_masked, key_id)
    SELECT id, %s, name, email, email_print, '***', phone, phone_print, '***', id FROM given
)
INSERT INTO push_devices (id, organization_id, recipient_id, token_sealed, token_hash, token_masked, platform)
SELECT id, %s, id, token, token_print, '***', 'ios' FROM given
"""
_DECIDING = "notifications WHERE state IN ('scheduled', 'deciding')"
_NUMBERS = """
SELECT m.job_id, r.external_id::int FROM messages AS m JOIN recipients AS r ON r.id = m.recipient_id
 WHERE m.channel <> 'inbox'
"""
_COPIES = """
SELECT copies, count(*) FROM (
       SELECT count(*) AS copies FROM messages GROUP BY notification_id, recipient_id, channel) AS each GROUP BY copies
"""
_MISCOUNTED = """
SELECT count(*) FROM recipients AS r LEFT JOIN inbox_counters AS c ON c.recipient_id = r.id
 WHERE coalesce(c.unread, 0) <> (SELECT count(*) FROM inbox_items AS i WHERE i.recipient_id = r.id)
"""


def request(key: str) -> dict[str, object]:
    """What the caller with this key asks for: of each number a notification to a recipient of its own."""
    number = int(key.partition("-")[0])
    return {
        "type": "plain",
        "to": [{"recipient": str(number)}],
        "channels": [CHANNELS[number % 3], "inbox"],
        "data": {"title": "You are next", "text": f"You are number {number}."},
        "deduplication_key": key,
    }


def settle(site: Site, people: int) -> None:
    """So many recipients, each with an address by each channel."""
    sealer = Sealer(Secret(AUTH_SECRET))
    addresses = {
        "email": [EmailAddress(address(number)) for number in range(people)],
        "sms": [phone(number) for number in range(people)],
        "push": [device(number) for number in range(people)],
    }
    ways = [(BY_NAME[name], every) for name, every in addresses.items()]
    sealed = [[sealer.seal(way.encoded(to), context=RECIPIENT) for to in every] for way, every in ways]
    prints = [[recipient_hash(sealer, way.address(to)) for to in every] for way, every in ways]
    ids, names = [new_id() for _ in range(people)], [str(number) for number in range(people)]
    site.sql(_PEOPLE, (ids, names, *sealed, *prints, ORGANIZATION, ORGANIZATION))


def call(api: str, keys: list[str]) -> dict[str, str]:
    """Ask for a notification with each key until it is accepted; gives the id of each."""
    return asyncio.run(ingest(api, keys, patience=180.0, body=request, path=PATH))


@pytest.mark.full
@pytest.mark.timeout(2400)
@pytest.mark.parametrize(("notifications", "rounds", "seconds"), [(10_000, 250, 600.0)])
def test_everything_killed_at_random_under_notifications_loses_none_and_doubles_none(
    site: Site, tmp_path: Path, notifications: int, rounds: int, seconds: float
) -> None:
    """API, worker, its processes, both stores and the providers, whose own files are the truth."""
    keys = [f"{number}-{uuid4().hex}" for number in range(notifications)]
    batches = [keys[first::rounds] for first in range(rounds)]
    settle(site, notifications)
    with kept_ports(4) as (port, *ports):
        apart = Apart(tmp_path, (ports[0], ports[1], ports[2]))
        site.environ |= {**apart.environ, "AUTH_SECRET": AUTH_SECRET, "SMS_PREFIX_LIMIT_MAX": "1000000"}
        site.environ["PORT"] = str(port)
        parts, api = Parts(site, apart, random.Random(26)), f"http://127.0.0.1:{port}"
        with parts.running(), ThreadPoolExecutor(1) as beside:
            accepted = under_kills(parts, [partial(call, api, one) for one in batches], seconds, beside)
            until(lambda: site.count(_DECIDING) == 0, within=300, what=lambda: f"all are decided: {site.jobs()}")
            quiet(site)
            ask_now(site, api)
            quiet(site)
            left = "notifications WHERE state <> 'done'"
            until(lambda: site.count(left) == 0, within=120, what=lambda: f"all are done: {where(site)}")
        judge(site, apart, dict(site.sql(_NUMBERS)))  # type: ignore[arg-type] # pairs
    assert len(set(accepted.values())) == site.count("notifications") == notifications
    assert site.sql(_COPIES) == [(1, 2 * notifications)]
    assert site.count("inbox_items") == notifications
    assert site.sql(_MISCOUNTED) == [(0,)]
    assert site.count(WITHOUT_END) == site.count("message_attempts WHERE status = 'dispatched'") == 0, where(site)
