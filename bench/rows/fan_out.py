"""Crowds: one notification to 100,000 recipients by one channel and by four, and what another organization feels of it.

A fifth of the recipients have chosen something, one in fifty has an address that is suppressed, each has a device.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import islice, pairwise
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import psycopg
from bench.cpu import WORKER, resident_mb
from bench.figures import Row, at_most, percentile
from bench.harness import OURS, BenchError, Running, Stand, free_port, tail
from bench.sending import OWN, SONG, told

from singr_comms import EmailAddress
from singr_comms.channels import CHANNELS
from singr_comms.notifications import EmailRequest, queue_email
from singr_comms.notifications._rows import RECIPIENT, recipient_hash
from singr_comms.notifying import Audience, Notified, notify
from singr_config import Secret
from singr_config.testing import settings_for_tests
from singr_db import DEMO_ORGANIZATION_ID, Database, Sealer, new_id
from singr_db.redis import redis_client
from singr_jobs import Waker

BENCH = "Crowds"
CROWD = 100_000
ONE, FOUR = ("email",), ("email", "sms", "push", "inbox")
SECONDS_TARGET = {ONE: 10.0, FOUR: 30.0}
GROWTH_TARGET_MB = 30.0
RATIO_TARGET = 2.0
RATE = 10.0
"""Messages a second of the other organization."""
ANSWERS_MS = 50
TELLS = 3
"""How often the crowd is told while the other organization goes on: once is over in seconds."""
LOADS = ("with nothing else", "are told", "wait for their mails")
PARTS = "its parts, p50/p95, ms: until it is taken, its attempt has begun, the provider has it"
SETTLED_SECONDS = 1.0
PATIENCE_SECONDS = 300
SAID = {"title": "Plums", "text": "The first plums are here."}
OTHERS = UUID("01920000-0000-7000-8000-000000000009")
_AT_ONCE = 10_000
_RECIPIENTS = """
WITH given AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(emails)s::bytea[], %(prints)s::bytea[], %(phones)s::bytea[],
                         %(tokens)s::bytea[]) AS t (id, email, print, phone, token)
), made AS (
    INSERT INTO recipients (id, organization_id, external_id, email_sealed, email_hash, email_masked, phone_sealed,
                            phone_hash, phone_masked, key_id)
    SELECT id, %(organization)s, id::text, email, print, 's***@singers.example', phone, uuid_send(id), '+49***', id
      FROM given
)
INSERT INTO push_devices (id, organization_id, recipient_id, token_sealed, token_hash, token_masked, platform)
SELECT id, %(organization)s, id, token, uuid_send(id), '***', 'ios' FROM given
"""
_CHOICES = """
INSERT INTO preferences (id, organization_id, recipient_id, scope, name, channel, allowed, source)
SELECT gen_random_uuid(), %(organization)s, id, 'all', NULL, 'push', false, 'recipient'
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM recipients) AS r WHERE number %% 5 = 0
"""
_STOPS = """
INSERT INTO suppressions (id, organization_id, channel, address_hash, address_masked, scope, reason)
SELECT gen_random_uuid(), %(organization)s, 'email', email_hash, '***', 'all', 'bounced'
  FROM (SELECT email_hash, row_number() OVER (ORDER BY id) AS number FROM recipients) AS r WHERE number %% 50 = 0
"""
_STANDING = "SELECT state, decided FROM notifications WHERE id = %s"
_BEGAN = """
SELECT job.id, extract(epoch FROM job.started_at)::float8, extract(epoch FROM try.started_at)::float8
  FROM jobs AS job JOIN messages AS sent ON sent.job_id = job.id
  JOIN message_attempts AS try ON try.message_id = sent.id AND try.attempt = 1
 WHERE job.organization_id = %s AND job.status = 'completed'
"""
_COUNTS = "SELECT count(*), count(DISTINCT recipient_id) FROM messages WHERE notification_id = %s"


class Mail(NamedTuple):
    """One of the other organization's: whom to, its job, and when it was committed."""

    to: str
    job_id: UUID
    at: float


def run(place: Stand) -> list[Row]:
    """Each in a database of its own."""
    rows = []
    for ways in (ONE, FOUR):
        rows += decided(place, ways)
        place.forget()
    return rows + beside(place)


def decided(place: Stand, ways: tuple[str, ...]) -> list[Row]:
    """How long a worker takes until everybody had their turn, and what its memory grows by."""
    name, crowd = f"crowds-{len(ways)}", place.scaled(CROWD, 2_000)
    environ = filled(place, name, crowd)
    with place.worker(name, environ, concurrency=None, jobs=None, queue="default") as worker:
        time.sleep(SETTLED_SECONDS)
        meter, before = place.meter({WORKER: worker}), resident_mb(worker.pid)
        try:
            seconds, most = asyncio.run(timed(environ, worker, ways, crowd))
        except BenchError as error:
            raise BenchError(f"{error}:\n{tail(place.logs / f'{name}.log')}") from error
        place.cpu.add(BENCH, f"{OURS}, {len(ways)} ways", "recipient", meter.lap(), crowd)
    by = " and ".join((", ".join(ways[:-1]), ways[-1])) if ways[1:] else ways[0]
    took, grown = SECONDS_TARGET[ways], most - before
    return [
        Row(BENCH, f"{crowd:,} recipients decided by {by}, s", f"{seconds:.1f}", target=at_most(seconds, took, "s")),
        Row(
            BENCH,
            f"what the worker's memory grows by meanwhile at most ({len(ways)} ways)",
            f"{grown:.1f} MB",
            target=at_most(grown, GROWTH_TARGET_MB, "MB"),
        ),
    ]


async def timed(environ: dict[str, str], worker: Running, ways: Sequence[str], crowd: int) -> tuple[float, float]:
    """Seconds from the commit of the call, and the most that the worker held, in MB."""
    async with site(environ) as database:
        sent, began = await tell(database, environ, ways), time.monotonic()
        most = resident_mb(worker.pid)
        with psycopg.connect(environ["DATABASE_URL"], autocommit=True) as connection:
            while one(connection, _STANDING, sent.id)[0] == "deciding":
                if time.monotonic() - began > PATIENCE_SECONDS:
                    raise BenchError("it is not decided")
                most = max(most, resident_mb(worker.pid))
                await asyncio.sleep(0.05)
            seconds = time.monotonic() - began
            found = one(connection, _COUNTS, sent.id)
            if found != (crowd * len(ways), crowd):
                raise BenchError(f"{found} messages and recipients, of {crowd} by {len(ways)} ways")
    return seconds, most


def beside(place: Stand) -> list[Row]:
    """What another organization's mails take to their provider with nothing else to do, and beside a crowd."""
    crowd, idle_for = place.scaled(CROWD, 2_000), float(place.scaled(20, 1))
    name, port = "crowds-beside", free_port()
    command = [sys.executable, "-m", "bench.provider", "email", str(port), str(ANSWERS_MS)]
    with place.program(f"{name}-provider", command, {}, port=port) as provider:
        environ = filled(place, name, crowd, **told(provider)["environ"])
        with place.worker(name, environ, concurrency=None, jobs=None, queue="default,email"):
            sent = asyncio.run(sent_beside(environ, idle_for))
            ways = arrived(environ, provider, sent)
    idle, *besides = (ways[load] for load in LOADS)
    rows = []
    for load, busy in zip(LOADS[1:], besides, strict=True):
        whole, alone = ([sum(parts) for parts in every] for every in (busy, idle))
        ratio = percentile(whole, 95) / percentile(alone, 95)
        p50, quiet = percentile(whole, 50), "{:.0f}, p95 {:.0f}".format(*(percentile(alone, of) for of in (50, 95)))
        measure = (
            f"another organization's mail, from commit to provider while {crowd:,} {load}, p95, ms (p50 {p50:.0f};"
            f" with nothing else {quiet})"
        )
        target = at_most(ratio, RATIO_TARGET, "x idle")
        rows.append(Row(BENCH, measure, f"{percentile(whole, 95):.0f}", ratio=f"{ratio:.2f}", target=target))
    return [*rows, *(Row(BENCH, f"{PARTS}: {load}", parted(ways[load])) for load in LOADS)]


def parted(ways: Sequence[tuple[float, ...]]) -> str:
    """The 50th and 95th percentile of each part of the way."""
    return ", ".join(f"{percentile(part, 50):.0f}/{percentile(part, 95):.0f}" for part in zip(*ways, strict=True))


async def sent_beside(environ: dict[str, str], idle_for: float) -> dict[str, list[Mail]]:
    """The mails of the other organization under each load, one load after the other."""
    nothing, told_of, waiting = LOADS
    async with site(environ) as database:
        await mails(database, environ, "warm", over=lambda: False, seconds=SETTLED_SECONDS)
        sent = {nothing: await mails(database, environ, "idle", over=lambda: False, seconds=idle_for), told_of: []}
        with psycopg.connect(environ["DATABASE_URL"], autocommit=True) as connection:
            for turn in range(TELLS):
                crowd = (await tell(database, environ, ONE)).id
                sent[told_of] += await mails(
                    database,
                    environ,
                    f"told-{turn}",
                    over=partial(is_decided, connection, crowd),
                    seconds=PATIENCE_SECONDS,
                )
        sent[waiting] = await mails(database, environ, "waits", over=lambda: False, seconds=idle_for)
    return sent


def is_decided(connection: psycopg.Connection[Any], notification: UUID) -> bool:
    """Whether everybody has had their turn."""
    state, _ = one(connection, _STANDING, notification)
    return bool(state != "deciding")


async def mails(
    database: Database, environ: dict[str, str], called: str, *, over: Callable[[], bool], seconds: float
) -> list[Mail]:
    """Let the other organization send at its rate."""
    sealer, sent = Sealer(Secret(environ["AUTH_SECRET"])), list[Mail]()
    ends = time.time() + seconds
    while time.time() < ends and not (sent and over()):
        to = EmailAddress(f"{called}-{len(sent)}@others.example")
        async with database.platform() as session:
            request = EmailRequest(to=to, message=SONG)
            queued = await queue_email(session, request, sealer=sealer, organization_id=OTHERS)
        sent.append(Mail(to.email, queued.job_id, time.time()))
        await asyncio.sleep(random.expovariate(RATE))
    return sent


def arrived(
    environ: dict[str, str], provider: Running, sent: dict[str, list[Mail]]
) -> dict[str, list[tuple[float, ...]]]:
    """Of each mail the milliseconds of each part of its way, once all have arrived."""
    every, deadline = {mail.job_id for some in sent.values() for mail in some}, time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(environ["DATABASE_URL"], autocommit=True) as connection:
        began = dict[UUID, tuple[float, float]]()
        while not every <= began.keys():
            if time.monotonic() > deadline:
                raise BenchError("mails of the other organization were never sent")
            time.sleep(0.2)
            began = {job: (taken, begun) for job, taken, begun in connection.execute(_BEGAN, (OTHERS,)).fetchall()}
    with urllib.request.urlopen(f"{provider.url}/_control/received", timeout=60) as answer:
        received = {mail["message"]["To"][0]["Email"]: mail["at"] for mail in json.load(answer)["received"]}
    return {
        load: [
            tuple(1000 * (to - at) for at, to in pairwise((mail.at, *began[mail.job_id], received[mail.to])))
            for mail in some
        ]
        for load, some in sent.items()
    }


@contextlib.asynccontextmanager
async def site(environ: dict[str, str]) -> AsyncIterator[Database]:
    """A database whose commits wake workers, as the API's do."""
    settings = settings_for_tests(DATABASE_URL=environ["DATABASE_URL"], REDIS_URL=environ["REDIS_URL"])
    client = redis_client(settings.redis)
    async with Database(settings.database, application_name="bench-crowds") as database:
        waker = Waker(client)
        waker.attach(database.session_info)
        yield database
        await waker.close()
    await client.aclose()


async def tell(database: Database, environ: dict[str, str], ways: Sequence[str]) -> Notified:
    """Tell everybody."""
    sealer = Sealer(Secret(environ["AUTH_SECRET"]))
    async with database.tenant(DEMO_ORGANIZATION_ID) as session:
        return await notify(session, "plain", Audience(all=True), sealer=sealer, data=SAID, channels=ways)


def filled(place: Stand, name: str, crowd: int, **more: str) -> dict[str, str]:
    """The environment of a database with that crowd and another organization."""
    environ = place.environ(place.database(name.replace("-", "_")), 2, **OWN, **more)
    sealer, rest = Sealer(Secret(environ["AUTH_SECRET"])), iter(range(crowd))
    values = {"organization": DEMO_ORGANIZATION_ID}
    with psycopg.connect(environ["DATABASE_URL"], autocommit=True) as connection:
        while some := list(islice(rest, _AT_ONCE)):
            connection.execute(_RECIPIENTS, values | people(sealer, some))
        for statement in (_CHOICES, _STOPS):
            connection.execute(statement, values)
        connection.execute("INSERT INTO organizations (id, name, slug) VALUES (%s, 'Others', 'others')", (OTHERS,))
        connection.execute("VACUUM (ANALYZE)")
    return environ


def people(sealer: Sealer, numbers: Sequence[int]) -> dict[str, list[Any]]:
    """Their columns, addresses sealed."""
    emails = [EmailAddress(f"singer-{number}@singers.example") for number in numbers]
    given: dict[str, Sequence[Any]] = {
        "email": emails,
        "sms": [f"+49151{number:08d}" for number in numbers],
        "push": [f"device-{number:012d}" for number in numbers],
    }
    sealed = [
        [sealer.seal(CHANNELS[way].encoded(to), context=RECIPIENT) for to in every] for way, every in given.items()
    ]
    prints = [recipient_hash(sealer, one.email) for one in emails]
    ids = [new_id() for _ in numbers]
    return {"ids": ids, "emails": sealed[0], "prints": prints, "phones": sealed[1], "tokens": sealed[2]}


def one(connection: psycopg.Connection[Any], statement: LiteralString, value: UUID) -> tuple[Any, ...]:
    """The row that a statement answers."""
    found = connection.execute(statement, (value,)).fetchone()
    if found is None:
        raise BenchError("the notification is gone")
    return tuple(found)
