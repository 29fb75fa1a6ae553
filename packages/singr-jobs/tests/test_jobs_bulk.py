"""What is done to many at once is done to each once, no faster than asked, and no longer than wanted."""

import asyncio
from typing import Any

import pytest
from jobs_support import ORGANIZATION, lies, put, submission, take_by_hand
from test_jobs_dead_letters import OTHER, dead, fail, run

from singr_db import Database
from singr_jobs import (
    BulkActionEndedError,
    BulkActionError,
    BulkActionNotFoundError,
    BulkActionView,
    BulkFilter,
    BulkRequest,
    Ingestion,
    Priority,
    Waker,
    act_in_bulk,
    list_bulk,
    preview_bulk,
    read_bulk,
    requeue,
    stop_bulk,
)
from singr_jobs.bulk import _asking
from singr_jobs.chores import _act_in_bulk
from singr_jobs.chores._act_in_bulk import ActInBulk
from singr_jobs.taking import _sql as taking

BUSY = BulkFilter(type="test.steer", error_code="busy")


async def ask(db: Database, action: Any = "requeue", which: BulkFilter = BUSY, **more: Any) -> BulkActionView:
    async with db.platform() as session:
        return await act_in_bulk(
            session, BulkRequest(action=action, which=which, **{"organization_id": ORGANIZATION, **more})
        )


async def told(db: Database, action: BulkActionView) -> BulkActionView:
    async with db.platform() as session:
        return await read_bulk(session, action.id, organization_id=None)


async def states(db: Database) -> list[str]:
    return [state for (state,) in await run(db, "SELECT state FROM dead_letters ORDER BY id")]


async def test_all_that_fit_are_requeued_and_no_others(db: Database) -> None:
    job_id, _ = await dead(db)
    await dead(db, error='{"code": "other", "message": ""}')
    action = await ask(db, reason="it is back")
    assert (action.state, action.matching, action.reason) == ("running", 1, "it is back")
    assert await ActInBulk(db).work() == 1
    after = await told(db, action)
    assert (after.state, after.done, after.skipped, after.finished_at is None) == ("done", 1, 0, False)
    assert await states(db) == ["requeued", "open"]
    assert await lies(db, job_id) == "ready"


async def test_what_fails_again_meanwhile_is_not_met_again(
    db: Database, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    monkeypatch.setattr(_act_in_bulk, "BITE", 1)
    first, _ = await dead(db)
    await dead(db)
    action = await ask(db)
    chore = ActInBulk(db)
    monkeypatch.setattr(_act_in_bulk, "_BITES", 1)
    await chore.work()
    await fail(db, first)
    while (await told(db, action)).state != "done":
        await chore.work()
    assert (await told(db, action)).done == 2
    assert await states(db) == ["requeued", "requeued", "open"]


async def test_a_clock_that_is_set_back_lets_nothing_be_met_twice(db: Database) -> None:
    job_id, _ = await dead(db)
    action = await ask(db)
    await ActInBulk(db).work()
    await fail(db, job_id)
    await run(db, "UPDATE dead_letters SET failed_at = failed_at - interval '1 hour'")
    await run(db, "UPDATE bulk_actions SET state = 'running', at_id = NULL")
    await run(db, "UPDATE dead_letters SET id = '01920000-0000-7000-8000-000000000001' WHERE state = 'open'")
    await ActInBulk(db).work()
    assert (await told(db, action)).done == 1
    assert await states(db) == ["open", "requeued"]


async def test_a_bite_that_breaks_off_is_taken_anew_and_each_has_its_turn_once(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_act_in_bulk, "BITE", 1)
    for name in "abc":
        await dead(db, name)
    action, chore, went_on = await ask(db), ActInBulk(db), _act_in_bulk._going_on
    calls = []

    def breaks_off(*given: Any) -> dict[str, Any]:
        calls.append(given)
        if len(calls) == 2:
            raise OSError("the process is killed here")
        return went_on(*given)

    monkeypatch.setattr(_act_in_bulk, "_going_on", breaks_off)
    with pytest.raises(OSError, match="killed"):
        await chore.work()
    assert await states(db) == ["requeued", "open", "open"]
    await run(db, "UPDATE bulk_actions SET next_at = now()")
    await chore.work()
    after = await told(db, action)
    assert (after.state, after.done) == ("done", 3)
    assert len(await run(db, "SELECT id FROM job_ready")) == 3


async def test_an_action_that_fails_leaves_others_their_turn(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await dead(db)
    broken = await ask(db)
    await run(db, "UPDATE bulk_actions SET filter = '{\"none\": 1}'")
    sound = await ask(db)
    with pytest.raises(Exception, match="none"):
        await ActInBulk(db).work()
    await ActInBulk(db).work()
    assert [(await told_state(db, one)) for one in (broken, sound)] == ["running", "done"]


async def told_state(db: Database, action: BulkActionView) -> str:
    [(state,)] = await run(db, "SELECT state FROM bulk_actions WHERE id = %s", action.id)
    return str(state)


async def test_many_processes_take_each_bite_once(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_act_in_bulk, "BITE", 2)
    for name in "abcdefg":
        await dead(db, name)
    action = await ask(db)
    while (await told(db, action)).state != "done":
        await asyncio.gather(*(ActInBulk(db).work() for _ in range(3)))
    assert (await told(db, action)).done == 7
    assert len(await run(db, "SELECT id FROM job_ready")) == 7


async def test_the_rate_is_kept(db: Database, clock: Any) -> None:
    await dead(db, "a")
    await dead(db, "b")
    action, chore = await ask(db, rate_per_minute=1), ActInBulk(db)
    assert (await chore.work(), await chore.work()) == (1, 0)
    assert (await told(db, action)).done == 1
    clock.advance(seconds=61)
    assert await chore.work() == 1
    assert (await told(db, action)).done == 2


async def test_a_bite_is_no_larger_than_the_rate_allows_for_a_second(db: Database) -> None:
    for name in "abcde":
        await dead(db, name)
    action = await ask(db, rate_per_minute=120)
    async with db.platform() as session:
        await ActInBulk(db)._bite(session, [])
    assert (await told(db, action)).done == 2


async def test_a_stopped_action_goes_no_further_and_another_goes_on_with_the_rest(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        await dead(db, name)
    action = await ask(db, rate_per_minute=1)
    await ActInBulk(db).work()
    async with db.platform() as session:
        stopped = await stop_bulk(session, action.id, organization_id=ORGANIZATION)
    assert (stopped.state, stopped.done) == ("stopped", 1)
    await run(db, "UPDATE bulk_actions SET next_at = now()")
    assert await ActInBulk(db).work() == 0
    with pytest.raises(BulkActionEndedError, match="stopped"):
        async with db.platform() as session:
            await stop_bulk(session, action.id, organization_id=ORGANIZATION)
    rest = await ask(db)
    await ActInBulk(db).work()
    assert ((await told(db, rest)).done, await states(db)) == (2, ["requeued"] * 3)


async def test_what_cannot_be_requeued_is_skipped_and_told(db: Database) -> None:
    job_id, letter_id = await dead(db, "a", unique_key="k")
    holder = await put(db, "b", unique_key="k")
    await dead(db, "c")
    action = await ask(db)
    await ActInBulk(db).work()
    after = await told(db, action)
    assert (after.state, after.done, after.skipped) == ("done", 1, 1)
    [problem] = after.problems
    assert (problem.id, problem.job_id, problem.code) == (letter_id, job_id, "unique-key-held")
    assert str(holder) in problem.message


async def test_of_letters_with_one_key_the_oldest_is_requeued_and_the_others_are_told_of_it(db: Database) -> None:
    dying = [await dead(db, name, unique_key="k") for name in ("a", "b", "c")]
    action = await ask(db)
    await ActInBulk(db).work()
    after = await told(db, action)
    assert (after.state, after.done, after.skipped) == ("done", 1, 2)
    assert await states(db) == ["requeued", "open", "open"]
    assert await run(db, "SELECT id FROM jobs WHERE status = 'pending'") == [(dying[0][0],)]
    assert await run(db, "SELECT job_id FROM job_unique_keys") == [(dying[0][0],)]
    assert [(one.id, one.code) for one in after.problems] == [
        (dying[1][1], "unique-key-held"),
        (dying[2][1], "unique-key-held"),
    ]
    assert all(str(dying[0][0]) in one.message for one in after.problems)


async def test_letters_are_discarded_and_more_than_a_hundred_for_a_reason_alone(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_asking, "UNREASONED", 1)
    await dead(db, "a")
    await dead(db, "b")
    with pytest.raises(BulkActionError, match="reason"):
        await ask(db, "discard")
    assert await run(db, "SELECT id FROM bulk_actions") == []
    await ask(db, "discard", reason="these are old")
    await ActInBulk(db).work()
    assert await states(db) == ["discarded", "discarded"]


async def test_jobs_that_wait_are_cancelled_and_those_in_hand_asked_to_stop(db: Database, read: Any) -> None:
    waits, later, held = await put(db, "a"), await put(db, "b"), await put(db, "c")
    await run(db, "DELETE FROM job_ready WHERE id = %s", later)
    await run(db, "UPDATE jobs SET run_at = now() + interval '1 hour' WHERE id = %s", later)
    await run(
        db,
        "INSERT INTO job_later (run_at, id, queue, organization_id, priority, type)"
        " SELECT run_at, id, queue, organization_id, priority, type FROM jobs WHERE id = %s",
        later,
    )
    await take_by_hand(db, held)
    action = await ask(db, "cancel", BulkFilter(type="test.steer"))
    after = await put(db, "d")
    await ActInBulk(db).work()
    assert (await told(db, action)).done == 3
    assert [(await read(one)).status for one in (waits, later, held, after)] == [
        *("cancelled", "cancelled", "processing", "pending")
    ]
    assert (await read(held)).cancel_requested


async def test_a_job_that_somebody_has_locked_has_its_turn_later(db: Database, clock: Any) -> None:
    first, second = await put(db, "a"), await put(db, "b")
    action, chore = await ask(db, "cancel", BulkFilter(type="test.steer")), ActInBulk(db)
    async with db.psycopg.connection() as connection, connection.transaction():
        await connection.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE", (first,))
        await chore.work()
        assert [await lies(db, one) for one in (first, second)] == ["ready", ""]
    clock.advance(seconds=2)
    await chore.work()
    after = await told(db, action)
    assert (after.state, after.done, await lies(db, first)) == ("done", 2, "")


async def test_jobs_get_another_priority_where_they_wait_and_are_found_there(db: Database, read: Any) -> None:
    waits, later, held = await put(db, "a"), await put(db, "b"), await put(db, "c")
    await take_by_hand(db, held)
    await ask(db, "reprioritize", BulkFilter(queue="default"), priority=Priority.HIGH)
    await ActInBulk(db).work()
    assert [(await read(one)).priority for one in (waits, later, held)] == ["high"] * 3
    assert await run(db, "SELECT DISTINCT priority FROM job_ready") == [(0,)]
    await ask(db, "cancel", BulkFilter(queue="default"))
    await ActInBulk(db).work()
    assert [await lies(db, one) for one in (waits, later)] == ["", ""]


async def test_a_first_answer_tells_of_the_priority_that_a_job_came_with(db: Database, waker: Waker) -> None:
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    first = await ingestion.submit(submission("key"))
    await ask(db, "reprioritize", BulkFilter(queue="default"), priority=Priority.LOW)
    await ActInBulk(db).work()
    assert await run(db, "SELECT priority FROM jobs") == [(2,)]
    again = await ingestion.submit(submission("key"))
    assert (again.replayed, again.body) == (True, first.body)


async def test_a_job_that_lies_under_its_former_priority_is_cancelled_and_not_taken_for_lost(db: Database) -> None:
    job_id = await put(db, "a")
    await run(db, "UPDATE jobs SET priority = 0, created_at = now() - interval '1 hour'")
    async with db.psycopg.connection() as connection:
        assert await (await connection.execute(taking.PLACE_ASTRAY, {"limit": 10})).fetchall() == []
    await ask(db, "cancel", BulkFilter(queue="default"))
    await ActInBulk(db).work()
    assert await lies(db, job_id) == ""


async def test_a_preview_counts_and_shows_and_changes_nothing(db: Database) -> None:
    _, letter_id = await dead(db)
    async with db.tenant(ORGANIZATION) as session:
        seen = await preview_bulk(
            session, BulkRequest(action="requeue", which=BUSY, organization_id=ORGANIZATION, reason=None)
        )
    assert (seen.matching, seen.counted, [one.id for one in seen.examples]) == (1, "exact", [letter_id])
    assert (await states(db), await run(db, "SELECT id FROM bulk_actions")) == (["open"], [])


async def test_what_is_more_than_one_looks_through_is_counted_by_the_workers(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_asking, "COUNTED", 2)
    monkeypatch.setattr(_act_in_bulk, "_COUNTED", 2)
    monkeypatch.setattr(_act_in_bulk, "_BITES", 1)
    monkeypatch.setattr(_act_in_bulk, "LOOKED", 2)
    for name in "abcde":
        await dead(db, name)
    action, chore = await ask(db), ActInBulk(db)
    assert (action.state, action.matching) == ("counting", 2)
    seen = []
    while (now := await told(db, action)).state != "done":
        seen.append((now.state, now.matching, now.done))
        await chore.work()
    assert seen == [
        *(("counting", 2, 0), ("counting", 4, 0), ("running", 5, 0)),
        *(("running", 5, 2), ("running", 5, 4)),
    ]
    assert (now.matching, now.done) == (5, 5)


async def test_one_organizations_action_leaves_others_alone_and_the_platforms_takes_all(db: Database) -> None:
    async with db.tenant(OTHER):
        theirs = await put(db, "theirs", organization_id=OTHER)
    await fail(db, theirs)
    await dead(db)
    await ask(db)
    await ActInBulk(db).work()
    assert await states(db) == ["open", "requeued"]
    action = await ask(db, organization_id=None)
    await ActInBulk(db).work()
    assert ((await told(db, action)).done, await states(db)) == (1, ["requeued", "requeued"])


async def test_actions_are_listed_and_read_by_their_own_organization_alone(db: Database) -> None:
    await dead(db)
    action = await ask(db)
    async with db.tenant(OTHER) as session:
        assert (await list_bulk(session, organization_id=OTHER, limit=5)).items == ()
        with pytest.raises(BulkActionNotFoundError):
            await read_bulk(session, action.id, organization_id=OTHER)
    with pytest.raises(BulkActionNotFoundError):
        async with db.platform() as session:
            await stop_bulk(session, action.id, organization_id=OTHER)
    async with db.platform() as session:
        assert [one.id for one in (await list_bulk(session, organization_id=None, limit=5)).items] == [action.id]


@pytest.mark.parametrize(
    ("action", "which", "more", "field"),
    [
        ("requeue", BulkFilter(created_after=None, queue="Nowhere"), {}, "filter.queue"),
        ("requeue", BulkFilter(type="no type"), {}, "filter.type"),
        ("cancel", BulkFilter(type="a", error_code="x"), {}, "filter.error_code"),
        ("cancel", BulkFilter(), {}, "filter"),
        ("discard", BulkFilter(), {}, "filter"),
        ("requeue", BulkFilter(), {"organization_id": None}, "filter"),
        ("requeue", BUSY, {"rate_per_minute": 0}, "rate_per_minute"),
        ("requeue", BUSY, {"priority": Priority.HIGH}, "priority"),
        ("reprioritize", BulkFilter(type="a"), {}, "priority"),
        ("explode", BUSY, {}, "action"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field_and_leaves_nothing(
    db: Database, action: str, which: BulkFilter, more: dict[str, Any], field: str
) -> None:
    with pytest.raises(BulkActionError) as caught:
        await ask(db, action, which, **more)
    assert caught.value.field == field
    assert (caught.value.code == "filter-too-wide") == (field == "filter")
    assert await run(db, "SELECT id FROM bulk_actions") == []


async def test_a_letter_that_somebody_settles_first_is_not_counted(db: Database) -> None:
    _, letter_id = await dead(db)
    action = await ask(db)
    async with db.platform() as session:
        await requeue(session, letter_id)
    await ActInBulk(db).work()
    after = await told(db, action)
    assert (after.state, after.matching, after.done, after.skipped) == ("done", 1, 0, 0)


async def test_a_secret_in_a_reason_is_shown_nowhere(db: Database) -> None:
    assert "hunter2" not in str(await ask(db, reason="password=hunter2-hunter2"))
