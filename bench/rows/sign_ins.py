"""Sign-ins by password against what Argon2id alone allows, and what 200 of them at once do to everybody else."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit
from uuid import UUID

from argon2 import PasswordHasher as Argon2
from bench.cpu import API, LOAD
from bench.figures import TURNS, Row, at_least, at_most, median
from bench.harness import OURS, BenchError, Stand
from bench.load import Outcome, measure
from sqlalchemy import text

from singr_auth import PasswordHasher
from singr_config import Secret
from singr_config.constants import ARGON2
from singr_config.testing import settings_for_tests
from singr_db import Database, new_id

BENCH = "Sign-in"
PASSWORD = "a long road to the microphone"
CALLERS = 16
CROWD = 200
SHARE_TARGET = 0.8  # 0.9 is the aim
P99_TARGET_MS = 250.0

PEOPLE = text(
    """
    INSERT INTO users (id, account_type, status, name, email, email_key, email_verified_at, password_hash)
    SELECT id, 'singer', 'active', 'Ada', email, email, now(), :password_hash
      FROM unnest(CAST(:ids AS uuid[]), CAST(:emails AS text[])) AS t (id, email)
    """
)


def run(place: Stand) -> list[Row]:
    """Measure both, in turns with bare hashing."""
    turns, each = place.scaled(TURNS, 1), place.scaled(300, 16)
    environ = place.environ(place.database("sign_ins"), 4, TRUSTED_PROXIES="127.0.0.1/32")
    people = asyncio.run(settle(environ["DATABASE_URL"], (turns + 1) * each + CROWD))
    with place.api("sign-ins-api", environ) as api:
        together(api.url, list(itertools.islice(people, each)), CALLERS)  # warms up
        shares = []
        for _ in range(turns):
            bare = bare_rate(each)
            meter = place.meter({API: api})
            outcome = together(api.url, list(itertools.islice(people, each)), CALLERS)
            place.cpu.add(BENCH, OURS, "sign-in", {**meter.lap(), LOAD: outcome.cpu}, each)
            shares.append((each / outcome.seconds, bare))
        with Onlooker(api.url) as onlooker:
            together(api.url, list(itertools.islice(people, CROWD)), CROWD)
    share = median([ours / bare for ours, bare in shares])
    p99 = statistics.quantiles(onlooker.milliseconds, n=100)[98]
    rate, bare = median([ours for ours, _ in shares]), median([bare for _, bare in shares])
    return [
        Row(
            BENCH,
            f"sign-ins a second, {CALLERS} at once (of {bare:.0f} bare hashes on all cores)",
            f"{rate:.1f}",
            ratio=f"{share:.2f}",
            target=at_least(share, SHARE_TARGET, "of Argon2"),
        ),
        Row(
            BENCH,
            f"p99 of other routes during {CROWD} sign-ins at once, ms",
            f"{p99:.0f}",
            target=at_most(p99, P99_TARGET_MS, "ms"),
        ),
    ]


async def settle(database_url: str, number: int) -> Iterator[str]:
    """Give that many people an account each, all with one password; their addresses."""
    hasher = PasswordHasher()
    password_hash = await hasher.hash(Secret(PASSWORD))
    hasher.close()
    emails = [f"singer{index}@example.org" for index in range(number)]
    ids: list[UUID] = [new_id() for _ in emails]
    settings = settings_for_tests(DATABASE_URL=database_url)
    database = Database(settings.database, application_name="bench-sign-ins")
    async with database, database.platform() as session:
        await session.execute(PEOPLE, {"ids": ids, "emails": emails, "password_hash": password_hash})
    return iter(emails)


def bare_rate(number: int) -> float:
    """Hashes a second with nothing around them: as many threads as there are cores."""
    bare = Argon2(
        time_cost=ARGON2.time_cost,
        memory_cost=ARGON2.memory_kib,
        parallelism=ARGON2.parallelism,
        hash_len=ARGON2.hash_bytes,
    )
    stored = bare.hash(PASSWORD)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        started = time.perf_counter()
        list(pool.map(lambda _: bare.verify(stored, PASSWORD), range(number)))
        return number / (time.perf_counter() - started)


def together(address: str, people: list[str], callers: int) -> Outcome:
    """Sign all of them in, over as many connections as there are callers at once."""
    host = urlsplit(address).netloc
    outcome = asyncio.run(measure(address, [request(host, email) for email in people], connections=callers))
    if outcome.statuses != {"200": len(people)}:
        raise BenchError(f"not every sign-in was answered 200 but {outcome.statuses}; one of them:\n{outcome.sample}")
    return outcome


_numbers = itertools.count()


def request(host: str, email: str) -> bytes:
    """One sign-in by password, from an address of its own, as a browser's proxy sends it."""
    number = next(_numbers)
    body = json.dumps({"email": email, "password": PASSWORD}).encode()
    head = (
        f"POST /v1/auth/sign-in HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nx-forwarded-for: 198.18.{number // 250 % 250}.{number % 250}\r\n"
        "user-agent: bench\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Onlooker:
    """Asks a route that has nothing to do with passwords, all the while."""

    address: str
    milliseconds: list[float] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self.address.removeprefix("http://"), timeout=60)
        while not self._over.is_set():
            started = time.perf_counter()
            connection.request("GET", "/.well-known/jwks.json")
            connection.getresponse().read()
            self.milliseconds.append((time.perf_counter() - started) * 1000)
            time.sleep(0.005)
        connection.close()
