"""A job that fails for good leaves a letter, and by it is found, given back to its queue or put away: each once."""

import json
from typing import Any
from uuid import UUID

import pytest
from jobs_support import ORGANIZATION, Pulse, Steer, jobs, lies, put, take_by_hand
from test_jobs_ending import ENDS, GOES_ON, TOKEN, end, running

from singr_config import RetentionSettings
from singr_db import Database
from singr_db.ending import SETTLE, fingerprint
from singr_db.operation_log import act_as, list_operations
from singr_jobs import (
    DeadLetterNotFoundError,
    DeadLetterSettledError,
    LetterKeeper,
    UniqueKeyHeldError,
    dead_letter_groups,
    dead_letters,
    discard,
    enqueue,
    read_dead_letter,
    requeue,
)
from singr_jobs.dead import _groups, _sql
from singr_jobs.testing import InMemoryJobs

OTHER = UUID("01920000-0000-7000-8000-0000000000bb")
ERROR = '{"code": "busy", "message": "provider 7 said \'no\' to +4915112345"}'


async def run(db: Database, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []


async def fail(db: Database, job_id: UUID, *, error: str = ERROR, attempts: int = 3) -> None:
    """Let all attempts of a job fail, as a worker writes it down."""
    for attempt in range(1, attempts + 1):
        await take_by_hand(db, job_id, token=TOKEN)
        status = "failed" if attempt == attempts else "pending"
        given = {"statuses": [status], "outcomes": ["failed"], "errors": [error], "delays": [0.0]}
        assert await end(db, job_id, SETTLE.alone, given) == 1


async def dead(db: Database, name: str = "a", *, error: str = ERROR, **options: Any) -> tuple[UUID, UUID]:
    """A job that failed for good, and its letter."""
    job_id = await put(db, name, **options)
    await fail(db, job_id, error=error)
    [(letter_id,)] = await run(db, "SELECT id FROM dead_letters WHERE job_id = %s AND state = 'open'", job_id)
    return job_id, letter_id


async def test_a_job_that_fails_for_good_leaves_a_letter_with_its_payload_and_every_attempt(db: Database) -> None:
    job_id, letter_id = await dead(db)
    async with db.tenant(ORGANIZATION) as session:
        letter = await read_dead_letter(session, letter_id)
    assert (letter.job_id, letter.type, letter.queue, letter.state) == (job_id, "test.steer", "default", "open")
    assert letter.payload == {"name": "a", "plan": ["ok"], "type": "test.steer"}
    assert [(one.attempt, one.outcome, one.error.code) for one in letter.history if one.error] == [
        (1, "failed", "busy"),
        (2, "failed", "busy"),
        (3, "failed", "busy"),
    ]
    assert letter.fingerprint == fingerprint("test.steer", "busy", "provider 7 said 'no' to +4915112345")


@pytest.mark.parametrize("name", ["failed", "lost for the last time"])
async def test_however_it_fails_there_is_a_letter(db: Database, name: str) -> None:
    job_id = await running(db, attempt=2)
    await end(db, job_id, *ENDS[name])
    assert await run(db, "SELECT job_id FROM dead_letters") == [(job_id,)]


@pytest.mark.parametrize("case", ["completed", "cancelled while it ran"])
async def test_a_job_that_ends_otherwise_leaves_none(db: Database, case: str) -> None:
    await end(db, await running(db, attempt=2), *ENDS[case])
    assert await run(db, "SELECT count(*) FROM dead_letters") == [(0,)]


@pytest.mark.parametrize("case", list(GOES_ON))
async def test_a_job_that_goes_on_leaves_none(db: Database, case: str) -> None:
    await end(db, await running(db, attempt=1), *GOES_ON[case])
    assert await run(db, "SELECT count(*) FROM dead_letters") == [(0,)]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "no luck",
        "order 4711 of 2026-11-27T10:00:00Z costs 1.50",
        "job 019ab2c0-7f00-7000-8000-000000000005 at 10.0.0.1:5432",
        "can't read 'a b' nor \"c\" nor `d` nor «e» nor “f”",
        "O'Neill's 3 can't open \\ or $1 or %s",
        "umlauts äöü7 und 東京3 ",
        "x" * 600 + "1",
    ],
)
async def test_python_and_postgresql_see_the_same_kind_of_failure(db: Database, message: str) -> None:
    await dead(db, error=json.dumps({"code": "c", "message": message}))
    assert await run(db, "SELECT fingerprint FROM dead_letters") == [(fingerprint("test.steer", "c", message),)]


def test_numbers_ids_and_quoted_words_make_no_other_kind() -> None:
    one = fingerprint("t", "c", "user 17 ('jo') at 2026-11-27: 503 from https://a.example/v1/x9")
    assert one == fingerprint("t", "c", "user 9182 ('ann') at 2025-01-02: 429 from https://b.example/v2/y8")
    assert one != fingerprint("t", "c", "group 17 ('jo') at 2026-11-27: 503 from https://a.example/v1/x9")
    assert one != fingerprint("t", "d", "user 17 ('jo') at 2026-11-27: 503 from https://a.example/v1/x9")


async def test_a_requeued_job_keeps_its_id_and_history_and_its_attempts_begin_anew(db: Database, read: Any) -> None:
    job_id, letter_id = await dead(db)
    async with db.platform() as session:
        act_as(session, "key-1")
        settled = await requeue(session, letter_id, reason="the provider is back")
    assert (settled.state, settled.settled_by, settled.job_id) == ("requeued", "key-1", job_id)
    assert await lies(db, job_id) == "ready"
    job = await read(job_id)
    assert (job.status, job.attempt, job.max_attempts, job.error) == ("pending", 0, 3, None)
    assert [one.attempt for one in job.attempts] == [1, 2, 3]
    await take_by_hand(db, job_id, token=TOKEN)
    given = {"statuses": ["pending"], "outcomes": ["failed"], "errors": [ERROR], "delays": [0.0]}
    await end(db, job_id, SETTLE.alone, given)
    assert [one.attempt for one in (await read(job_id)).attempts] == [1, 2, 3, 1]


async def test_who_settled_a_letter_and_why_is_put_down(db: Database) -> None:
    job_id, letter_id = await dead(db)
    async with db.platform() as session:
        act_as(session, "key-1")
        await requeue(session, letter_id, reason="the provider is back")
        [line] = (await list_operations(session, limit=2)).items
    assert (line.kind, line.target, line.actor, line.reason) == (
        *("dead_letter.requeue", str(letter_id), "key-1", "the provider is back"),
    )
    assert (line.organization_id, line.after) == (ORGANIZATION, {"state": "requeued", "job_id": str(job_id)})


async def test_a_requeued_job_runs_and_completes(db: Database, working: Any, reaches: Any, pulse: Any) -> None:
    job_id, letter_id = await dead(db)
    async with db.platform() as session:
        await requeue(session, letter_id)
    async with working():
        job = await reaches(job_id, "completed")
    assert (pulse.ran, job.attempt, len(job.attempts)) == (["a"], 1, 3)


async def test_a_job_that_fails_again_leaves_another_letter_with_that_rounds_attempts(db: Database, read: Any) -> None:
    job_id, letter_id = await dead(db)
    async with db.platform() as session:
        await requeue(session, letter_id)
    await fail(db, job_id)
    rows = await run(db, "SELECT state, jsonb_array_length(attempts) FROM dead_letters ORDER BY id")
    assert rows == [("requeued", 3), ("open", 3)]
    assert [one.attempt for one in (await read(job_id)).attempts] == [1, 2, 3, 1, 2, 3]


async def test_a_job_whose_row_is_gone_is_made_anew_as_it_was(db: Database, read: Any) -> None:
    job_id, letter_id = await dead(db, unique_key="k")
    before = await read(job_id)
    await run(db, "DELETE FROM jobs")
    await run(db, "DELETE FROM job_attempts")
    async with db.platform() as session:
        await requeue(session, letter_id)
    after = await read(job_id)
    same = ("id", "type", "queue", "priority", "payload", "max_attempts", "unique_key", "created_at", "correlation_id")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert (after.status, after.attempt, [one.attempt for one in after.attempts]) == ("pending", 0, [1, 2, 3])
    assert await lies(db, job_id) == "ready"


async def test_a_letter_is_settled_once(db: Database) -> None:
    _, letter_id = await dead(db)
    async with db.platform() as session:
        await discard(session, letter_id)
    for settle in (requeue, discard):
        with pytest.raises(DeadLetterSettledError) as caught:
            async with db.platform() as session:
                await settle(session, letter_id)
        assert caught.value.state == "discarded"


async def test_a_discarded_job_stays_failed(db: Database, read: Any) -> None:
    job_id, letter_id = await dead(db)
    async with db.platform() as session:
        assert (await discard(session, letter_id)).state == "discarded"
    assert (await read(job_id)).status == "failed"
    assert await lies(db, job_id) == ""


async def test_a_key_that_another_job_holds_names_that_job_and_changes_nothing(db: Database) -> None:
    job_id, letter_id = await dead(db, unique_key="k")
    holder = await put(db, "b", unique_key="k")
    with pytest.raises(UniqueKeyHeldError) as caught:
        async with db.platform() as session:
            await requeue(session, letter_id)
    assert caught.value.job_id == holder
    assert await lies(db, job_id) == ""
    assert await run(db, "SELECT state FROM dead_letters") == [("open",)]


async def test_a_requeued_job_holds_its_key_again(db: Database) -> None:
    job_id, letter_id = await dead(db, unique_key="k")
    async with db.platform() as session:
        await requeue(session, letter_id)
    assert await put(db, "b", unique_key="k") == job_id


async def test_another_organizations_letter_is_not_there(db: Database) -> None:
    _, letter_id = await dead(db)
    async with db.tenant(OTHER) as session:
        assert (await dead_letters(session)).items == ()
        with pytest.raises(DeadLetterNotFoundError):
            await read_dead_letter(session, letter_id)
    for settle in (requeue, discard):
        with pytest.raises(DeadLetterNotFoundError):
            async with db.platform() as session:
                await settle(session, letter_id, organization_id=OTHER)


async def test_settling_needs_the_platforms_session(db: Database) -> None:
    _, letter_id = await dead(db)
    with pytest.raises(TypeError, match=r"Database.platform"):
        async with db.tenant(ORGANIZATION) as session:
            await requeue(session, letter_id)  # type: ignore[arg-type] # what is refused


async def letters(db: Database, number: int) -> None:
    """Open letters of two kinds and two organizations by turns, a minute apart, the latest now."""
    await run(
        db,
        "INSERT INTO dead_letters (id, organization_id, job_id, type, queue, error, error_code, fingerprint, job,"
        " attempts, failed_at) SELECT CAST(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' ||"
        " substr(gen_random_uuid()::text, 16) AS uuid), CASE WHEN n %% 2 = 0 THEN %s::uuid ELSE %s::uuid END,"
        " gen_random_uuid(), 'test.steer', 'default', '{\"code\": \"c\"}', 'c', 'kind-' || n %% 4, '{}', '[]', at"
        " FROM (SELECT n, now() - (%s - n) * interval '1 minute' AS at FROM generate_series(1, %s) AS n) AS rows",
        ORGANIZATION,
        OTHER,
        number,
        number,
    )


async def test_pages_lead_through_all_letters_the_latest_first(db: Database) -> None:
    await letters(db, 20)
    seen, cursor = [], None
    async with db.tenant(ORGANIZATION) as session:
        while True:
            page = await dead_letters(session, limit=3, cursor=cursor, state="open")
            seen += [letter.failed_at for letter in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert len(seen) == 10
    assert seen == sorted(seen, reverse=True)


async def test_the_platform_sees_all_or_those_of_one(db: Database) -> None:
    await letters(db, 8)
    async with db.platform() as session:
        assert len((await dead_letters(session)).items) == 8
        assert len((await dead_letters(session, organization_id=OTHER)).items) == 4
        assert [group.count for group in (await dead_letter_groups(session)).groups] == [2, 2, 2, 2]


async def test_a_look_that_ended_early_says_how_far_it_looked_and_leads_on(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sql, "LOOKS_BACK", 4)
    await letters(db, 20)
    async with db.tenant(ORGANIZATION) as session:
        page = await dead_letters(session, error_code="none such")
        assert page.items == ()
        assert page.looked_back_to is not None
        ends = 0
        while page.next_cursor is not None:
            page = await dead_letters(session, error_code="none such", cursor=page.next_cursor)
            ends += 1
    assert ends == 2


async def test_times_bound_what_is_listed(db: Database) -> None:
    await letters(db, 8)
    async with db.platform() as session:
        times = [letter.failed_at for letter in (await dead_letters(session)).items]
        page = await dead_letters(session, failed_after=times[4], failed_before=times[1])
    assert [letter.failed_at for letter in page.items] == times[2:5]


async def test_groups_count_failures_of_a_kind_as_far_as_anybody_reads(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_groups, "COUNTED", 4)
    await letters(db, 20)
    async with db.tenant(ORGANIZATION) as session:
        told = await dead_letter_groups(session)
    assert told.complete
    assert {(group.fingerprint, group.count, group.counted) for group in told.groups} == {
        ("kind-0", 4, "at_least"),
        ("kind-2", 4, "at_least"),
    }
    assert all(group.first_at < group.last_at == group.example.failed_at for group in told.groups)


async def test_more_groups_than_are_told_are_not_kept_silent(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_groups, "MOST_GROUPS", 1)
    await letters(db, 8)
    async with db.tenant(ORGANIZATION) as session:
        told = await dead_letter_groups(session)
    assert (len(told.groups), told.complete) == (1, False)


async def test_a_letter_that_nobody_settles_expires_in_its_time_and_goes_after_as_long_again(
    db: Database, clock: Any
) -> None:
    _, letter_id = await dead(db)
    keeper = LetterKeeper(db.psycopg, RetentionSettings(dead_letter_days=3))
    assert await keeper.work() == 0
    clock.advance(days=3, minutes=1)
    assert await keeper.work() == 1
    async with db.tenant(ORGANIZATION) as session:
        letter = await read_dead_letter(session, letter_id)
    assert (letter.state, letter.payload) == ("expired", None)
    clock.advance(days=3, minutes=1)
    await keeper.work()
    assert await run(db, "SELECT count(*) FROM dead_letters") == [(0,)]


async def test_an_expired_letter_cannot_be_requeued(db: Database) -> None:
    _, letter_id = await dead(db)
    await run(db, "UPDATE dead_letters SET failed_at = now() - interval '4 days'")
    await LetterKeeper(db.psycopg, RetentionSettings(dead_letter_days=3)).work()
    with pytest.raises(DeadLetterSettledError, match="expired"):
        async with db.platform() as session:
            await requeue(session, letter_id)


async def test_in_memory_a_failed_job_is_requeued_and_runs_anew(pulse: Any) -> None:
    memory = InMemoryJobs(jobs, resources={Pulse: pulse})
    job_id = await enqueue(memory, Steer("a", ("permanent", "ok")), organization_id=ORGANIZATION, unique_key="k")
    await memory.run_until_done()
    [letter] = memory.letters.all()
    assert (letter.job_id, letter.error.code, letter.attempts) == (job_id, "no_such_thing", 1)
    holder = await enqueue(memory, Steer("b"), organization_id=ORGANIZATION, unique_key="k")
    with pytest.raises(UniqueKeyHeldError, match=str(holder)):
        await requeue(memory, letter.id)
    await memory.run_until_done()
    assert (await requeue(memory, letter.id)).state == "requeued"
    await memory.run_until_done()
    with pytest.raises(DeadLetterSettledError):
        await discard(memory, letter.id)
    assert len(memory.letters.all(organization_id=ORGANIZATION)) == 2
