"""Sign-in by password: one answer to all that is not right, counted before it is compared, never shut for good."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text

from singr_auth import PasswordHasher, PasswordQueueFullError
from singr_auth.accounts import (
    Accounts,
    ClientInfo,
    EmailUnverifiedError,
    GuardLimitedError,
    GuardUnavailableError,
    InvalidCredentialsError,
    SecurityNotice,
    SignedIn,
    VerifyEmail,
)
from singr_auth.accounts.notices import _sending
from singr_auth.accounts.sign_in._guard import LOCK_AFTER, LONGEST_LOCK_SECONDS
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_config.constants import Argon2Parameters
from singr_db import Database
from singr_dev.clock import VirtualClock

pytestmark = pytest.mark.usefixtures("notices_at_once")

WRONG = Secret("not the password of anybody")
MakeClient = Callable[..., ClientInfo]


async def events(db: Database, kind: str) -> list[dict[str, Any]]:
    async with db.platform() as session:
        rows = await session.execute(text("SELECT * FROM security_events WHERE kind = :kind"), {"kind": kind})
        return [dict(row) for row in rows.mappings()]


async def forget_minutes(accounts: Accounts) -> None:
    """Let the minute of the limit pass, in no time."""
    client = accounts.limiter._script.registered_client  # type: ignore[attr-defined] # redis-py names it so
    await client.flushdb()


async def change(db: Database, user_id: UUID, assignments: str) -> None:
    async with db.platform() as session:
        await session.execute(text(f"UPDATE users SET {assignments} WHERE id = :id"), {"id": user_id})


async def test_right_password_signs_in_and_letters_case_of_the_address_does_not_matter(
    accounts: Accounts, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person("Ada.Lovelace@Example.org")
    result = await accounts.password_sign_in.sign_in(" ada.lovelace@EXAMPLE.org ", password, client())
    assert isinstance(result, SignedIn)
    assert result.user_id == user.id


@pytest.mark.parametrize("kind", ["wrong", "unknown", "disabled", "deleted", "password-less", "pending", "no address"])
async def test_all_that_is_not_right_is_one_answer(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, password: Secret, kind: str
) -> None:
    user = await person(password=None if kind == "password-less" else password, verified=kind != "pending")
    if kind in {"disabled", "deleted"}:
        await change(db, user.id, f"status = '{kind}', {kind}_at = now()")
    given = password if kind in {"unknown", "disabled", "deleted", "password-less", "no address"} else WRONG
    email = {"unknown": "nobody@example.org", "no address": "nobody\0"}.get(kind, user.email)
    with pytest.raises(InvalidCredentialsError) as refused:
        await accounts.password_sign_in.sign_in(email, given, client())
    assert str(refused.value) == str(InvalidCredentialsError())
    [noted] = await events(db, "sign_in.failed")
    assert noted["actor"] == "anonymous"
    assert noted["user_id"] == (None if kind in {"unknown", "no address"} else user.id)
    assert user.email not in str(noted)


async def test_unknown_disabled_and_known_accounts_cost_the_same_statements(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, noting: Any
) -> None:
    known, disabled, passwordless = await person(), await person(), await person(password=None)
    await change(db, disabled.id, "status = 'disabled', disabled_at = now()")
    counts = {}
    for email in (known.email, disabled.email, passwordless.email, "nobody@example.org"):
        with noting() as statements, pytest.raises(InvalidCredentialsError):
            await accounts.password_sign_in.sign_in(email, WRONG, client())
        counts[email] = statements
    assert len({tuple(statements) for statements in counts.values()}) == 1, counts


@pytest.mark.usefixtures("production_hashes")
async def test_unknown_disabled_and_known_accounts_cost_the_same_hash(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S4 in small: tests/security measures over HTTP how long answers take, long enough for 5 %."""
    tried: list[str] = []
    fits = accounts.hasher._fits

    def noted(phc: str, encoded: bytes) -> bool:
        tried.append(phc.rpartition("$")[0].rpartition("$")[0])  # algorithm and parameters
        return fits(phc, encoded)

    monkeypatch.setattr(accounts.hasher, "_fits", noted)
    known, disabled, passwordless = await person(), await person(), await person(password=None)
    await change(db, disabled.id, "status = 'disabled', disabled_at = now()")
    for email in (known.email, disabled.email, passwordless.email, "nobody@example.org"):
        with pytest.raises(InvalidCredentialsError):
            await accounts.password_sign_in.sign_in(email, WRONG, client())
    assert len(tried) == 4
    assert len(set(tried)) == 1, tried


async def test_refusals_are_evened_out(accounts: Accounts, client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def noted(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(_sending, "EVEN_SECONDS", 3600.0)
    monkeypatch.setattr(_sending, "asyncio", SimpleNamespace(sleep=noted))
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in("nobody@example.org", WRONG, client())
    for flow in (accounts.recovery.forgot, accounts.magic_links.request_by_email, accounts.email_verification.resend):
        await flow("nobody@example.org", client())
    assert len(waits) == 4
    assert all(3500 < seconds < 3600 for seconds in waits), waits  # what is left of it once the work is done


async def test_pending_account_with_the_right_password_is_told_and_gets_another_mail_but_not_without_end(
    accounts: Accounts, notifier: RecordingNotifier, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person(verified=False)
    for _ in range(7):
        with pytest.raises(EmailUnverifiedError):
            await accounts.password_sign_in.sign_in(user.email, password, client())
        if len(notifier.of(VerifyEmail)) < 5:
            await forget_sign_ins(accounts)
        else:
            break
    for _ in range(2):
        await forget_sign_ins(accounts)
        with pytest.raises(EmailUnverifiedError):
            await accounts.password_sign_in.sign_in(user.email, password, client())
    assert len(notifier.of(VerifyEmail)) == 5
    await accounts.email_verification.verify_link(notifier.last(VerifyEmail).token, client())
    await forget_sign_ins(accounts)
    assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, client()), SignedIn)


async def forget_sign_ins(accounts: Accounts) -> None:
    """Let the minute of sign-ins pass, and of sign-ins alone."""
    redis = accounts.limiter._script.registered_client  # type: ignore[attr-defined] # redis-py names it so
    async for key in redis.scan_iter(match="*guard:sign_in.*"):
        await redis.delete(key)


async def test_tries_at_once_in_several_processes_stay_within_the_budget_whatever_their_addresses(
    make_accounts: Callable[..., Accounts], person: Any, client: MakeClient
) -> None:
    """S7: four processes, four times the budget, an address of its own for each."""
    processes = [make_accounts() for _ in range(4)]
    user = await person()

    async def guess(number: int) -> type[BaseException] | None:
        with pytest.raises((InvalidCredentialsError, GuardLimitedError)) as refused:
            await processes[number % 4].password_sign_in.sign_in(user.email, WRONG, client())
        return refused.type

    refusals = await asyncio.gather(*(guess(number) for number in range(20)))
    assert refusals.count(InvalidCredentialsError) == 5
    assert refusals.count(GuardLimitedError) == 15


async def test_one_address_may_not_try_many_accounts(accounts: Accounts, client: MakeClient) -> None:
    caller = client()
    for _ in range(48):
        await accounts.guard.limit_address("sign_in", caller, accounts.guard.rates.sign_in)
    for number in range(2):
        with pytest.raises(InvalidCredentialsError):
            await accounts.password_sign_in.sign_in(f"nobody-{number}@example.org", WRONG, caller)
    with pytest.raises(GuardLimitedError) as limited:
        await accounts.password_sign_in.sign_in("nobody-20@example.org", WRONG, caller)
    assert 1 <= limited.value.retry_after <= 60


async def fail(accounts: Accounts, email: str, times: int, caller: ClientInfo) -> None:
    for number in range(times):
        if number % 5 == 0:
            await forget_minutes(accounts)
        with pytest.raises(InvalidCredentialsError):
            await accounts.password_sign_in.sign_in(email, WRONG, caller)
    await forget_minutes(accounts)


async def test_consecutive_failures_lock_unknown_devices_although_redis_forgets_and_the_owner_is_told_once(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person()
    signed_in = await accounts.password_sign_in.sign_in(user.email, password, client())
    assert isinstance(signed_in, SignedIn)
    assert signed_in.device_token is not None
    notifier.clear()
    await fail(accounts, user.email, LOCK_AFTER, client())
    with pytest.raises(GuardLimitedError) as locked:
        await accounts.password_sign_in.sign_in(user.email, password, client())
    assert 1 <= locked.value.retry_after <= 30
    [notice] = notifier.of(SecurityNotice)
    assert (notice.event, notice.to.user_id) == ("account_locked", user.id)
    assert len(await events(db, "account.locked")) == 1
    # the victim, from where they signed in before
    at_home = client(device_token=signed_in.device_token)
    assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, at_home), SignedIn)
    # which opens nothing to others, and does not reset their count
    with pytest.raises(GuardLimitedError):
        await accounts.password_sign_in.sign_in(user.email, password, client())
    # somebody else's device is none of this account
    other = await person()
    theirs = await accounts.password_sign_in.sign_in(other.email, password, client())
    assert isinstance(theirs, SignedIn)
    with pytest.raises(GuardLimitedError):
        await accounts.password_sign_in.sign_in(user.email, password, client(device_token=theirs.device_token))


async def test_unknown_account_locks_like_a_known_one_and_nobody_is_told(
    accounts: Accounts, notifier: RecordingNotifier, client: MakeClient
) -> None:
    await fail(accounts, "nobody@example.org", LOCK_AFTER, client())
    with pytest.raises(GuardLimitedError) as locked:
        await accounts.password_sign_in.sign_in("nobody@example.org", WRONG, client())
    assert locked.value.retry_after <= 30
    assert notifier.notices == []


async def test_lock_doubles_up_to_a_quarter_of_an_hour_and_ends_with_the_right_password(
    clock: VirtualClock, accounts: Accounts, db: Database, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person()
    await fail(accounts, user.email, LOCK_AFTER, client())
    waits = []
    for _ in range(7):
        waits.append(await locked_for(db))
        clock.advance(seconds=waits[-1])
        await fail(accounts, user.email, 1, client())
    assert [round(wait / 30) for wait in waits] == [1, 2, 4, 8, 16, 30, 30]
    assert max(waits) <= LONGEST_LOCK_SECONDS
    clock.advance(seconds=await locked_for(db))
    assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, client()), SignedIn)
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in(user.email, WRONG, client())
    assert await locked_for(db) == 0.0


async def test_failures_of_yesterday_do_not_count(
    clock: VirtualClock, accounts: Accounts, db: Database, person: Any, client: MakeClient
) -> None:
    user = await person()
    await fail(accounts, user.email, LOCK_AFTER - 1, client())
    clock.advance(hours=25)
    await fail(accounts, user.email, 3, client())
    assert await locked_for(db) == 0.0


async def locked_for(db: Database) -> float:
    async with db.platform() as session:
        [seconds] = await session.scalars(
            text("SELECT coalesce(extract(epoch FROM locked_until - last_at), 0)::float8 FROM sign_in_failures")
        )
    return float(seconds)


async def test_without_redis_nobody_is_let_in_and_no_password_is_looked_at(
    make_accounts: Callable[..., Accounts],
    settings: Any,
    db: Database,
    faulty: Any,
    person: Any,
    client: MakeClient,
    password: Secret,
) -> None:
    proxy = faulty(settings.redis.url.reveal())
    accounts = make_accounts(redis=msgspec.structs.replace(settings.redis, url=Secret(proxy.url)))
    user = await person()
    assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, client()), SignedIn)
    proxy.refuse()
    with pytest.raises(GuardUnavailableError):
        await accounts.password_sign_in.sign_in(user.email, password, client())
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM sign_in_failures")) == 0


async def test_full_queue_is_no_failure_of_the_caller(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person()

    async def busy(*_: object) -> None:
        raise PasswordQueueFullError

    accounts.hasher.verify = busy  # type: ignore[method-assign,assignment] # the queue is filled by no test in time
    with pytest.raises(PasswordQueueFullError):
        await accounts.password_sign_in.sign_in(user.email, password, client())
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM sign_in_failures")) == 0


@pytest.mark.usefixtures("production_hashes")
async def test_password_is_hashed_anew_when_the_parameters_have_changed(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person()
    old = PasswordHasher(threads=1, parameters=Argon2Parameters(memory_kib=8192, time_cost=1))
    try:
        weak = await old.hash(password)
    finally:
        old.close()
    await change(db, user.id, f"password_hash = '{weak}'")
    assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, client()), SignedIn)
    async with db.platform() as session:
        stored = await session.scalar(text("SELECT password_hash FROM users WHERE id = :id"), {"id": user.id})
    assert "m=19456,t=2,p=1" in stored
    assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, client()), SignedIn)


async def test_password_that_was_changed_while_it_was_checked_does_not_sign_in(
    accounts: Accounts, db: Database, person: Any, client: MakeClient, password: Secret
) -> None:
    user, verify = await person(), accounts.hasher.verify

    async def slow(phc: str | None, given: Secret) -> str | None:
        renewed = await verify(phc, given)
        await change(db, user.id, "password_hash = 'another', password_changed_at = now()")
        return renewed

    accounts.hasher.verify = slow  # type: ignore[method-assign] # the moment between check and session is short
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in(user.email, password, client())
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM auth_sessions")) == 0


async def test_neither_store_learns_whose_password_was_tried(
    accounts: Accounts, db: Database, person: Any, client: MakeClient
) -> None:
    user = await person()
    caller = client()
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in(user.email, WRONG, caller)
    redis = accounts.limiter._script.registered_client  # type: ignore[attr-defined] # redis-py names it so
    keys = b" ".join([key async for key in redis.scan_iter()])
    assert b"guard:sign_in.subject:" in keys
    async with db.platform() as session:
        rows = str((await session.execute(text("SELECT t::text FROM sign_in_failures t"))).all())
    for word in (user.email, str(user.id), caller.address):
        assert word.encode() not in keys
        assert word not in rows
