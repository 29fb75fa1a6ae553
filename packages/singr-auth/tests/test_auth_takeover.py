"""What a thief with one thing in hand cannot do, and what is left of one who was thrown out: nothing."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from factors_support import Clients, Make, Person, Someone, run

from singr_auth import PasswordHasher
from singr_auth.accounts import (
    Accounts,
    CodeRefusedError,
    ConflictError,
    EmailUnverifiedError,
    GuardLimitedError,
    InvalidCredentialsError,
    MagicLinkByEmail,
    NotAllowedError,
    ReauthenticationRequiredError,
    SecondFactorRequired,
    SecurityNotice,
    SignedIn,
    TokenRefusedError,
)
from singr_auth.accounts.sign_in._guard import LOCK_AFTER
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_config.constants import Argon2Parameters
from singr_db import Database

pytestmark = pytest.mark.usefixtures("notices_at_once")

ADMIN = "user:01920000-0000-7000-8000-0000000000ff"
NEW_ADDRESS = "thief@example.org"


@pytest.fixture
def told(notifier: RecordingNotifier) -> Callable[[], list[str]]:
    """The security notices since it was asked last."""

    def notices() -> list[str]:
        events = [notice.event for notice in notifier.of(SecurityNotice)]
        notifier.clear()
        return events

    return notices


# ---- one factor does not take the other away ----------------------------------------------------------------------


async def test_password_on_a_trusted_device_is_not_enough_to_change_how_the_account_is_opened(
    someone: Someone, password: Secret
) -> None:
    await someone.add_totp()
    first = await someone.verify(await someone.challenge(), "totp", someone.code(), remember_device=True)
    alone = await someone.begin(device_token=first.device_token)
    assert isinstance(alone, SignedIn)
    factors, presence = someone.accounts.second_factors, someone.accounts.reauthentication
    with pytest.raises(ReauthenticationRequiredError, match="second factor"):
        await factors.remove(someone.user_id, alone.session_id, "totp", someone.client)
    await presence.by_password(someone.user_id, alone.session_id, password, someone.client)
    with pytest.raises(ReauthenticationRequiredError, match="second factor"):
        await someone.accounts.email_change.request(someone.user_id, alone.session_id, NEW_ADDRESS, someone.client)
    await presence.by_backup_code(someone.user_id, alone.session_id, someone.backup_codes[0].reveal(), someone.client)
    await factors.remove(someone.user_id, alone.session_id, "totp", someone.client)


async def test_session_from_before_the_second_factor_has_to_prove_it_too(someone: Someone) -> None:
    before = await someone.begin()
    assert isinstance(before, SignedIn)
    await someone.add_totp()
    with pytest.raises(ReauthenticationRequiredError, match="second factor"):
        await someone.accounts.reauthentication.require_recent(before.session_id)
    await someone.accounts.reauthentication.require_recent(someone.session_id)  # the one that turned it on


async def test_administrator_does_not_reset_their_own_second_factors(someone: Someone, db: Database) -> None:
    await someone.add_totp()
    async with db.platform() as session:
        with pytest.raises(NotAllowedError):
            await someone.accounts.second_factors.reset(
                session, someone.user_id, actor=f"user:{someone.user_id}", client=None
            )
    assert isinstance(await someone.begin(), SecondFactorRequired)


async def test_short_password_does_not_stay_alone(someone: Someone, password: Secret) -> None:
    await someone.add_totp()
    short, accounts = Secret("g7#kq2wz"), someone.accounts
    await accounts.recovery.change(
        someone.user_id, someone.session_id, current=password, new=short, client=someone.client
    )
    with pytest.raises(ConflictError, match="only beside a second factor"):
        await accounts.second_factors.remove(someone.user_id, someone.session_id, "totp", someone.client)
    await accounts.recovery.change(
        someone.user_id,
        someone.session_id,
        current=short,
        new=Secret("a long road to the stage"),
        client=someone.client,
    )
    await accounts.second_factors.remove(someone.user_id, someone.session_id, "totp", someone.client)


async def test_short_password_goes_with_second_factors_that_are_reset(
    someone: Someone, password: Secret, told: Any
) -> None:
    await someone.add_totp()
    short, accounts = Secret("g7#kq2wz"), someone.accounts
    await accounts.recovery.change(
        someone.user_id, someone.session_id, current=password, new=short, client=someone.client
    )
    told()
    await someone.reset()
    assert told() == ["second_factor_removed", "password_dropped"]
    profile = await accounts.profiles.read(someone.user_id)
    assert not profile.has_password
    await someone.arrive_again()
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in(profile.email, short, someone.client)


# ---- thrown out ---------------------------------------------------------------------------------------------------


async def test_link_that_was_sent_before_opens_nothing_after_signing_out_everywhere(someone: Someone) -> None:
    accounts = someone.accounts
    profile = await accounts.profiles.read(someone.user_id)
    await accounts.magic_links.request_by_email(profile.email, someone.client)
    await accounts.sessions.sign_out_everywhere(someone.user_id, someone.client)
    with pytest.raises(TokenRefusedError):
        await accounts.magic_links.redeem(someone.notifier.last(MagicLinkByEmail).token, someone.client)


async def test_devices_of_before_a_reset_are_strangers(
    accounts: Accounts, db: Database, person: Person, client: Clients, password: Secret, told: Any
) -> None:
    user = await person()
    thief = await accounts.password_sign_in.sign_in(user.email, password, client())
    assert isinstance(thief, SignedIn)
    async with db.platform() as session:
        await accounts.sessions.revoke_all(session, user.id, reason="password.reset")
    told()
    again = await accounts.password_sign_in.sign_in(user.email, password, client(device_token=thief.device_token))
    assert isinstance(again, SignedIn)
    assert told() == ["new_device"]
    assert again.device_token is not None


async def test_device_that_signs_out_all_others_stays_known(
    accounts: Accounts, person: Person, client: Clients, password: Secret, told: Any
) -> None:
    user = await person()
    mine = await accounts.password_sign_in.sign_in(user.email, password, client())
    assert isinstance(mine, SignedIn)
    other = await accounts.password_sign_in.sign_in(user.email, password, client())
    assert isinstance(other, SignedIn)
    here = client(device_token=mine.device_token)
    await accounts.sessions.sign_out_everywhere(user.id, here, keep=mine.session_id)
    told()
    assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, here), SignedIn)
    assert told() == []
    there = client(device_token=other.device_token)
    assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, there), SignedIn)
    assert told() == ["new_device"]


async def test_sign_in_under_way_does_not_outlive_signing_out_everywhere(
    accounts: Accounts, db: Database, person: Person, client: Clients, password: Secret
) -> None:
    user = await person()
    async with db.platform() as session:
        await accounts.completion.complete_within(session, user.id, first_factor="password", client=client())
        ending = asyncio.create_task(accounts.sessions.sign_out_everywhere(user.id, client()))
        done, _ = await asyncio.wait([ending], timeout=0.5)
        assert not done  # it waits for the sign-in, which holds the account
    assert await ending == 1
    assert await run(db, "SELECT FROM auth_sessions WHERE revoked_at IS NULL") == []


async def test_incident_waits_for_sign_ins_under_way_and_takes_invitations_back(
    accounts: Accounts, db: Database, person: Person, client: Clients
) -> None:
    user = await person()
    await run(db, "INSERT INTO organizations (id, name, slug) VALUES (:id, 'x', 'x')", id=user.id)
    await run(
        db,
        "INSERT INTO invitations (id, organization_id, email, email_key, role_id, token_hash, expires_at)"
        " VALUES (:id, :id, 'a@b.c', 'a@b.c', (SELECT id FROM roles LIMIT 1), '\\x00', now() + interval '1 day')",
        id=user.id,
    )

    async def incident() -> int:
        async with db.platform() as session:
            return await accounts.administration.revoke_everything(session, actor="operator-shell")

    async with db.platform() as session:
        await accounts.completion.complete_within(session, user.id, first_factor="password", client=client())
        ending = asyncio.create_task(incident())
        done, _ = await asyncio.wait([ending], timeout=0.5)
        assert not done
    assert await ending == 1
    assert await run(db, "SELECT FROM invitations WHERE revoked_at IS NULL") == []


# ---- told and written down ----------------------------------------------------------------------------------------


async def test_new_device_is_told_of_although_all_earlier_ones_were_forgotten(
    accounts: Accounts, db: Database, person: Person, client: Clients, password: Secret, told: Any
) -> None:
    user = await person()
    for _ in range(2):
        assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, client()), SignedIn)
        await run(db, "DELETE FROM devices")  # as the chore does a day after they expired
    assert told() == ["new_device"]


async def test_device_stays_known_for_as_long_as_browsers_keep_a_cookie(
    accounts: Accounts, db: Database, person: Person, client: Clients, password: Secret
) -> None:
    user = await person()
    first = await accounts.password_sign_in.sign_in(user.email, password, client())
    assert isinstance(first, SignedIn)
    assert not first.known_device
    assert await run(db, "SELECT FROM devices WHERE expires_at > now() + interval '399 days'") != []
    again = await accounts.password_sign_in.sign_in(user.email, password, client(device_token=first.device_token))
    assert isinstance(again, SignedIn)
    assert again.known_device


async def test_tenth_failure_locks_although_nobody_can_be_told(
    make_accounts: Make, db: Database, notifier: RecordingNotifier, person: Person, client: Clients, password: Secret
) -> None:
    accounts, user = make_accounts(), await person()

    async def broken(*_: object) -> None:
        raise RuntimeError("the queue is not there")

    notifier.notify = broken  # type: ignore[method-assign] # for this process alone
    for _ in range(LOCK_AFTER):
        await accounts.limiter._script.registered_client.flushdb()  # type: ignore[attr-defined] # redis-py's own
        with pytest.raises(InvalidCredentialsError):
            await accounts.password_sign_in.sign_in(user.email, Secret("not the password"), client())
    await accounts.limiter._script.registered_client.flushdb()  # type: ignore[attr-defined] # redis-py's own
    with pytest.raises(GuardLimitedError):
        await accounts.password_sign_in.sign_in(user.email, password, client())
    [(actor,)] = await run(db, "SELECT actor FROM security_events WHERE kind = 'account.locked'")
    assert actor == "anonymous"


async def test_right_password_before_a_second_factor_and_every_refused_code_are_written_down(someone: Someone) -> None:
    await someone.add_totp()
    challenge = await someone.challenge()
    assert await someone.events("sign_in.%") == ["sign_in.succeeded", "sign_in.second_factor_required"]
    for _ in range(6):  # the sixth finds no tries left
        with pytest.raises(CodeRefusedError):
            await someone.verify(challenge, "totp", "000000")
    assert await someone.events("second_factor.failed") == ["second_factor.failed"] * 6
    await someone.forget_limits()
    presence = someone.accounts.reauthentication
    for prove in (presence.by_totp, presence.by_backup_code):
        with pytest.raises(CodeRefusedError):
            await prove(someone.user_id, someone.session_id, "000000", someone.client)
    assert await someone.events("reauthentication.failed") == ["reauthentication.failed"] * 2
    await someone.accounts.phones.add(someone.user_id, someone.session_id, "+15555550100", someone.client)
    with pytest.raises(CodeRefusedError):
        await someone.accounts.phones.verify(someone.user_id, "000000", someone.client)
    assert await someone.events("phone.code_refused") == ["phone.code_refused"]


async def test_owner_is_told_of_trust_and_of_what_operators_do_but_not_where_they_sit(
    someone: Someone, db: Database, told: Any, client: Clients
) -> None:
    await someone.add_totp()
    told()
    await someone.verify(await someone.challenge(), "totp", someone.code(), remember_device=True)
    assert told() == ["new_device", "device_trusted"]
    administration = someone.accounts.administration
    for act in (administration.revoke_sessions, administration.disable, administration.enable):
        async with db.platform() as session:
            await act(session, someone.user_id, actor=ADMIN, client=client())
    assert told() == ["sessions_ended", "account_disabled", "account_enabled"]
    page = await someone.accounts.profiles.events(someone.user_id, limit=3)
    assert [(one.kind, one.actor, one.address, one.device) for one in page.items] == [
        ("account.enabled", "operator", None, None),
        ("account.disabled", "operator", None, None),
        ("sessions.revoked", "operator", None, None),
    ]


@pytest.mark.usefixtures("production_hashes")
async def test_two_sign_ins_that_renew_the_hash_at_once_both_get_in(
    accounts: Accounts, db: Database, person: Person, client: Clients, password: Secret
) -> None:
    user = await person()
    old = PasswordHasher(threads=1, parameters=Argon2Parameters(memory_kib=8192, time_cost=1))
    weak = await old.hash(password)
    old.close()
    await run(db, "UPDATE users SET password_hash = :hash WHERE id = :id", id=user.id, hash=weak)
    both = await asyncio.gather(*(accounts.password_sign_in.sign_in(user.email, password, client()) for _ in range(4)))
    assert all(isinstance(result, SignedIn) for result in both)


async def test_invitations_of_whoever_is_disabled_are_taken_back(
    accounts: Accounts, db: Database, person: Person
) -> None:
    user = await person()
    await run(db, "INSERT INTO organizations (id, name, slug) VALUES (:id, 'x', 'x')", id=user.id)
    await run(
        db,
        "INSERT INTO invitations (id, organization_id, email, email_key, role_id, token_hash, expires_at, invited_by)"
        " VALUES (:id, :id, 'a@b.c', 'a@b.c', (SELECT id FROM roles LIMIT 1), '\\x00', now() + interval '1 day', :id)",
        id=user.id,
    )
    async with db.platform() as session:
        await accounts.administration.disable(session, user.id, actor=ADMIN)
    assert await run(db, "SELECT FROM invitations WHERE revoked_at IS NULL") == []


async def test_right_password_of_an_unverified_account_is_written_down(
    accounts: Accounts, db: Database, person: Person, client: Clients, password: Secret
) -> None:
    user = await person(verified=False)
    with pytest.raises(EmailUnverifiedError):
        await accounts.password_sign_in.sign_in(user.email, password, client())
    [(actor,)] = await run(db, "SELECT actor FROM security_events WHERE kind = 'sign_in.unverified'")
    assert actor == "anonymous"
