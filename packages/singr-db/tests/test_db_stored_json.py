"""Reads survive whatever lies in a JSON column."""

import pytest
from sqlalchemy import text

STRANGE = {
    "deep": "[" * 3000 + "]" * 3000,
    "deep enough to be read and too deep to be written": "[" * 500 + "]" * 500,
    "deep objects": '{"a":' * 1500 + "1" + "}" * 1500,
    "a number that no float holds": "1" + "0" * 400 + ".5",
}


@pytest.mark.parametrize("stored", STRANGE.values(), ids=STRANGE)
async def test_a_value_that_cannot_be_shown_says_so(db, stored):
    async with db.platform() as session:
        shown = await session.scalar(text("SELECT CAST(:stored AS jsonb)"), {"stored": stored})
    assert list(shown) == ["unreadable"]
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute("SELECT %s::text::jsonb", (stored,))
        assert list((await cursor.fetchone())[0]) == ["unreadable"]


@pytest.mark.parametrize("stored", ["[" * 199 + "]" * 199, '{"a": [' + "[]," * 300 + "[]]}", '"' + "[" * 300 + '"'])
async def test_a_value_that_can_be_shown_is(db, stored):
    async with db.platform() as session:
        shown = await session.scalar(text("SELECT CAST(:stored AS jsonb)"), {"stored": stored})
    assert list(shown) != ["unreadable"]
