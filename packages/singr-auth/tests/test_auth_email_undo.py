"""The way back: the address that an account left takes it back, whoever holds it meanwhile."""

import asyncio

import pytest
from email_change_support import NEW_ADDRESS, OTHER_PASSWORD, add_passkey, address_of, ask, move, passkeys, undo
from factors_support import Clients, Person, Someone, run

from singr_auth.accounts import (
    Accounts,
    ConfirmNewEmail,
    EmailMoved,
    InvalidCredentialsError,
    MagicLinkByEmail,
    NewAccount,
    ResetPassword,
    SecondFactorRequired,
    SecurityNotice,
    SignedIn,
    TokenRefusedError,
    VerifyEmail,
)
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_dev.clock import VirtualClock

pytestmark = pytest.mark.usefixtures("notices_at_once")


async def test_undo_restores_the_address_ends_all_sessions_and_drops_the_password(
    someone: Someone, password: Secret, notifier: RecordingNotifier
) -> None:
    accounts, old = someone.accounts, await address_of(someone)
    moved = await move(someone)
    later = await someone.begin()
    assert isinstance(later, SignedIn)
    await undo(someone, moved)
    assert await address_of(someone) == old
    assert await run(someone.db, "SELECT FROM auth_sessions WHERE revoked_at IS NULL") == []
    assert await run(someone.db, "SELECT FROM devices WHERE revoked_at IS NULL") == []
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in(old, password, someone.clients())
    told = notifier.last(SecurityNotice)
    assert (told.event, told.to.email, told.address) == ("email_change_undone", NEW_ADDRESS, None)
    reset = notifier.last(ResetPassword)
    assert reset.to.email == old
    await accounts.recovery.reset(reset.token, OTHER_PASSWORD, someone.clients())
    assert isinstance(await accounts.password_sign_in.sign_in(old, OTHER_PASSWORD, someone.clients()), SignedIn)


async def test_undo_works_although_the_thief_signed_everything_out_and_changed_the_password(
    someone: Someone, password: Secret
) -> None:
    old, moved = await address_of(someone), await move(someone)
    await someone.accounts.recovery.change(
        someone.user_id, someone.session_id, current=password, new=OTHER_PASSWORD, client=someone.client
    )
    await someone.accounts.sessions.sign_out_everywhere(someone.user_id, someone.client)
    await undo(someone, moved)
    assert await address_of(someone) == old


@pytest.mark.parametrize("when", ["just before", "since"])
async def test_undo_removes_passkeys_that_were_added_around_the_change(someone: Someone, when: str) -> None:
    await add_passkey(someone, days_ago=30)
    if when == "just before":
        await add_passkey(someone)
    moved = await move(someone)
    if when == "since":
        await add_passkey(someone)
    await undo(someone, moved)
    assert await passkeys(someone) == 1


async def test_undo_removes_the_second_factors_backup_codes_and_phone_that_were_added_since(someone: Someone) -> None:
    moved = await move(someone)
    await someone.add_totp()
    await someone.add_phone()
    await someone.add("sms")
    await undo(someone, moved)
    for table in ("second_factors", "backup_codes"):
        assert await run(someone.db, f"SELECT FROM {table}") == []
    assert await run(someone.db, "SELECT phone_hash, phone_masked FROM users") == [(None, None)]


async def test_undo_leaves_the_second_factor_of_before_behind_the_restored_mailbox(someone: Someone) -> None:
    await someone.add_totp()
    old, moved = await address_of(someone), await move(someone)
    await undo(someone, moved)
    await someone.accounts.magic_links.request_by_email(old, someone.clients())
    link = someone.notifier.last(MagicLinkByEmail).token
    assert isinstance(await someone.accounts.magic_links.redeem(link, someone.clients()), SecondFactorRequired)


async def test_undo_takes_back_keys_and_invitations_that_were_made_around_the_change(someone: Someone) -> None:
    moved, db = await move(someone), someone.db
    await run(db, "INSERT INTO organizations (id, name, slug) VALUES (:id, 'x', 'x')", id=someone.user_id)
    await run(
        db,
        "INSERT INTO invitations (id, organization_id, email, email_key, role_id, token_hash, expires_at, invited_by)"
        " VALUES (:id, :id, 'a@b.c', 'a@b.c', (SELECT id FROM roles LIMIT 1), '\\x00', now() + interval '1 day', :id)",
        id=someone.user_id,
    )
    await run(
        db,
        "INSERT INTO service_credentials (id, organization_id, key_id, name, kind, secret_hash, scopes, created_by)"
        " VALUES (:id, :id, 'k', 'k', 'api_key', '\\x00', '{}', 'user:' || CAST(:id AS text))",
        id=someone.user_id,
    )
    await run(  # made with that key, so that it is theirs as well
        db,
        "INSERT INTO service_credentials (id, organization_id, key_id, name, kind, secret_hash, scopes, created_by,"
        " holder_id) VALUES (uuidv7(), :id, 'l', 'l', 'api_key', '\\x01', '{}', 'k', :id)",
        id=someone.user_id,
    )
    await undo(someone, moved)
    for table in ("invitations", "service_credentials"):
        assert await run(db, f"SELECT FROM {table} WHERE revoked_at IS NULL") == []


async def test_undo_is_used_once_among_many_at_once_and_foreign_tokens_undo_nothing(someone: Someone) -> None:
    moved = await move(someone)
    done = await asyncio.gather(*(undo(someone, moved) for _ in range(8)), return_exceptions=True)
    assert done.count(None) == 1
    for foreign in (moved.token.reveal()[:-1], "", "seu_", someone.notifier.last(ResetPassword).token.reveal()):
        with pytest.raises(TokenRefusedError):
            await someone.accounts.email_undo.undo(Secret(foreign), someone.client)


async def test_undo_works_for_seven_days(clock: VirtualClock, someone: Someone) -> None:
    moved = await move(someone)
    clock.advance(days=7)
    with pytest.raises(TokenRefusedError):
        await undo(someone, moved)


async def test_first_address_of_a_chain_takes_the_account_back_and_the_second_cannot_follow(someone: Someone) -> None:
    old, first = await address_of(someone), await move(someone, "second@example.org")
    await someone.forget_limits()
    second = await move(someone, "third@example.org")
    await undo(someone, first)
    assert await address_of(someone) == old
    with pytest.raises(TokenRefusedError):
        await undo(someone, second)


async def test_second_address_of_a_chain_does_not_make_the_first_ones_undo_worthless(someone: Someone) -> None:
    old, first = await address_of(someone), await move(someone, "second@example.org")
    await undo(someone, await move(someone, "third@example.org"))
    await undo(someone, first)
    assert await address_of(someone) == old


async def test_owner_who_went_back_by_themselves_leaves_no_undo_to_the_address_between(someone: Someone) -> None:
    old, first = await address_of(someone), await move(someone)
    someone.notifier.clear()
    mail = await ask(someone, old)
    await someone.accounts.email_change.confirm_link(someone.user_id, someone.session_id, mail.token, someone.client)
    assert someone.notifier.of(EmailMoved) == []
    assert someone.notifier.last(SecurityNotice).to.email == NEW_ADDRESS
    with pytest.raises(TokenRefusedError):
        await undo(someone, first)


@pytest.mark.parametrize("how", ["registration", "change"])
async def test_address_of_before_is_nobodys_while_its_owner_may_take_the_account_back(
    someone: Someone, accounts: Accounts, person: Person, client: Clients, how: str
) -> None:
    """A thief who registers the victim's address, and lets them click, must not stand in their way."""
    old, moved = await address_of(someone), await move(someone)
    someone.notifier.clear()
    if how == "registration":
        await accounts.registration.register(NewAccount(old, "Thief", OTHER_PASSWORD, "singer"), client())
        assert someone.notifier.of(VerifyEmail) == []
    else:
        thief = await person()
        theirs = await accounts.completion.complete(thief.id, first_factor="password", client=client())
        assert isinstance(theirs, SignedIn)
        await accounts.email_change.request(thief.id, theirs.session_id, old, client())
        assert someone.notifier.of(ConfirmNewEmail) == []
    await undo(someone, moved)
    assert await address_of(someone) == old


async def test_disabled_account_gets_its_address_back_and_stays_disabled(someone: Someone) -> None:
    old, moved = await address_of(someone), await move(someone)
    await run(someone.db, "UPDATE users SET status = 'disabled'")
    await undo(someone, moved)
    assert await run(someone.db, "SELECT email, status FROM users") == [(old, "disabled")]
