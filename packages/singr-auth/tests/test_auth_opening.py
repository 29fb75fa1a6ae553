"""What a sign-in by password writes: all at once where nothing more is to be asked or said, and never past a change."""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from singr_auth.accounts import (
    Accounts,
    ClientInfo,
    InvalidCredentialsError,
    SecondFactorRequired,
    SecurityNotice,
    SignedIn,
)
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_db import Database

MakeClient = Callable[..., ClientInfo]

SECOND_FACTOR = "INSERT INTO second_factors (user_id, method, confirmed_at) VALUES (:id, 'email', now())"
_LOCK = "SELECT 1 FROM users WHERE id = :id FOR NO KEY UPDATE"
# Locks on rows name no database: whose they are is known by the connection that waits for them.
_WAITERS = (
    "FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
    " AND locktype IN ('tuple', 'transactionid')"
)
_WAITING = text(f"SELECT count(*) {_WAITERS}")


async def rows(db: Database, table: str) -> list[dict[str, Any]]:
    async with db.platform() as session:
        found = await session.execute(text(f"SELECT * FROM {table}"))
        return [dict(row) for row in found.mappings()]


async def _waits(db: Database) -> int:
    async with db.platform() as session:  # another one each time: within one, only who was there at first is seen
        return await session.scalar(_WAITING) or 0


async def sign_in_during(
    accounts: Accounts, db: Database, user: Any, password: Secret, client: ClientInfo, change: str
) -> Any:
    """Sign in while a transaction holds the account, which makes its change and commits once sign-in waits for it."""
    async with db.platform() as session:
        await session.execute(text(_LOCK), {"id": user.id})
        task = asyncio.create_task(accounts.password_sign_in.sign_in(user.email, password, client))
        async with asyncio.timeout(10):
            while not await _waits(db):  # noqa: ASYNC110 — the server tells nobody when somebody waits
                await asyncio.sleep(0.02)
        await session.execute(text(change), {"id": user.id})
    return await task


async def test_nothing_more_than_a_read_a_hash_and_a_write_where_there_is_nothing_to_ask(
    accounts: Accounts, person: Any, client: MakeClient, password: Secret, noting: Any
) -> None:
    user = await person()
    with noting() as statements:
        result = await accounts.password_sign_in.sign_in(user.email, password, client())
    assert isinstance(result, SignedIn)
    assert [statement.split()[0] for statement in statements] == ["SELECT", "SELECT", "WITH"]
    with noting() as statements:
        at_home = client(device_token=result.device_token)
        assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, at_home), SignedIn)
    assert [statement.split()[0] for statement in statements] == ["SELECT", "SELECT", "SELECT", "WITH"]


async def test_session_device_token_event_and_time_are_written_and_failures_forgotten_together(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person()
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in(user.email, Secret("not the password of anybody"), client())
    assert len(await rows(db, "sign_in_failures")) == 1
    caller = client()
    result = await accounts.password_sign_in.sign_in(user.email, password, caller)
    assert isinstance(result, SignedIn)
    assert await rows(db, "sign_in_failures") == []
    [session], [token], [device] = [await rows(db, table) for table in ("auth_sessions", "refresh_tokens", "devices")]
    [person_row] = await rows(db, "users")
    event = next(row for row in await rows(db, "security_events") if row["kind"] == "sign_in.succeeded")
    assert (session["id"], session["user_id"], session["methods"]) == (result.session_id, user.id, ["pwd"])
    assert (session["device"], session["user_agent"], session["address"]) == (
        "Firefox on Linux",
        caller.user_agent,
        caller.address,
    )
    assert token["session_id"] == session["id"]
    assert (device["user_id"], device["device"], device["trusted_until"]) == (user.id, "Firefox on Linux", None)
    assert person_row["last_sign_in_at"] == session["authenticated_at"]
    assert (event["user_id"], event["actor"], event["address"]) == (user.id, f"user:{user.id}", caller.address)
    assert event["detail"] == {"factors": ["password"], "session_id": str(session["id"])}
    claims = accounts.tokens.verify(result.access_token.reveal())
    assert (claims.user_id, claims.session_id) == (user.id, session["id"])


async def test_second_factor_that_is_turned_on_while_the_sign_in_waits_is_asked_for(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person()
    result = await sign_in_during(accounts, db, user, password, client(), SECOND_FACTOR)
    assert isinstance(result, SecondFactorRequired)
    assert await rows(db, "auth_sessions") == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET status = 'disabled', disabled_at = now() WHERE id = :id",
        "UPDATE users SET password_hash = 'another', password_changed_at = now() WHERE id = :id",
        "UPDATE users SET status = 'deleted', deleted_at = now() WHERE id = :id",
    ],
)
async def test_account_that_is_changed_while_the_sign_in_waits_is_not_signed_in_to(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, password: Secret, change: str
) -> None:
    user = await person()
    with pytest.raises(InvalidCredentialsError):
        await sign_in_during(accounts, db, user, password, client(), change)
    assert await rows(db, "auth_sessions") == []


async def test_of_two_first_sign_ins_at_once_the_second_is_told_of(
    accounts: Accounts, notifier: RecordingNotifier, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person()
    both = await asyncio.gather(*(accounts.password_sign_in.sign_in(user.email, password, client()) for _ in range(2)))
    assert all(isinstance(result, SignedIn) and result.device_token for result in both)
    assert [notice.event for notice in notifier.of(SecurityNotice)] == ["new_device"]


async def test_trusted_device_stays_trusted_after_a_sign_in_that_does_not_ask_for_it(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person()
    first = await accounts.password_sign_in.sign_in(user.email, password, client())
    assert isinstance(first, SignedIn)
    until = "UPDATE devices SET trusted_until = now() + interval '1 day' WHERE user_id = :id"
    async with db.platform() as session:
        await session.execute(text(until), {"id": user.id})
    before = await rows(db, "devices")
    at_home = client(device_token=first.device_token)
    assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, at_home), SignedIn)
    [device] = await rows(db, "devices")
    assert device["trusted_until"] == before[0]["trusted_until"]
    assert device["expires_at"] > before[0]["expires_at"]
    assert device["address"] == at_home.address


async def test_sign_in_that_loses_its_connection_leaves_nothing_half_done(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person()
    kill = f"SELECT pg_terminate_backend(pid) {_WAITERS} AND pid <> pg_backend_pid()"
    with pytest.raises(psycopg.OperationalError):
        await sign_in_during(accounts, db, user, password, client(), kill)
    for table in ("auth_sessions", "refresh_tokens", "devices", "security_events"):
        assert await rows(db, table) == []
    assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, client()), SignedIn)
