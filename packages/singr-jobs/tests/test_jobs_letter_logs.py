"""A dead letter tells what its job's handler logged for as long as it is open, whatever becomes of the job's week."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from jobs_support import ORGANIZATION, Steer, lies
from test_jobs_dead_letters import fail, run

from singr_config import RetentionSettings
from singr_db import Database, ensure_partitions, new_id
from singr_db._partitions import first_id
from singr_db.retention import Report, retain, retaining
from singr_jobs import (
    DeadLetterDetail,
    JobNotFoundError,
    LetterKeeper,
    discard,
    enqueue,
    list_job_logs,
    read_dead_letter,
    requeue,
)

OTHER = UUID("01920000-0000-7000-8000-0000000000bb")
MONDAY = datetime(2025, 11, 3, tzinfo=UTC)
LATER = MONDAY + timedelta(weeks=3)
ONE = RetentionSettings(jobs_per_queue=1)


@pytest.fixture
async def week(db: Database) -> Any:
    """The week from `MONDAY` on, as it was made then."""
    async with db.engine.connect() as connection:
        await ensure_partitions(connection, weeks_ahead=0, now=MONDAY)
    yield MONDAY
    for table in ("jobs", "job_attempts", "job_logs", "messages", "message_events"):
        await run(db, f"DROP TABLE IF EXISTS {table}_w20251103")


async def failed(db: Database, place: int, *, lines: int = 1, size: int = 4) -> tuple[UUID, UUID]:
    """A job of that week that failed for good, with lines of each attempt, and its letter."""
    job_id = UUID(int=first_id(MONDAY).int | (7 << 76) | (2 << 62) | place)
    async with db.tenant(ORGANIZATION) as session:
        await enqueue(session, Steer("a"), organization_id=ORGANIZATION, job_id=job_id)
    return job_id, await again(db, job_id, lines=lines, size=size)


async def again(db: Database, job_id: UUID, *, lines: int = 1, size: int = 4) -> UUID:
    """Let it fail for good, long before `LATER`; the letter that it leaves."""
    await wrote(db, job_id, [(attempt, "x" * size) for attempt in (1, 2, 3) for _ in range(lines)])
    await fail(db, job_id)
    ended = MONDAY + timedelta(days=1)
    await run(db, "UPDATE jobs SET created_at = %s, finished_at = %s WHERE id = %s", MONDAY, ended, job_id)
    [(letter_id,)] = await run(db, "SELECT id FROM dead_letters WHERE job_id = %s AND state = 'open'", job_id)
    return UUID(str(letter_id))


async def wrote(db: Database, job_id: UUID, lines: list[tuple[int, str]]) -> None:
    for attempt, message in lines:
        await run(
            db,
            "INSERT INTO job_logs (job_id, id, organization_id, attempt, at, message, fields)"
            " VALUES (%s, %s, %s, %s, now(), %s, '{\"rows\": 7}')",
            job_id, new_id(), ORGANIZATION, attempt, message,
        )  # fmt: skip


async def turn(db: Database, now: datetime = LATER) -> Report:
    async with retaining(db.psycopg) as connection:
        assert connection is not None
        while (report := await retain(connection, ONE, now=now)).held_up:  # noqa: ASYNC110 - a turn sets no event
            await asyncio.sleep(0.1)  # on a busy machine somebody uses the table for a moment: the next turn drops it
        return report


async def told(db: Database, letter_id: UUID) -> DeadLetterDetail:
    async with db.tenant(ORGANIZATION) as session:
        return await read_dead_letter(session, letter_id)


def words(letter: DeadLetterDetail) -> list[tuple[int, str]]:
    return [(line.attempt, line.message) for line in letter.logs]


async def test_a_letter_keeps_attempts_and_log_when_its_job_goes_with_its_week(db: Database, week: datetime) -> None:
    job_id, letter_id = await failed(db, 1)
    await failed(db, 2)  # the last of its queue stays
    before = await told(db, letter_id)
    assert words(before) == [(1, "xxxx"), (2, "xxxx"), (3, "xxxx")]
    assert (before.logs[0].fields, before.logs_complete) == ({"rows": 7}, True)
    assert (await turn(db)).dropped == ("jobs_w20251103",)
    with pytest.raises(JobNotFoundError):
        async with db.tenant(ORGANIZATION) as session:
            await list_job_logs(session, job_id, limit=1)
    assert await told(db, letter_id) == before
    async with db.platform() as session:
        await requeue(session, letter_id)
    assert await lies(db, job_id) == "ready"
    second = await again(db, job_id, lines=0)
    assert (words(await told(db, letter_id)), words(await told(db, second))) == (words(before), [])


async def test_what_was_kept_of_a_week_leaves_its_log_when_it_goes_later(db: Database, week: datetime) -> None:
    _, first = await failed(db, 1)
    job_id, last = await failed(db, 2)
    assert (await turn(db)).moved == 1
    await wrote(db, job_id, [(3, "late")])  # a log that waited for the database
    await run(db, "UPDATE dead_letters SET log = NULL WHERE id = %s", last)
    await failed(db, 3)
    assert (await turn(db)).deleted == 1
    assert words(await told(db, last)) == [(1, "xxxx"), (2, "xxxx"), (3, "xxxx"), (3, "late")]
    assert words(await told(db, first)) == [(1, "xxxx"), (2, "xxxx"), (3, "xxxx")]


async def test_only_what_somebody_may_look_into_is_kept(db: Database, week: datetime) -> None:
    """What is settled has no need of it, and what logged nothing is not written again."""
    (_, put_away), (_, silent), _ = await failed(db, 1), await failed(db, 2, lines=0), await failed(db, 3)
    async with db.platform() as session:
        await discard(session, put_away)
    unchanged = await run(db, "SELECT id, xmin FROM dead_letters WHERE id = ANY (%s) ORDER BY id", [put_away, silent])
    await turn(db)
    assert (
        await run(db, "SELECT id, xmin FROM dead_letters WHERE id = ANY (%s) ORDER BY id", [put_away, silent])
        == unchanged
    )
    told_of = [await told(db, letter_id) for letter_id in (put_away, silent)]
    assert [(words(letter), letter.logs_complete) for letter in told_of] == [([], False), ([], True)]


async def test_a_job_made_anew_does_not_make_a_lost_log_whole(db: Database, week: datetime) -> None:
    """Its row is there again, and what an earlier round logged is not."""
    job_id, first = await failed(db, 1)
    async with db.platform() as session:
        await requeue(session, first)
    second = await again(db, job_id)
    await failed(db, 2)
    await turn(db)
    async with db.platform() as session:
        await requeue(session, second)
    assert await lies(db, job_id) == "ready"
    lost, kept = await told(db, first), await told(db, second)
    assert (words(lost), lost.logs_complete, kept.logs_complete) == ([], False, True)


async def test_many_letters_are_kept_bite_by_bite(
    db: Database, week: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singr_db.retention._letters._BITE", 2)
    letters = [(await failed(db, place))[1] for place in range(1, 6)]
    await turn(db)
    assert [len((await told(db, letter)).logs) for letter in letters] == [3] * 5


async def test_of_a_long_log_the_latest_is_told_and_that_it_is_not_all(db: Database, week: datetime) -> None:
    _, letter_id = await failed(db, 1, lines=60, size=2000)
    await failed(db, 2)
    before = await told(db, letter_id)
    assert not before.logs_complete
    assert 100 < len(before.logs) < 180
    assert {line.attempt for line in before.logs} == {1, 2, 3} - ({1} if before.logs[0].attempt == 2 else set())
    assert before.logs[-1].attempt == 3
    await turn(db)
    assert await told(db, letter_id) == before


@pytest.mark.parametrize("job", ["gone", "there"])
async def test_an_expired_letter_has_neither_payload_nor_log(db: Database, week: datetime, job: str) -> None:
    _, letter_id = await failed(db, 1)
    await failed(db, 2)
    if job == "gone":
        await turn(db)
    await run(db, "UPDATE dead_letters SET failed_at = now() - interval '4 days'")
    await LetterKeeper(db.psycopg, RetentionSettings(dead_letter_days=3)).work()
    letter = await told(db, letter_id)
    assert (letter.state, letter.payload, letter.logs, len(letter.history)) == ("expired", None, [], 3)
    assert not letter.logs_complete
