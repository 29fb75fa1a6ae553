"""Stored messages sent by the product's own worker through a provider's simulator: what several benches stand on.

Each message is opened, counted against its limits, written into the ledger, rendered, posted, and its outcome written.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, LiteralString
from uuid import UUID

import msgspec
import psycopg
from bench.cpu import PROVIDER, WORKER, resident_mb
from bench.filling import row, store
from bench.harness import ORGANIZATION, BenchError, Running, Stand, free_port
from bench.rows.jobs import await_drained

from singr_comms import EmailAddress, PlainPush, PlainSms, SongRequest
from singr_comms.notifications import EmailRequest, PushRequest, SendEmail, SendPush, SendSms, SmsRequest
from singr_comms.notifications._rows import INSERT_ROWS, MessageRow, row_for, rows_parameter
from singr_config import Secret
from singr_db import Sealer, new_id
from singr_jobs import Priority
from singr_jobs.intake._row import JobRow

COMPLETED = "SELECT count(*) FROM jobs WHERE status = 'completed'"
SENT = "SELECT count(*) FROM messages WHERE status = 'sent'"
SONG = SongRequest(
    venue_name="Blue Note", artist="Nina Simone", title="Feeling Good", link="https://web.example/requests/42"
)
# Production speaks to providers by TLS only; all else is as there. Every message goes to another address.
OWN = {
    "APP_ENV": "test",
    "LOG_LEVEL": "info",
    **dict.fromkeys(("ENABLE_EMAIL_SENDING", "ENABLE_SMS_SENDING", "ENABLE_PUSH_SENDING"), "true"),
    **dict.fromkeys(("SMS_PREFIX_LIMIT_MAX", "SMS_COUNTRY_LIMIT_MAX"), "1000000"),
    "PUSH_DAILY_LIMIT_MAX": "1000000000",
}


@dataclass(frozen=True)
class Channel:
    """What is sent by a channel: a request for each number, and the job of each message."""

    name: str
    request: Callable[[int], Any]
    job: Callable[[UUID], msgspec.Struct]


EMAIL = Channel(
    "email", lambda n: EmailRequest(to=EmailAddress(f"singer-{n}@singers.example"), message=SONG), SendEmail
)
SMS = Channel("sms", lambda n: SmsRequest(to=f"+49151{n:08d}", message=PlainSms(text="Your song is next")), SendSms)
PUSH = Channel(
    "push",
    lambda n: PushRequest(to=f"device-{n:012d}", message=PlainPush(title="Blue Note", text="Your song is next")),
    SendPush,
)


@dataclass(frozen=True)
class Sent:
    """What a drain took, and at what price.

    Attributes:
        seconds: from the first handler's start to the last outcome committed.
        span: seconds from the first message that the provider took to the last.
        used: CPU by process, for the `counted` messages of them.
        counted: see `used`.
        grown_mb: what the worker's memory grew by over the second half.
    """

    seconds: float
    span: float
    used: dict[str, float]
    counted: int
    grown_mb: float


def drain(
    place: Stand, name: str, channel: Channel, *, answers_ms: int, count: int, concurrency: int | None = None
) -> Sent:
    """Send so many; each must arrive once."""
    port = free_port()
    command = [sys.executable, "-m", "bench.provider", channel.name, str(port), str(answers_ms)]
    with place.program(f"{name}-provider", command, {}, port=port) as provider:
        environ = place.environ(place.database(name.replace("-", "_")), 2, **told(provider)["environ"], **OWN)
        database = environ["DATABASE_URL"]
        pending(database, Sealer(Secret(environ["AUTH_SECRET"])), channel, count)
        with place.worker(name, environ, concurrency=concurrency, jobs=None, queue=channel.name) as worker:
            await_drained(place, database, worker, 1, name)
            meter, before = place.meter({WORKER: worker, PROVIDER: provider}), asked(database, COMPLETED)
            await_drained(place, database, worker, count // 2, name)
            resident = resident_mb(worker.pid)
            seconds = await_drained(place, database, worker, count, name)
            used, grown = meter.lap(), resident_mb(worker.pid) - resident
            check(database, provider, count)
            span = max(float(told(provider)["span"]), 0.001)
    return Sent(seconds, span, used, count - before, grown)


def told(provider: Running) -> dict[str, Any]:
    """What a provider says of itself."""
    with urllib.request.urlopen(f"{provider.url}/health", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def check(database: str, provider: Running, count: int) -> None:
    """Insist that every message was sent, and once."""
    says = {what: told(provider)[what] for what in ("accepted", "twice")}
    if (asked(database, SENT), says) != (count, {"accepted": count, "twice": 0}):
        raise BenchError(f"{asked(database, SENT)} of {count} messages are sent, and the provider says {says}")


def pending(database: str, sealer: Sealer, channel: Channel, count: int) -> None:
    """Store so many messages and the jobs that send them, each to another address."""
    messages = list(made(sealer, channel, count))
    with psycopg.connect(database, autocommit=True) as connection:
        rest = iter(messages)
        while some := list(islice(rest, 5_000)):
            connection.execute(INSERT_ROWS.format(rows="%(rows)s"), {"rows": rows_parameter(some)})
    store(database, (job(channel, one) for one in messages))


def made(sealer: Sealer, channel: Channel, count: int) -> Iterator[MessageRow]:
    """The messages as an intake makes them."""
    for number in range(count):
        yield row_for(
            channel.request(number),
            sealer=sealer,
            job_id=new_id(),
            organization_id=UUID(ORGANIZATION),
            correlation_id="bench",
        )


def job(channel: Channel, message: MessageRow) -> JobRow:
    """The job that sends a message."""
    stored = row(channel.job(message.id), message.organization_id, Priority.NORMAL)
    return msgspec.structs.replace(stored, id=message.job_id)


def asked(database: str, statement: LiteralString) -> int:
    """The number that a statement answers."""
    with psycopg.connect(database) as connection:
        found = connection.execute(statement).fetchone()
    return int(found[0]) if found else 0
