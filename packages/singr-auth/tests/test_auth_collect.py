"""The chore deletes what is long over, leaves what is in force, and never waits for a row in use."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from singr_auth.accounts import Accounts, ClientInfo, SignedIn, collect_accounts
from singr_auth.accounts._collect import _BITE
from singr_auth.accounts.people._users import User
from singr_db import Database
from singr_dev.clock import VirtualClock

TABLES = (
    "auth_sessions",
    "refresh_tokens",
    "auth_challenges",
    "one_time_tokens",
    "devices",
    "access_changes",
    "sign_in_failures",
)


async def counts(db: Database) -> dict[str, int]:
    async with db.platform() as session:
        return {name: int(await session.scalar(text(f"SELECT count(*) FROM {name}")) or 0) for name in TABLES}


async def run(db: Database, statement: str, **parameters: Any) -> None:
    async with db.platform() as session:
        await session.execute(text(statement), parameters)


@pytest.fixture
async def signed_in(
    db: Database, accounts: Accounts, person: Callable[..., Awaitable[User]], client: Callable[..., ClientInfo]
) -> SignedIn:
    """A person who has left something in every table."""
    user = await person()
    result = await accounts.completion.complete(user.id, first_factor="password", client=client())
    assert isinstance(result, SignedIn)
    async with db.platform() as session:
        await accounts.challenges.create(session, "phone", user_id=user.id, method="sms", data=b"+15555550100")
    await accounts.magic_links.request_by_email(user.email, client())
    admission = await accounts.guard.admit(user.id, client())
    await accounts.guard.failed(admission, client(), user=user, kind="reauthentication.failed")
    other = await accounts.completion.complete(user.id, first_factor="password", client=client())
    assert isinstance(other, SignedIn)
    await accounts.sessions.revoke(user.id, other.session_id, client())
    return result


async def test_what_is_in_force_or_ended_lately_stays(db: Database, signed_in: SignedIn) -> None:
    before = await counts(db)
    assert all(before.values())
    assert await collect_accounts(db) == 0
    assert await counts(db) == before


async def test_what_is_long_over_goes(clock: VirtualClock, db: Database, signed_in: SignedIn) -> None:
    clock.advance(days=402)
    assert await collect_accounts(db) > 0
    assert set((await counts(db)).values()) == {0}


async def test_session_that_was_ended_a_month_ago_goes_with_its_tokens(db: Database, signed_in: SignedIn) -> None:
    await run(
        db, "UPDATE auth_sessions SET revoked_at = now() - interval '31 days' WHERE id = :id", id=signed_in.session_id
    )
    assert await collect_accounts(db) == 1
    left = await counts(db)
    assert (left["auth_sessions"], left["refresh_tokens"]) == (1, 1)


async def test_more_than_a_bite_goes_also_when_two_processes_delete(db: Database) -> None:
    rows = 2 * _BITE + 10
    await run(
        db,
        "INSERT INTO access_changes (kind, subject, changed_at)"
        " SELECT 'session', CAST(:id AS uuid), now() - interval '1 day' FROM generate_series(1, :rows)",
        id=str(uuid4()),
        rows=rows,
    )
    gone = await asyncio.gather(collect_accounts(db), collect_accounts(db))
    assert sum(gone) + await collect_accounts(db) == rows
    assert (await counts(db))["access_changes"] == 0


async def test_row_in_use_is_left_for_the_next_turn(db: Database, signed_in: SignedIn) -> None:
    await run(db, "UPDATE auth_sessions SET revoked_at = now() - interval '31 days'")
    async with db.platform() as session:
        await session.execute(
            text("SELECT id FROM auth_sessions WHERE id = :id FOR UPDATE"), {"id": signed_in.session_id}
        )
        async with asyncio.timeout(10):
            assert await collect_accounts(db) == 1
    assert await collect_accounts(db) == 1
