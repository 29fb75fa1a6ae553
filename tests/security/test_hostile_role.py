"""S26 in full: a service that may only enqueue does its worst by SQL, and everybody else is served all the while."""

import asyncio
import itertools
from collections.abc import Iterator

import psycopg
import pytest
from faults.harness import ORGANIZATION, Site, until
from faults.site_callers import Callers, client, sms

from singr_db import grant, new_id

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

ROLE = "hostile_service"
GOOD = {
    "type": "sms.send",
    "queue": "sms",
    "max_attempts": 1,
    "backoff": 1.0,
    "timeout": 1.0,
    "unique_key": None,
    "run_at": "2026-11-27T12:00Z",
    "created_at": "2026-11-27T12:00Z",
    "correlation_id": None,
    "traceparent": None,
}
NUMBERS = (0.0, -1.0, 1e300, float("nan"), float("inf"))
TIMES = ("infinity", "-infinity", "4713-01-01 BC", "294276-12-31")
TEXTS = ("", "x" * 12_000, "x" * 5_000_000, "a\nb", "a\x1bb", "\u202ea", "a b")
WRONG = {
    "type": TEXTS,
    "queue": (*TEXTS, "Sms", "sms-", "-", "x" * 41),
    "max_attempts": (101, 32_767),
    "backoff": NUMBERS,
    "timeout": NUMBERS,
    "unique_key": ("", "x" * 256, "x" * 5_000_000),
    "run_at": TIMES,
    "created_at": TIMES,
    "correlation_id": TEXTS,
    "traceparent": TEXTS,
}
INSERT = (
    f"INSERT INTO jobs (id, organization_id, payload, {', '.join(GOOD)})"
    f" VALUES (%(id)s, %(organization_id)s, '{{}}', {', '.join(f'%({name})s' for name in GOOD)})"
)
CLAIM = "INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id) VALUES (%s, 'sms.send', %s, %s)"


@pytest.fixture
def hostile(site: Site) -> Iterator[psycopg.Connection]:
    """The service's connection, in autocommit."""
    grant(site.database_url, ROLE)
    with psycopg.connect(site.database_url, autocommit=True) as connection:
        connection.execute(f"SET ROLE {ROLE}")
        yield connection


async def test_whatever_a_service_that_may_only_enqueue_writes_everybody_else_is_served(
    site: Site, hostile: psycopg.Connection
) -> None:
    """Every wrong value in every column; then 30 keys held by a transaction without end, each asked for ten times."""
    site.put_many(200)
    for column, values in WRONG.items():
        for value in values:
            row = GOOD | {"id": new_id(), "organization_id": ORGANIZATION, column: value}
            with pytest.raises(psycopg.errors.CheckViolation):
                hostile.execute(INSERT, row)
    assert site.count("jobs") == 200
    key = await Callers(site).make(("jobs:write", "notifications:write"))
    names = [f"held-{number}" for number in range(30)]
    with site.worker(), site.api() as api, hostile.transaction(force_rollback=True):
        for name in names:
            hostile.execute(CLAIM, (ORGANIZATION, name, new_id()))
        async with client(api.address, key, connections=500) as caller:
            asked = [caller.post("/v1/jobs", **request(unique_key=name)) for name in names * 10]
            plain = [caller.post("/v1/jobs", **request()) for _ in range(200)]
            answers = [answer.status_code for answer in await asyncio.gather(*asked, *plain)]
        assert set(answers[: len(asked)]) <= {409, 503}
        assert set(answers[len(asked) :]) == {202}
        until(lambda: site.count("marks WHERE what = 'done'") >= 200, within=60, what="all work is done")


_keys = itertools.count()


def request(**options: object) -> dict[str, object]:
    return {"json": sms() | options, "headers": {"idempotency-key": f"hostile-{next(_keys)}"}}
