"""Marks of nonces and keys: first answers are given again as they were, and what was used stays used."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from jobs_support import ORGANIZATION, submission

from singr_config.clock import clock as process_clock
from singr_db import Database, new_id
from singr_dev.clock import VirtualClock
from singr_jobs import (
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    Ingestion,
    JobGoneError,
    Jobs,
    KeptAnswer,
    KeyedRequest,
    NonceReplayedError,
    Submission,
    claim_key,
    finish_key,
    release_key,
    use_nonce,
)
from singr_jobs.intake._answers import comes_back
from singr_jobs.maintenance._housekeeper import Housekeeper


@pytest.fixture
async def ingestion(db: Database, waker) -> AsyncIterator[Ingestion]:
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    yield ingestion
    await ingestion.close()


@pytest.fixture
async def elsewhere(db: Database, waker) -> AsyncIterator[Ingestion]:
    """Another process, which has seen nothing lately."""
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    yield ingestion
    await ingestion.close()


async def run(db: Database, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(statement, parameters)
        return [] if cursor.description is None else await cursor.fetchall()


jobs = Jobs()


class Narrow(msgspec.Struct, frozen=True, tag="test.narrow"):
    """Its column gives it back as it was: names by length, then by letter, and no numbers but integers."""

    note_id: UUID
    how_often: int


class Wide(msgspec.Struct, frozen=True, tag="test.wide"):
    """Its column sorts the names and spells the numbers its own way."""

    values: dict[str, Any]
    a: float


for struct in (Narrow, Wide):

    @jobs.handler(struct, public=True)
    async def keep(job: Any, context: object) -> None:
        """Does nothing: these jobs are never run."""


EXAMPLES = {
    "narrow": Narrow(new_id(), 2**53 + 1),
    "wide": Wide({"zebra": 1e22, "ant": -0.0, "b": [1.50, {"y": 1, "x": "\u2028ü\\"}]}, 1e-7),
}


def asking(key: str, job: msgspec.Struct, **options: Any) -> Submission:
    asked = submission(key, **options)
    asked.job_type, asked.payload = jobs.named(type(job).__struct_config__.tag), job
    return asked


AFTERWARDS = {
    "completed": "status = 'completed', attempt = 1, progress = 100, result = '{\"sent\": 2}', finished_at = now()",
    "failed": 'status = \'failed\', attempt = 3, error = \'{"code": "c", "message": "m"}\', finished_at = now()',
    "tried again later": "attempt = 1, run_at = now() + interval '1 hour', started_at = now()",
    "asked to end": "cancel_requested = true, worker = 'w', progress = 40",
}


@pytest.mark.parametrize("job", EXAMPLES.values(), ids=EXAMPLES.keys())
@pytest.mark.parametrize("change", AFTERWARDS.values(), ids=AFTERWARDS.keys())
async def test_first_answer_is_given_again_to_the_byte_whatever_became_of_the_job(
    db, ingestion, elsewhere, job, change
):
    first = await ingestion.submit(asking("k1", job, delay=0.25))
    await run(db, f"UPDATE jobs SET {change}")
    for process in (ingestion, elsewhere):
        again = await process.submit(asking("k1", job, delay=0.25))
        assert (again.status, again.replayed, again.job_id) == (first.status, True, first.job_id)
        assert again.body == first.body


def test_which_payloads_their_column_gives_back():
    assert [comes_back(Narrow), comes_back(Wide)] == [True, False]


async def test_narrow_payload_is_kept_once_only(db, ingestion):
    await ingestion.submit(asking("k1", EXAMPLES["narrow"]))
    await ingestion.submit(asking("k2", EXAMPLES["wide"]))
    assert await run(db, "SELECT payload IS NULL FROM request_keys ORDER BY job_id") == [(True,), (False,)]


@pytest.mark.parametrize("ahead", [3600, -3600, 0], ids=["ahead", "behind", "right"])
@pytest.mark.parametrize("delay", [None, 0.1234567], ids=["at once", "delayed"])
async def test_a_hosts_clock_an_hour_off_changes_no_answer(db, ingestion, elsewhere, ahead, delay):
    with process_clock.moved(lambda: ahead * 10**9):
        first = await ingestion.submit(submission("k1", delay=delay))
    assert (await elsewhere.submit(submission("k1", delay=delay))).body == first.body

    answered = json.loads(first.body)
    times = tuple(datetime.fromisoformat(answered[name]) for name in ("run_at", "created_at"))
    assert await run(db, "SELECT run_at, created_at FROM jobs") == [times]


async def test_answer_of_a_job_that_is_gone_with_its_partition_is_refused_and_nothing_is_made_anew(
    db, ingestion, elsewhere, long_ago
):
    await ingestion.submit(submission("k1", job_id=long_ago))
    await run(db, "DROP TABLE jobs_long_ago")
    for process in (ingestion, elsewhere):
        with pytest.raises(JobGoneError, match=str(long_ago)):
            await process.submit(submission("k1", job_id=None))
    assert await run(db, "SELECT count(*) FROM jobs") == [(0,)]


async def test_neighbours_of_one_that_was_seen_before_are_stored_and_it_is_answered_again(db, ingestion, elsewhere):
    first = await ingestion.submit(submission("k3"))
    answers = await asyncio.gather(*(elsewhere.submit(submission(f"k{number}")) for number in range(8)))
    assert [answer.replayed for answer in answers] == [number == 3 for number in range(8)]
    assert answers[3].body == first.body
    assert await run(db, "SELECT count(*) FROM jobs") == [(8,)]


async def test_nonce_counts_once_among_repeats_of_a_key_that_arrive_together(db, ingestion, elsewhere):
    await ingestion.submit(submission("k1"))
    for process in (ingestion, elsewhere):
        nonce = f"of {id(process)}"
        results = await asyncio.gather(
            *(process.submit(submission("k1", nonce=nonce)) for _ in range(5)), return_exceptions=True
        )
        assert sum(isinstance(result, NonceReplayedError) for result in results) == 4
        assert sum(not isinstance(result, BaseException) and result.replayed for result in results) == 1


async def test_two_processes_that_hold_each_others_nonces_both_answer(db, ingestion, elsewhere):
    """The same nonces under other keys, in another order: a ring, which PostgreSQL breaks by undoing one batch."""
    names = [f"n{number}" for number in range(40)]
    results = await asyncio.gather(
        *(ingestion.submit(submission(f"a{place}", nonce=name)) for place, name in enumerate(names)),
        *(elsewhere.submit(submission(f"b{place}", nonce=name)) for place, name in enumerate(reversed(names))),
        return_exceptions=True,
    )
    assert sum(isinstance(result, NonceReplayedError) for result in results) == len(names)
    assert await run(db, "SELECT count(*) FROM jobs") == [(len(names),)]


KEYED = KeyedRequest(
    organization_id=ORGANIZATION, key="k1", method="POST", path="/v1/other", body_hash=hashlib.sha256(b"").digest()
)


async def test_key_used_on_a_job_is_refused_elsewhere(db, ingestion):
    await ingestion.submit(submission("k1"))
    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(IdempotencyMismatchError):
            await claim_key(session, KEYED)


async def test_key_used_elsewhere_is_refused_for_a_job_while_it_runs_and_once_it_is_answered(db, ingestion):
    async with db.tenant(ORGANIZATION) as session:
        claimed = await claim_key(session, KEYED)
    with pytest.raises(IdempotencyMismatchError):
        await ingestion.submit(submission("k1"))
    async with db.tenant(ORGANIZATION) as session:
        await finish_key(session, KEYED, claimed, KeptAnswer(201, "application/json", b"{}"))
    with pytest.raises(IdempotencyMismatchError):
        await ingestion.submit(submission("k1"))
    async with db.tenant(ORGANIZATION) as session:
        assert await claim_key(session, KEYED) == KeptAnswer(201, "application/json", b"{}")
    assert await run(db, "SELECT count(*) FROM jobs") == [(0,)]


async def test_key_that_was_let_go_is_free_for_a_job(db, ingestion):
    async with db.tenant(ORGANIZATION) as session:
        await release_key(session, KEYED, await claim_key(session, KEYED))
    assert not (await ingestion.submit(submission("k1"))).replayed


async def test_nonce_used_elsewhere_is_used_for_a_job(db, ingestion):
    async with db.psycopg.connection() as connection:
        await use_nonce(connection, "key-1", "n1")
    with pytest.raises(NonceReplayedError):
        await ingestion.submit(submission("k1", nonce="n1"))
    assert await run(db, "SELECT count(*) FROM request_keys") == [(0,)]


async def test_housekeeper_deletes_what_is_over_and_nothing_else(clock: VirtualClock, db, ingestion):
    await ingestion.submit(submission("old"))
    clock.advance(hours=48)
    first = await ingestion.submit(submission("young"))
    assert await Housekeeper(db.psycopg).work() == 2
    assert await run(db, "SELECT job_id FROM request_keys") == [(first.job_id,)]
    assert await run(db, "SELECT count(*) FROM request_marks") == [(1,)]


async def test_housekeeper_comes_round_a_table_of_many_bites(db):
    await run(
        db,
        "INSERT INTO request_keys (mark, organization_id, print, created_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now() - interval '3 days'"
        " FROM generate_series(1, 30000)",
    )
    housekeeper = Housekeeper(db.psycopg)
    rounds = [await housekeeper.work() for _ in range(5)]
    assert sum(rounds) == 30_000
    assert max(rounds) < 20_000


class TestBesideTheReleaseBefore:
    """Its statements, as they are in 1.0's `_ingest_sql.py` and `_records.py`, on the same database."""

    NONCE = (
        "INSERT INTO request_nonces (key_id, nonce, expires_at) VALUES (%s, %s, now() + interval '11 minutes')"
        " ON CONFLICT (key_id, nonce) DO NOTHING RETURNING key_id"
    )
    STORE = (
        "INSERT INTO idempotency_records AS kept (organization_id, key, method, path, body_hash, state, status_code,"
        " content_type, response_body, created_at, expires_at) VALUES (%s, %s, 'POST', '/v1/jobs', %s, 'done', 202,"
        " 'application/json', %s, now(), now() + interval '48 hours') ON CONFLICT (organization_id, key) DO UPDATE"
        " SET body_hash = excluded.body_hash, response_body = excluded.response_body, state = excluded.state,"
        " created_at = excluded.created_at, expires_at = excluded.expires_at WHERE kept.expires_at < now()"
        " RETURNING key"
    )
    CLAIM = (
        "INSERT INTO idempotency_records AS kept (organization_id, key, method, path, body_hash, state, created_at,"
        " expires_at) VALUES (%s, %s, 'POST', '/v1/other', sha256(''), 'running', now(), now() + interval '48 hours')"
        " ON CONFLICT (organization_id, key) DO UPDATE SET created_at = excluded.created_at,"
        " expires_at = excluded.expires_at WHERE kept.expires_at < now()"
        " OR (kept.state = 'running' AND kept.created_at < now() - interval '1 minute') RETURNING created_at"
    )
    FINISH = (
        "UPDATE idempotency_records SET state = 'done', status_code = 201, content_type = 'application/json',"
        " response_body = '{}' WHERE organization_id = %s AND key = %s AND state = 'running' AND created_at = %s"
        " RETURNING key"
    )

    async def test_its_answer_is_given_again_by_us(self, db, ingestion):
        body = json.dumps({"id": str(new_id()), "spelt": "its own way"}).encode()
        stored = await run(db, self.STORE, ORGANIZATION, "k1", submission("k1").body_hash, body)
        assert stored == [("k1",)]
        assert (await ingestion.submit(submission("k1"))).body == body
        with pytest.raises(IdempotencyMismatchError):
            await ingestion.submit(submission("k1", "other"))

    async def test_its_nonce_is_used_for_us_and_ours_for_it(self, db, ingestion):
        assert await run(db, self.NONCE, "key-1", "theirs") == [("key-1",)]
        assert await run(db, self.NONCE, "key-1", "theirs") == []
        with pytest.raises(NonceReplayedError):
            await ingestion.submit(submission("k1", nonce="theirs"))
        await ingestion.submit(submission("k1", nonce="ours"))
        assert await run(db, self.NONCE, "key-1", "ours") == []

    async def test_it_does_nothing_under_a_key_of_ours(self, db, ingestion):
        first = await ingestion.submit(submission("k1"))
        assert await run(db, self.STORE, ORGANIZATION, "k1", submission("k1").body_hash, b"{}") == []
        with pytest.raises(psycopg.errors.SerializationFailure):
            await run(db, self.CLAIM, ORGANIZATION, "k1")
        assert (await ingestion.submit(submission("k1"))).body == first.body

    async def test_its_running_request_is_running_for_us_until_it_is_answered(self, db):
        [(claimed,)] = await run(db, self.CLAIM, ORGANIZATION, "k1")
        async with db.tenant(ORGANIZATION) as session:
            with pytest.raises(IdempotencyInProgressError):
                await claim_key(session, KEYED)
        assert await run(db, self.FINISH, ORGANIZATION, "k1", claimed) == [("k1",)]
        async with db.tenant(ORGANIZATION) as session:
            assert await claim_key(session, KEYED) == KeptAnswer(201, "application/json", b"{}")

    async def test_what_it_lets_go_is_free_for_us(self, db, ingestion):
        await run(db, self.CLAIM, ORGANIZATION, "k1")
        await run(db, "DELETE FROM idempotency_records")
        assert not (await ingestion.submit(submission("k1"))).replayed

    async def test_what_we_took_over_it_cannot_finish(self, clock: VirtualClock, db):
        [(claimed,)] = await run(db, self.CLAIM, ORGANIZATION, "k1")
        clock.advance(seconds=61)
        async with db.tenant(ORGANIZATION) as session:
            assert not isinstance(await claim_key(session, KEYED), KeptAnswer)
        assert await run(db, self.FINISH, ORGANIZATION, "k1", claimed) == []

    async def test_what_it_takes_over_from_itself_it_finishes(self, clock: VirtualClock, db):
        await run(db, self.CLAIM, ORGANIZATION, "k1")
        clock.advance(seconds=61)
        [(claimed,)] = await run(db, self.CLAIM, ORGANIZATION, "k1")
        assert await run(db, self.FINISH, ORGANIZATION, "k1", claimed) == [("k1",)]
        async with db.tenant(ORGANIZATION) as session:
            assert isinstance(await claim_key(session, KEYED), KeptAnswer)
