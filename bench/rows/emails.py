"""Real e-mails: the product's own worker sends them through Mailjet's simulator, which answers at once or late.

Each message is opened, counted against its limits, written into the ledger, rendered, posted, and its outcome written.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from itertools import islice
from typing import LiteralString
from uuid import UUID

import msgspec
import psycopg
from bench.cpu import PROVIDER, WORKER
from bench.figures import TURNS, Row, median
from bench.filling import row, store
from bench.harness import ORGANIZATION, OURS, BenchError, Running, Stand, free_port
from bench.noop import CONCURRENCY
from bench.rows.jobs import await_drained

from singr_comms import EmailAddress, SongRequest
from singr_comms.notifications import EmailRequest, SendEmail
from singr_comms.notifications._rows import INSERT_ROWS, MessageRow, row_for, rows_parameter
from singr_config import Secret
from singr_db import Sealer, new_id
from singr_dev.simulators import MailjetSimulator
from singr_jobs import Priority
from singr_jobs.intake._row import JobRow

BENCH = "E-mails"
ANSWERS_MS = (0, 50)
COMPLETED = "SELECT count(*) FROM jobs WHERE status = 'completed'"
SENT = "SELECT count(*) FROM messages WHERE status = 'sent'"
SONG = SongRequest(
    venue_name="Blue Note", artist="Nina Simone", title="Feeling Good", link="https://web.example/requests/42"
)


def run(place: Stand) -> list[Row]:
    """Send through a provider that answers at once and one that takes its time, by turns."""
    turns, count = place.scaled(TURNS, 1), place.scaled(20_000 // TURNS, 100)
    rates: dict[int, list[float]] = {answer: [] for answer in ANSWERS_MS}
    for turn in range(turns):
        for answer in ANSWERS_MS:
            rates[answer].append(count / sent(place, f"emails-{answer}-{turn}", answer, count))
            place.forget()
    measure = f"e-mails sent a second, {count:,} pending, concurrency {CONCURRENCY}, provider answers after"
    return [Row(BENCH, f"{measure} {answer} ms", f"{median(found):,.0f}") for answer, found in rates.items()]


def sent(place: Stand, name: str, answer: int, count: int) -> float:
    """Seconds from the first handler's start to the last outcome committed."""
    port = free_port()
    simulator = MailjetSimulator()
    simulator.base_url = f"http://127.0.0.1:{port}"
    # Production speaks to providers by TLS only; all else is as there.
    own = {"APP_ENV": "test", "LOG_LEVEL": "info", "ENABLE_EMAIL_SENDING": "true"}
    environ = place.environ(place.database(name.replace("-", "_")), 2, **simulator.environ, **own)
    database = environ["DATABASE_URL"]
    pending(database, Sealer(Secret(environ["AUTH_SECRET"])), count)
    command = [sys.executable, "-m", "bench.provider", str(port), str(answer)]
    with (
        place.program(f"{name}-provider", command, {}, port=port) as provider,
        place.worker(name, environ, concurrency=CONCURRENCY, jobs=None) as worker,
    ):
        await_drained(place, database, worker, 1, name)
        meter, before = place.meter({WORKER: worker, PROVIDER: provider}), asked(database, COMPLETED)
        seconds = await_drained(place, database, worker, count, name)
        used = meter.lap()
        check(database, provider, count)
    place.cpu.add(BENCH, f"{OURS}, {answer} ms", "mail", used, count - before)
    return seconds


def check(database: str, provider: Running, count: int) -> None:
    """Insist that every message was sent, and once."""
    with urllib.request.urlopen(f"{provider.url}/health", timeout=30) as answer:
        told = json.load(answer)
    if (asked(database, SENT), told) != (count, {"accepted": count, "twice": 0}):
        raise BenchError(f"{asked(database, SENT)} of {count} messages are sent, and the provider says {told}")


def pending(database: str, sealer: Sealer, count: int) -> None:
    """Store so many messages and the jobs that send them, each to another address."""
    messages = list(made(sealer, count))
    with psycopg.connect(database, autocommit=True) as connection:
        rest = iter(messages)
        while some := list(islice(rest, 5_000)):
            connection.execute(INSERT_ROWS.format(rows="%(rows)s"), {"rows": rows_parameter(some)})
    store(database, map(job, messages))


def made(sealer: Sealer, count: int) -> Iterator[MessageRow]:
    """The messages as an intake makes them."""
    for number in range(count):
        request = EmailRequest(to=EmailAddress(f"singer-{number}@singers.example"), message=SONG)
        yield row_for(
            request, sealer=sealer, job_id=new_id(), organization_id=UUID(ORGANIZATION), correlation_id="bench"
        )


def job(message: MessageRow) -> JobRow:
    """The job that sends a message."""
    stored = row(SendEmail(message.id), message.organization_id, Priority.NORMAL)
    return msgspec.structs.replace(stored, id=message.job_id)


def asked(database: str, statement: LiteralString) -> int:
    """The number that a statement answers."""
    with psycopg.connect(database) as connection:
        found = connection.execute(statement).fetchone()
    return int(found[0]) if found else 0
