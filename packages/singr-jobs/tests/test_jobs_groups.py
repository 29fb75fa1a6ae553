"""Groups of dead letters: the largest come first, however many kinds of failure there are."""

import pytest
from jobs_support import ORGANIZATION

from singr_db import Database
from singr_jobs import DeadLetterGroups, dead_letter_groups
from singr_jobs.dead import _groups


async def letters(db: Database, kind: str, number: int, *, kinds: int = 1, job_type: str = "test.steer") -> None:
    """So many open letters of each of so many kinds, later than those that are there."""
    async with db.psycopg.connection() as connection:
        await connection.execute(
            "INSERT INTO dead_letters (id, organization_id, job_id, type, queue, error, error_code, fingerprint, job,"
            " attempts, failed_at) SELECT uuidv7(), %s, gen_random_uuid(), %s, 'default', '{\"code\": \"c\"}', 'c',"
            " %s || lpad((n %% %s)::text, 4, '0'), '{}', '[]', clock_timestamp() FROM generate_series(1, %s) AS n",
            (ORGANIZATION, job_type, kind, kinds, number * kinds),
        )


async def groups(db: Database, job_type: str | None = None) -> DeadLetterGroups:
    async with db.tenant(ORGANIZATION) as session:
        return await dead_letter_groups(session, job_type=job_type)


async def test_the_largest_come_first_wherever_their_fingerprints_lie(db: Database) -> None:
    await letters(db, "z", 30)
    await letters(db, "y", 40)
    await letters(db, "a", 1, kinds=300)
    told = await groups(db)
    assert [group.count for group in told.groups] == [40, 30, *[1] * 198]
    assert [group.fingerprint for group in told.groups[:2]] == ["y0000", "z0000"]
    assert not told.complete
    assert told.looked_back_to is None, "all of them were seen"


async def test_those_of_a_type_are_told_before_the_others_are_cut(db: Database) -> None:
    await letters(db, "a", 1, kinds=300)
    await letters(db, "z", 2, kinds=3, job_type="test.later")
    told = await groups(db, "test.later")
    assert ([(group.type, group.count) for group in told.groups], told.complete) == ([("test.later", 2)] * 3, True)
    nothing = await groups(db, "test.none")
    assert (nothing.groups, nothing.complete) == ((), True)


async def test_of_more_kinds_than_are_counted_the_latest_letters_say_which_are_large(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound, small in {"MOST_KINDS": 10, "LATEST": 50, "MOST_GROUPS": 5}.items():
        monkeypatch.setattr(_groups, bound, small)
    await letters(db, "a", 1, kinds=60)
    await letters(db, "z", 20)
    told = await groups(db)
    assert (told.groups[0].fingerprint, told.groups[0].count) == ("z0000", 20)
    assert (len(told.groups), told.complete) == (5, False)
    assert told.looked_back_to is not None
    of_type = await groups(db, "test.none")
    assert (of_type.groups, of_type.complete, of_type.looked_back_to) == ((), False, told.looked_back_to)
    monkeypatch.setattr(_groups, "LATEST", 500)
    assert (await groups(db)).looked_back_to is None, "all of them were seen"


async def test_a_large_group_is_counted_further_than_a_look_at_many_goes(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_groups, "_SECOND_LOOK", 100)
    await letters(db, "a", 60, kinds=2)
    assert [(group.count, group.counted) for group in (await groups(db)).groups] == [(50, "at_least")] * 2
    await letters(db, "b", 1, kinds=1)
    assert [group.counted for group in (await groups(db)).groups] == ["at_least", "at_least", "exact"]
