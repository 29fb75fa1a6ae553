"""The operation log tells who did what, is committed with what was done, and holds no secret."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from singr_db import PLATFORM_ORGANIZATION_ID, Database, new_id
from singr_db.chores._forget_operations import ForgetOperations
from singr_db.operation_log import LONGEST_REASON, ReasonError, act_as, list_operations, log_operation

USER = "user:019ab2c0-7f00-7000-8000-000000000007"


async def lines(database: Database, **filters: Any) -> list[Any]:
    async with database.platform() as session:
        return list((await list_operations(session, limit=100, **filters)).items)


async def test_an_act_is_told_with_who_did_it_and_what_it_changed(
    database: Database, organizations: tuple[UUID, UUID]
) -> None:
    async with database.tenant(organizations[0]) as session:
        act_as(session, USER)
        await log_operation(
            session, "queue.limit", "email", before={"rate": 5, "by": "x"}, after={"rate": 7, "by": "x"}, reason="calm"
        )
    [line] = await lines(database)
    assert (line.organization_id, line.actor_kind, line.actor) == (organizations[0], "user", USER)
    assert (line.kind, line.target, line.reason) == ("queue.limit", "email", "calm")
    assert (line.before, line.after) == ({"rate": 5}, {"rate": 7})


async def test_what_a_process_does_by_itself_is_told_by_its_name_and_is_the_platforms(database: Database) -> None:
    async with database.platform() as session:
        await log_operation(session, "queue.pause", "email", after={"paused": True})
        name = await session.scalar(text("SELECT current_setting('application_name')"))
    [line] = await lines(database)
    assert (line.organization_id, line.actor_kind, line.actor) == (PLATFORM_ORGANIZATION_ID, "process", name)


async def test_an_act_that_is_rolled_back_is_not_told(database: Database) -> None:
    async with database.platform() as session:
        await log_operation(session, "queue.pause", "email")
        await session.rollback()
    assert await lines(database) == []


async def test_what_changes_nothing_is_not_told(database: Database) -> None:
    async with database.platform() as session:
        await log_operation(session, "queue.limit", "email", before={"rate": 5}, after={"rate": 5})
    assert await lines(database) == []


async def test_secrets_and_what_a_database_cannot_hold_stay_out_of_the_log(database: Database) -> None:
    said = {"password": "hunter2 hunter2", "note": "a\x00b\ud800", "inner": [{"api_key": "sk_live_abcdefghijklmnop"}]}
    async with database.platform() as session:
        await log_operation(session, "queue.pause", "e\x00mail", after=said, reason="token=abcdefghijkl")
    [line] = await lines(database)
    assert "hunter2" not in str(line)
    assert "abcdefghijkl" not in str(line)
    assert (line.target, line.after["note"]) == ("email", "ab?")


@pytest.mark.parametrize(
    "reason",
    ["", " \u200b", "\x1b[2J", "down\nall is well", "\u202eback", "\x9b2J", "\ud800", "x" * (LONGEST_REASON + 1), 7],
    ids=["none", "unseen", "ESC", "lines", "direction", "C1", "half", "long", "number"],
)
async def test_a_reason_is_one_line_of_bounded_length_or_nothing_is_done(database: Database, reason: Any) -> None:
    async with database.platform() as session:
        with pytest.raises(ReasonError, match="reason must ") as raised:
            await log_operation(session, "queue.pause", "email", after={"paused": True}, reason=reason)
    assert (raised.value.field, raised.value.code) == ("reason", "invalid")
    assert await lines(database) == []


async def test_the_log_is_filtered_and_paged(database: Database, organizations: tuple[UUID, UUID]) -> None:
    for organization in organizations:
        for kind in ("job.cancel", "job.retry"):
            async with database.tenant(organization) as session:
                act_as(session, f"user:{organization}")
                await log_operation(session, kind, organization)
    ours = organizations[0]
    assert {one.organization_id for one in await lines(database, organization_id=ours)} == {ours}
    assert {one.actor for one in await lines(database, actor=f"user:{ours}")} == {f"user:{ours}"}
    assert len(await lines(database, kind="job.retry", target=str(ours))) == 1
    async with database.platform() as session:
        first = await list_operations(session, limit=3)
        rest = await list_operations(session, limit=3, cursor=first.next_cursor)
    assert (len(first.items), len(rest.items), rest.next_cursor) == (3, 1, None)
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"organization_id": "x"}, "organization_id must be a UUID, not 'x'"),
        ({"target": ours}, "target must be a text, not UUID"),
        ({"actor": "a\0"}, "actor must be without NUL and halves of characters, not 'a.x00'"),
        ({"limit": 0}, "limit must be 1 or more, a whole number, not 0"),
        ({"cursor": 5}, "the cursor must be a text"),
    )
    for asked, words in wrong:
        async with database.platform() as session:
            with pytest.raises(ValueError, match=words):
                await list_operations(session, **{"limit": 3, **asked})


async def test_a_tenant_reads_its_own_lines_only_and_writes_none_for_another(
    database: Database, organizations: tuple[UUID, UUID]
) -> None:
    ours, theirs = organizations
    async with database.tenant(theirs) as session:
        await log_operation(session, "job.cancel", new_id())
    async with database.tenant(ours) as session:
        assert (await list_operations(session, limit=10)).items == ()
    with pytest.raises(Exception, match="row-level security"):
        async with database.tenant(ours) as session:
            await log_operation(session, "job.cancel", new_id(), organization_id=theirs)


async def test_the_log_forgets_what_is_older_than_400_days(database: Database) -> None:
    async with database.platform() as session:
        await log_operation(session, "queue.pause", "old")
        await session.execute(text("UPDATE operation_log SET created_at = now() - interval '401 days'"))
        await log_operation(session, "queue.pause", "new")
    await ForgetOperations(database).work()
    assert [line.target for line in await lines(database)] == ["new"]


@pytest.mark.parametrize("column", ["organization_id", "actor", "kind", "target"])
async def test_a_filter_of_the_log_reads_an_index_from_its_end(database: Database, column: str) -> None:
    value = f"'{new_id()}'"
    async with database.platform() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        statement = f"EXPLAIN SELECT * FROM operation_log WHERE {column} = {value} ORDER BY id DESC LIMIT 21"
        plan = "\n".join((await session.execute(text(statement))).scalars())
    assert "Index Scan Backward using operation_log_by_" in plan
    assert "Sort" not in plan
