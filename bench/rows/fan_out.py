"""Crowds: one notification to 100,000 recipients by one channel and by four, and what another organization feels of it.

A fifth of the recipients have chosen something, one in fifty has an address that is suppressed, each has a device.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from bench.cpu import WORKER, resident_mb
from bench.figures import Row, at_most, percentile
from bench.harness import OURS, BenchError, Running, Stand, tail
from bench.sending import OWN, SONG
from starlette.requests import Request
from starlette.responses import Response

from singr_comms import EmailAddress
from singr_comms.channels import CHANNELS
from singr_comms.notifications import EmailRequest, queue_email
from singr_comms.notifications._rows import RECIPIENT, recipient_hash
from singr_comms.notifying import Audience, Notified, notify
from singr_config import Secret
from singr_config.testing import settings_for_tests
from singr_db import DEMO_ORGANIZATION_ID, Database, Sealer, new_id
from singr_db.redis import redis_client
from singr_dev.simulators import MailjetSimulator
from singr_jobs import Waker

BENCH = "Crowds"
CROWD = 100_000
ONE, FOUR = ("email",), ("email", "sms", "push", "inbox")
SECONDS_TARGET = {ONE: 10.0, FOUR: 30.0}
GROWTH_TARGET_MB = 30.0
RATIO_TARGET = 2.0
RATE = 10.0
"""Messages a second of the other organization."""
ANSWERS_S = 0.05
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
_COUNTS = "SELECT count(*), count(DISTINCT recipient_id) FROM messages WHERE notification_id = %s"


def run(place: Stand) -> list[Row]:
    """Each in a database of its own."""
    rows = []
    for ways in (ONE, FOUR):
        rows += decided(place, ways)
        place.forget()
    rows.append(beside(place))
    return rows


def decided(place: Stand, ways: tuple[str, ...]) -> list[Row]:
    """How long a worker takes until everybody had their turn, and what its memory grows by."""
    name, crowd = f"crowds-{len(ways)}", place.scaled(CROWD, 2_000)
    environ = filled(place, name, crowd)
    with place.worker(name, environ, concurrency=None, jobs=None, queue="default") as worker:
        time.sleep(SETTLED_SECONDS)
        meter, before = place.meter({WORKER: worker}), resident_mb(worker.pid)
        try:
            seconds, most = asyncio.run(told(environ, worker, ways, crowd))
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


async def told(environ: dict[str, str], worker: Running, ways: Sequence[str], crowd: int) -> tuple[float, float]:
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


def beside(place: Stand) -> Row:
    """What another organization's mails take to their provider while a crowd is told, and with nothing to do."""
    crowd, idle_for = place.scaled(CROWD, 2_000), float(place.scaled(15, 1))
    with Patient().serve() as mailjet:
        environ = filled(place, "crowds-beside", crowd, **mailjet.environ)
        with place.worker("crowds-beside", environ, concurrency=None, jobs=None, queue="default,email"):
            idle, busy = asyncio.run(waited(environ, mailjet, idle_for))
    ratio = percentile(busy, 95) / percentile(idle, 95)
    measure = (
        f"another organization's mail, from commit to provider while {crowd:,} are told, p95, ms"
        f" (p50 {percentile(busy, 50):.0f}; with nothing else p95 {percentile(idle, 95):.0f})"
    )
    target = at_most(ratio, RATIO_TARGET, "x idle")
    return Row(BENCH, measure, f"{percentile(busy, 95):.0f}", ratio=f"{ratio:.2f}", target=target)


class Patient(MailjetSimulator):
    """A provider that answers so long after a mail has arrived."""

    async def respond(self, request: Request, *answer: Any) -> Response:
        """Answer late."""
        given: Response = await super().respond(request, *answer)
        await asyncio.sleep(ANSWERS_S)
        return given


async def waited(
    environ: dict[str, str], mailjet: MailjetSimulator, idle_for: float
) -> tuple[list[float], list[float]]:
    """Milliseconds of each mail, with nothing else to do and meanwhile."""
    async with site(environ) as database:
        await mails(database, environ, "warm", over=lambda: False, seconds=SETTLED_SECONDS)
        idle = await mails(database, environ, "idle", over=lambda: False, seconds=idle_for)
        sent = await tell(database, environ, ONE)
        with psycopg.connect(environ["DATABASE_URL"], autocommit=True) as connection:
            busy = await mails(
                database,
                environ,
                "busy",
                over=lambda: one(connection, _STANDING, sent.id)[0] != "deciding",
                seconds=PATIENCE_SECONDS,
            )
        deadline, took = time.monotonic() + PATIENCE_SECONDS, taken(mailjet)
        while not (idle.keys() | busy.keys()) <= took.keys():
            if time.monotonic() > deadline:
                raise BenchError("mails of the other organization never arrived")
            await asyncio.sleep(0.2)
            took = taken(mailjet)
    before, meanwhile = ([(took[to] - at) * 1000 for to, at in some.items()] for some in (idle, busy))
    return before, meanwhile


async def mails(
    database: Database, environ: dict[str, str], called: str, *, over: Callable[[], bool], seconds: float
) -> dict[str, float]:
    """Let the other organization send at its rate; when each was committed, by its address."""
    sealer, committed = Sealer(Secret(environ["AUTH_SECRET"])), dict[str, float]()
    ends = time.time() + seconds
    while time.time() < ends and not (committed and over()):
        to = f"{called}-{len(committed)}@others.example"
        async with database.platform() as session:
            request = EmailRequest(to=EmailAddress(to), message=SONG)
            await queue_email(session, request, sealer=sealer, organization_id=OTHERS)
        committed[to] = time.time()
        await asyncio.sleep(random.expovariate(RATE))
    return committed


def taken(mailjet: MailjetSimulator) -> dict[str, float]:
    """When the provider had each mail of the other organization."""
    found = ((one.message["To"][0]["Email"], one.at) for one in list(mailjet.received))
    return {to: at for to, at in found if to.endswith("@others.example")}


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
