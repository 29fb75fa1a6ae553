"""`AUTH_SECRET` changes, and then the former one is taken out: what accounts have goes on as before."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from credentials_support import NOTHING_BUILT_IN
from factors_support import PHONE, Clients, Make, Person, Someone, run

from singr_auth.accounts import CodeBySms, ConflictError, MagicLinkBySms, ServiceCredentials
from singr_auth.accounts.people._users import user_by_phone
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret, Settings
from singr_db import Database, Sealer
from singr_db._cli import main

NEW = Secret("n" * 40)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
Other = Callable[..., Awaitable[Someone]]


@pytest.fixture
def former(settings: Settings) -> Secret:
    """The secret of before the change, which the accounts of `someone` have."""
    return settings.auth.secret


@pytest.fixture
def other(make_accounts: Make, db: Database, notifier: RecordingNotifier, person: Person, client: Clients) -> Other:
    """Makes one more person, of a process that has these secrets; signed in."""

    async def make(secret: Secret, *previous: Secret) -> Someone:
        made = Someone(make_accounts(sealer=Sealer(secret, previous)), db, notifier, client)
        await made.arrive(await person())
        return made

    return make


@pytest.fixture
def rewrap(database_url: str, former: Secret, capsys: pytest.CaptureFixture[str]) -> Callable[[], Awaitable[Any]]:
    """Runs `singr-db rewrap-keys`: its exit code, and what it says."""
    environ = {"APP_ENV": "test", "DATABASE_URL": database_url}
    environ |= {"AUTH_SECRET": NEW.reveal(), "AUTH_SECRET_PREVIOUS": former.reveal()}

    async def run_it() -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(main, ["rewrap-keys"], environ=environ)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_it


async def found(db: Database, sealer: Sealer) -> UUID | None:
    async with db.platform() as session:
        user = await user_by_phone(session, sealer, PHONE)
    return user and user.id


async def test_number_stays_one_account_s_after_the_secret_was_changed(
    someone: Someone, other: Other, former: Secret
) -> None:
    await someone.add_phone()
    later = await other(NEW, former)
    with pytest.raises(ConflictError):
        await later.add_phone()


async def test_owner_verifies_their_number_again_under_the_new_secret(
    someone: Someone, make_accounts: Make, former: Secret
) -> None:
    await someone.add_phone()
    someone.accounts = make_accounts(sealer=Sealer(NEW, [former]))
    await someone.add_phone()
    assert await found(someone.db, Sealer(NEW)) == someone.user_id


async def test_number_becomes_one_account_s_of_two_processes_amid_the_change(other: Other, former: Secret) -> None:
    both = [await other(former, NEW), await other(NEW, former)]
    codes = []
    for one in both:
        await one.accounts.phones.add(one.user_id, one.session_id, PHONE, one.client)
        codes.append(one.notifier.last(CodeBySms).code.reveal())
    db = both[0].db
    async with asyncio.TaskGroup() as tasks, db.platform() as session:
        await (await session.connection()).exec_driver_sql("SELECT FROM users FOR UPDATE")
        tries = [
            tasks.create_task(outcome(one.accounts.phones.verify(one.user_id, code, one.client)))
            for one, code in zip(both, codes, strict=True)
        ]
        async with asyncio.timeout(10):
            while (await run(db, WAITING))[0][0] < len(tries):  # noqa: ASYNC110 — a lock of the database tells nobody
                await asyncio.sleep(0.01)
    assert sorted(task.result() for task in tries) == ["+1******0100", "ConflictError"]


async def outcome(doing: Awaitable[str]) -> str:
    try:
        return await doing
    except ConflictError as error:
        return type(error).__name__


async def test_number_is_found_and_taken_after_the_former_secret_was_taken_out(
    someone: Someone, other: Other, rewrap: Callable[[], Awaitable[Any]]
) -> None:
    await someone.add_phone()
    await someone.add("sms")
    code, said, wrong = await rewrap()
    assert (code, wrong) == (0, "")
    assert "1 phone numbers of accounts were sealed anew" in said
    assert "0 phone numbers" in (await rewrap())[1]
    later = await other(NEW)
    with pytest.raises(ConflictError):
        await later.add_phone()
    await later.forget_limits()
    await later.accounts.magic_links.request_by_sms(PHONE, later.client)
    assert someone.notifier.last(MagicLinkBySms).phone == PHONE
    assert await found(someone.db, Sealer(NEW)) == someone.user_id


async def test_number_that_two_accounts_have_is_told_and_found_with_who_proved_it_last(
    someone: Someone, other: Other, former: Secret, rewrap: Callable[[], Awaitable[Any]]
) -> None:
    await someone.add_phone()
    later = await other(NEW)
    await later.add_phone()
    for _ in range(2):
        code, _, wrong = await rewrap()
        assert (code, str(someone.user_id) in wrong) == (1, True)
        assert await found(someone.db, Sealer(NEW, [former])) == later.user_id
        assert await found(someone.db, Sealer(former, [NEW])) == later.user_id


async def test_authenticator_and_signing_key_hold_after_the_former_secret_was_taken_out(
    someone: Someone, make_accounts: Make, former: Secret, rewrap: Callable[[], Awaitable[Any]]
) -> None:
    await someone.add_totp()
    before = ServiceCredentials(someone.db, Sealer(former), NOTHING_BUILT_IN)
    async with someone.db.platform() as session:
        key = await before.create_signing_credential(session, name="x", scopes=["jobs:read"])
    code, said, wrong = await rewrap()
    assert (code, wrong) == (0, "")
    assert "1 authenticator secrets" in said
    assert "1 signing keys" in said
    someone.accounts = make_accounts(sealer=Sealer(NEW))
    who = someone.user_id, someone.session_id
    assert await someone.accounts.reauthentication.by_totp(*who, someone.code(), someone.client)
    record = await ServiceCredentials(someone.db, Sealer(NEW), NOTHING_BUILT_IN).signing_key(key.key_id)
    assert record is not None
    assert record.secret.reveal() == key.secret.reveal()


async def test_what_was_altered_is_left_and_counted(
    someone: Someone, former: Secret, rewrap: Callable[[], Awaitable[Any]]
) -> None:
    await someone.add_phone()
    await run(someone.db, "UPDATE users SET phone_sealed = :sealed", sealed=Sealer(former).seal(b"+1", context="x"))
    code, said, wrong = await rewrap()
    assert (code, "0 phone numbers of accounts were" in said) == (1, True)
    assert "phone numbers of accounts that need a former secret: 1." in wrong
