"""Inboxes on screens: from the commit of an item until each of a thousand streams of one process has told it."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from bench.cpu import API
from bench.figures import Row, at_least, at_most, percentile
from bench.harness import OURS, BenchError, Running, Stand
from bench.rows.sign_ins import PASSWORD, settle
from sqlalchemy import text

from singr_comms import PlainPush
from singr_comms.people.inbox import InboxMessage, InboxNews, add_to_inboxes
from singr_config import Secret
from singr_config.testing import settings_for_tests
from singr_db import Database, Sealer, new_id
from singr_db.redis import redis_client

BENCH = "Inbox"
P95_TARGET_MS = 150.0
STREAMS_TARGET = 1_000
SCREENS = 10
ITEMS_A_SECOND = 10.0
OPEN_SECONDS = 60
SETTLED_SECONDS = 3.0
WELCOME = ""
RECIPIENTS = text(
    """
    WITH made AS (
        INSERT INTO recipients (id, organization_id, external_id, user_id, key_id)
        SELECT gen_random_uuid(), :organization, u.email, u.id, gen_random_uuid() FROM users AS u
        WHERE u.email = ANY (CAST(:emails AS text[])) RETURNING id, external_id, key_id, organization_id
    ), keys AS (
        INSERT INTO data_keys (id, organization_id, wrapped) SELECT key_id, organization_id, ''::bytea FROM made
    )
    SELECT id, external_id FROM made ORDER BY external_id
    """
)
Told = dict[str, list[float]]


def run(place: Stand) -> list[Row]:
    """Open the streams, put items in at random, and see when each screen has them."""
    people, seconds = place.scaled(STREAMS_TARGET // SCREENS, 3), place.scaled(20, 2)
    environ = place.environ(place.database("inbox"), 4, TRUSTED_PROXIES="127.0.0.1/32")
    emails = list(itertools.islice(asyncio.run(settle(environ["DATABASE_URL"], people)), people))
    with place.api("inbox-api", environ) as api:
        return asyncio.run(looked_at(place, api, environ, emails, seconds))


async def looked_at(
    place: Stand, api: Running, environ: dict[str, str], emails: list[str], seconds: float
) -> list[Row]:
    """What it measures, with everybody's inbox on so many screens."""
    settings = settings_for_tests(DATABASE_URL=environ["DATABASE_URL"], REDIS_URL=environ["REDIS_URL"])
    organization, redis = new_id(), redis_client(settings.redis)
    news = InboxNews(redis)
    told: Told = {}
    async with Database(settings.database, application_name="bench-inbox") as database:
        news.attach(database.session_info)
        async with database.platform() as session:
            named = {"organization": organization, "emails": emails}
            await session.execute(
                text("INSERT INTO organizations (id, name, slug) VALUES (:organization, 'Bench', 'bench')"), named
            )
            recipients = [row.id for row in await session.execute(RECIPIENTS, named)]
        before = rss_kb(api)
        tokens = [await signed_in(api.url, email) for email in emails]
        readers = [
            asyncio.create_task(read(api.url, token, organization, told)) for token in tokens for _ in range(SCREENS)
        ]
        await opened(told, len(readers))
        grown, meter = rss_kb(api) - before, place.meter({API: api})
        committed = await put(database, Sealer(Secret(environ["AUTH_SECRET"])), organization, recipients, seconds)
        await asyncio.sleep(SETTLED_SECONDS)
        used = meter.lap()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await news.close()
    await redis.aclose()
    waits = [(at - since) * 1000 for title, since in committed.items() for at in told.get(title, ())]
    place.cpu.add(BENCH, OURS, "item on 10 screens", used, len(committed))
    p95, share = percentile(waits, 95), len(waits) / (len(committed) * SCREENS)
    measure = f"from commit to {len(readers):,} streams of one process, p95, ms (p50 {percentile(waits, 50):.1f})"
    return [
        Row(BENCH, measure, f"{p95:.1f}", target=at_most(p95, P95_TARGET_MS, "ms")),
        Row(
            BENCH,
            f"of the items each screen was to show, those it did ({grown / max(1, len(readers)):.0f} kB a stream)",
            f"{share:.3f}",
            target=at_least(share, 1.0, "of them"),
        ),
    ]


async def opened(told: Told, streams: int) -> None:
    """Wait until so many are open: what came before is no news to them."""
    deadline = time.monotonic() + OPEN_SECONDS
    while len(told.get(WELCOME, ())) < streams:
        if time.monotonic() > deadline:
            raise BenchError(f"{len(told.get(WELCOME, ()))} of {streams} streams are open")
        await asyncio.sleep(0.1)


async def put(
    database: Database, sealer: Sealer, organization: UUID, recipients: list[UUID], seconds: float
) -> dict[str, float]:
    """Put items into inboxes at random; when each was committed, by its title."""
    committed = {}
    over = time.time() + seconds
    while time.time() < over:
        title = new_id().hex
        async with database.tenant(organization) as session:
            message = InboxMessage(random.choice(recipients), PlainPush(title=title, text="It is up."))
            await add_to_inboxes(session, sealer, [message], organization_id=organization)
        committed[title] = time.time()
        await asyncio.sleep(random.expovariate(ITEMS_A_SECOND))
    return committed


async def signed_in(url: str, email: str) -> str:
    """The access token of somebody."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        body = {"email": email, "password": PASSWORD}
        answer = await client.post("/v1/auth/sign-in", json=body, headers={"x-forwarded-for": address_of(email)})
        token: str = answer.raise_for_status().json()["access_token"]
    return token


def address_of(email: str) -> str:
    """An address of everybody's own: many from one would be taken for a guesser."""
    number = int("".join(filter(str.isdigit, email)) or 0)
    return f"10.1.{number // 250}.{number % 250 + 1}"


async def read(url: str, token: str, organization: UUID, told: Told) -> None:
    """Follow one stream: when each title came."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    path = f"/v1/me/inbox/stream?organization_id={organization}"
    head = f"GET {path} HTTP/1.1\r\nhost: {place.netloc}\r\nauthorization: Bearer {token}\r\n\r\n"
    writer.write(head.encode())
    try:
        while line := await reader.readline():
            if line == b": welcome\n":
                told.setdefault(WELCOME, []).append(time.time())
            if line.startswith(b'data: {"id"'):
                told.setdefault(json.loads(line[6:])["title"], []).append(time.time())
    finally:
        writer.close()


def rss_kb(program: Running) -> int:
    """What a program holds, in kB."""
    status = Path(f"/proc/{program.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])
