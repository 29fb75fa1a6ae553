"""Sessions: how they end, who sees and ends them, and that what ended stays ended."""

import asyncio
import datetime as dt
from collections.abc import Callable

import msgspec
import pytest
from factors_support import GRACE, Clients, Person, SignIn, run

from singr_auth import TokenKind, new_token
from singr_auth.accounts import (
    Accounts,
    AccountSettings,
    NotFoundError,
    SessionEndedError,
    SignedIn,
)
from singr_config import Secret, Settings
from singr_db import Database
from singr_dev.clock import VirtualClock


@pytest.mark.parametrize("refreshed", [0, 4], ids=["unused for a week", "30 days old"])
async def test_session_ends_unused_and_absolutely(
    clock: VirtualClock, accounts: Accounts, person: Person, sign_in: SignIn, client: Clients, refreshed: int
) -> None:
    last = await sign_in(await person())
    for _ in range(refreshed):
        clock.advance(days=6)
        last = await accounts.refresh_rotation.refresh(last.refresh_token, client())
    clock.advance(days=6 if refreshed else 7)
    with pytest.raises(SessionEndedError):
        await accounts.refresh_rotation.refresh(last.refresh_token, client())
    assert await accounts.sessions.list(last.user_id) == ()


async def test_use_moves_the_idle_end_but_never_the_absolute_one(
    db: Database, accounts: Accounts, person: Person, sign_in: SignIn, client: Clients
) -> None:
    first = await sign_in(await person())
    await run(
        db,
        "UPDATE auth_sessions SET idle_expires_at = now() + interval '5 s', expires_at = now() + interval '100 s'",
    )
    [before] = await run(db, "SELECT idle_expires_at, expires_at FROM auth_sessions")
    second = await accounts.refresh_rotation.refresh(first.refresh_token, client())
    [after] = await run(db, "SELECT idle_expires_at, expires_at FROM auth_sessions")
    assert after.idle_expires_at > before.idle_expires_at
    assert after.expires_at == before.expires_at
    assert 90 < second.refresh_expires_in <= 100
    assert second.expires_in <= 100  # nor does an access token outlive its session


@pytest.mark.parametrize("status", ["disabled", "pending"])
async def test_owner_who_may_not_sign_in_does_not_refresh(
    db: Database, accounts: Accounts, person: Person, sign_in: SignIn, client: Clients, status: str
) -> None:
    first = await sign_in(await person())
    await run(db, "UPDATE users SET status = :status WHERE id = :id", status=status, id=first.user_id)
    with pytest.raises(SessionEndedError):
        await accounts.refresh_rotation.refresh(first.refresh_token, client())


async def test_database_holds_no_refresh_or_device_token(db: Database, person: Person, sign_in: SignIn) -> None:
    signed_in = await sign_in(await person())
    assert signed_in.device_token is not None
    for table in ("auth_sessions", "refresh_tokens", "devices", "security_events", "users"):
        for (row,) in await run(db, f"SELECT to_jsonb(t)::text FROM {table} t"):
            for secret in (signed_in.refresh_token, signed_in.device_token, signed_in.access_token):
                assert secret.reveal() not in row
                assert secret.reveal().encode().hex() not in row


async def test_list_shows_device_address_last_use_and_which_is_current(
    accounts: Accounts, person: Person, sign_in: SignIn, client: Clients
) -> None:
    user = await person()
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1"
    desk, pocket = await sign_in(user), await sign_in(user, user_agent=phone, address="203.0.113.7")
    await sign_in(await person())
    listed = await accounts.sessions.list(user.id, current=desk.session_id)
    assert [(view.id, view.current, view.device) for view in listed] == [
        (pocket.session_id, False, "Safari on iPhone"),
        (desk.session_id, True, "Firefox on Linux"),
    ]
    assert listed[0].address == "203.0.113.7"
    assert listed[0].methods == ("pwd",)
    moved = client(address="198.51.100.4")
    await accounts.refresh_rotation.refresh(desk.refresh_token, moved)
    newest = (await accounts.sessions.list(user.id, current=desk.session_id))[0]
    assert (newest.id, newest.address) == (desk.session_id, "198.51.100.4")
    assert newest.last_used_at > listed[0].last_used_at


async def test_owner_ends_one_session_and_nobody_else_s(
    accounts: Accounts, person: Person, sign_in: SignIn, client: Clients
) -> None:
    user, other = await person(), await person()
    mine, theirs = await sign_in(user), await sign_in(other)
    with pytest.raises(NotFoundError):
        await accounts.sessions.revoke(user.id, theirs.session_id, client())
    await accounts.sessions.revoke(user.id, mine.session_id, client())
    with pytest.raises(NotFoundError):
        await accounts.sessions.revoke(user.id, mine.session_id, client())
    with pytest.raises(SessionEndedError):
        await accounts.refresh_rotation.refresh(mine.refresh_token, client())
    await accounts.refresh_rotation.refresh(theirs.refresh_token, client())


async def test_sign_out_everywhere_keeps_the_session_that_is_named(
    accounts: Accounts, person: Person, sign_in: SignIn, client: Clients
) -> None:
    user = await person()
    sessions = [await sign_in(user) for _ in range(3)]
    kept, *gone = sessions
    assert await accounts.sessions.sign_out_everywhere(user.id, client(), keep=kept.session_id) == 2
    assert [view.id for view in await accounts.sessions.list(user.id)] == [kept.session_id]
    for one in gone:
        with pytest.raises(SessionEndedError):
            await accounts.refresh_rotation.refresh(one.refresh_token, client())
    assert await accounts.sessions.sign_out_everywhere(user.id, client()) == 1
    assert await accounts.sessions.list(user.id) == ()


async def test_refreshes_and_a_sign_out_at_once_end_signed_out(
    db: Database, accounts: Accounts, person: Person, sign_in: SignIn, client: Clients
) -> None:
    first = await sign_in(await person())
    outcomes = await asyncio.gather(
        *(accounts.refresh_rotation.refresh(first.refresh_token, client()) for _ in range(10)),
        accounts.sessions.sign_out(first.user_id, first.session_id, client()),
        *(accounts.refresh_rotation.refresh(first.refresh_token, client()) for _ in range(10)),
        return_exceptions=True,
    )
    for token in {first.refresh_token} | {one.refresh_token for one in outcomes if isinstance(one, SignedIn)}:
        with pytest.raises(SessionEndedError):
            await accounts.refresh_rotation.refresh(token, client())
    [(revoked,)] = await run(db, "SELECT revoked_reason FROM auth_sessions")
    assert revoked == "sign_out"


async def test_any_token_of_a_session_signs_it_out_and_no_other(
    clock: VirtualClock, db: Database, accounts: Accounts, person: Person, sign_in: SignIn, client: Clients
) -> None:
    user = await person()
    other = await sign_in(user)
    for rotations in range(3):  # the newest token, the one before it, and one that would count as stolen
        first = await sign_in(user)
        newest = first.refresh_token
        for _ in range(rotations):
            newest = (await accounts.refresh_rotation.refresh(newest, client())).refresh_token
        clock.advance(seconds=GRACE + 1)
        for _ in range(2):
            await accounts.sessions.sign_out_by_token(first.refresh_token, client())
        with pytest.raises(SessionEndedError):
            await accounts.refresh_rotation.refresh(newest, client())
    reasons = await run(db, "SELECT DISTINCT revoked_reason FROM auth_sessions WHERE revoked_at IS NOT NULL")
    assert [reason for (reason,) in reasons] == ["sign_out"]
    [(told,)] = await run(db, "SELECT count(*) FROM security_events WHERE kind = 'session.signed_out'")
    assert told == 3
    assert [view.id for view in await accounts.sessions.list(user.id)] == [other.session_id]


@pytest.mark.parametrize(
    "presented",
    ["", "srt_", "é" * 53, new_token(TokenKind.REFRESH).secret.reveal()],
    ids=["empty", "prefix", "letters", "invented"],
)
async def test_what_is_no_refresh_token_signs_nobody_out(
    accounts: Accounts, person: Person, sign_in: SignIn, client: Clients, presented: str
) -> None:
    first = await sign_in(await person())
    await accounts.sessions.sign_out_by_token(Secret(presented), client())
    assert len(await accounts.sessions.list(first.user_id)) == 1


async def test_absolute_end_is_that_of_the_settings(
    db: Database, make_accounts: Callable[..., Accounts], settings: Settings, person: Person, client: Clients
) -> None:
    jwt = msgspec.structs.replace(settings.jwt, refresh_ttl=1000, access_ttl=900)
    auth = msgspec.structs.replace(settings.auth, session_ttl=600)
    short = make_accounts(settings=AccountSettings(app=settings.app, jwt=jwt, auth=auth))
    result = await short.completion.complete((await person()).id, first_factor="password", client=client())
    assert isinstance(result, SignedIn)
    assert result.refresh_expires_in == 600
    assert result.expires_in <= 600
    [(end,)] = await run(db, "SELECT expires_at FROM auth_sessions")
    assert abs((end - dt.datetime.now(dt.UTC)).total_seconds() - 600) < 60
