"""Pages stay right while rows come and go, and cursors cannot be made up."""

import contextlib
import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select

from singr_db import Database, new_id, pages
from singr_db.pages import InvalidCursor, decode_cursor, encode_cursor, fetch_page, search_page
from singr_db.tables import Job

SOME = UUID("01920000-0000-7000-8000-000000000001")


def job(organization_id: UUID) -> Job:
    return Job(organization_id=organization_id, type="t", queue="q", payload={}, max_attempts=1, backoff=1, timeout=1)


@given(st.uuids())
def test_cursor_leads_back_to_its_id_and_is_url_safe(row_id: UUID):
    cursor = encode_cursor(row_id)
    assert decode_cursor(cursor) == row_id
    assert set(cursor) <= set(string.ascii_letters + string.digits + "-_")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "ü" * 23,
        "\x00",
        " " + encode_cursor(SOME),
        encode_cursor(SOME) + "=",
        encode_cursor(SOME)[:-1],
        encode_cursor(SOME) + "AAAA",
        "B" + encode_cursor(SOME)[1:],
        "+" * 23,
        "a" * 100_000,
    ],
)
def test_malformed_cursor_is_refused(cursor: str):
    with pytest.raises(InvalidCursor):
        decode_cursor(cursor)


@given(st.text(max_size=30))
def test_no_text_breaks_the_cursor_reader(cursor: str):
    with contextlib.suppress(InvalidCursor):
        assert encode_cursor(decode_cursor(cursor)) == cursor


async def test_pages_give_every_row_once_newest_first_while_rows_are_added(
    database: Database, organizations: tuple[UUID, UUID]
):
    ours, _ = organizations
    rows = [job(ours) for _ in range(10)]
    for row in rows:
        row.id = new_id()
    async with database.platform() as session:
        session.add_all(rows)
    seen: list[UUID] = []
    cursor: str | None = None
    pages = 0
    async with database.tenant(ours) as session:
        while True:
            page = await fetch_page(session, select(Job), key=Job.id, limit=4, cursor=cursor)
            seen += [row.id for row in page.items]
            pages += 1
            session.add(job(ours))
            await session.flush()
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
    assert seen == sorted((row.id for row in rows), reverse=True)
    assert pages == 3


async def test_row_that_a_cursor_names_may_vanish(database: Database, organizations: tuple[UUID, UUID]):
    ours, _ = organizations
    async with database.tenant(ours) as session:
        session.add_all(job(ours) for _ in range(3))
        await session.flush()
        page = await fetch_page(session, select(Job), key=Job.id, limit=1)
        await session.execute(delete(Job).where(Job.id == page.items[0].id))
        rest = await fetch_page(session, select(Job), key=Job.id, limit=5, cursor=page.next_cursor)
    assert len(rest.items) == 2
    assert rest.next_cursor is None


async def test_last_page_that_is_full_has_no_next(database: Database, organizations: tuple[UUID, UUID]):
    ours, _ = organizations
    async with database.tenant(ours) as session:
        session.add_all(job(ours) for _ in range(2))
        await session.flush()
        page = await fetch_page(session, select(Job), key=Job.id, limit=2)
    assert len(page.items) == 2
    assert page.next_cursor is None


async def test_cursor_of_another_organization_opens_nothing(database: Database, organizations: tuple[UUID, UUID]):
    ours, theirs = organizations
    async with database.platform() as session:
        session.add_all([job(theirs), job(theirs)])
        await session.flush()
        statement = select(Job).where(Job.organization_id == theirs)
        stolen = (await fetch_page(session, statement, key=Job.id, limit=1)).next_cursor
    async with database.tenant(ours) as session:
        assert (await fetch_page(session, select(Job), key=Job.id, limit=5, cursor=stolen)).items == ()


async def test_limit_below_one_is_refused(database: Database, organizations: tuple[UUID, UUID]):
    async with database.tenant(organizations[0]) as session:
        with pytest.raises(ValueError, match="limit"):
            await fetch_page(session, select(Job), key=Job.id, limit=0)


async def test_a_search_ends_after_so_many_rows_and_says_how_far_it_looked(
    database: Database, organizations: tuple[UUID, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LOOKS_BACK", 3)
    rows = [job(organizations[0]) for _ in range(7)]
    rows[0].type = "test.rare"
    async with database.platform() as session:
        session.add_all(rows)
    ids = sorted((row.id for row in rows), reverse=True)
    found: list[Job] = []
    cursors: list[UUID] = []
    cursor: str | None = None
    async with database.platform() as session:
        while True:
            page = await search_page(
                session, select(Job), lambda one: [one.type == "test.rare"], entity=Job, limit=2, cursor=cursor
            )
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
            assert page.looked_back_to is not None
            assert int(page.looked_back_to.timestamp() * 1000) == decode_cursor(cursor).int >> 80
            cursors.append(decode_cursor(cursor))
    assert [one.id for one in found] == [rows[0].id]
    assert cursors == [ids[2], ids[5]]
    assert page.looked_back_to is None
