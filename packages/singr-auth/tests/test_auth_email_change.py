"""Another address for an account: the proof of a mailbox never acts for an account whose session did not ask for it."""

import asyncio
from typing import Any

import pytest
from email_change_support import ADMIN, NEW_ADDRESS, OTHER_PASSWORD, address_of, ask, move
from factors_support import Clients, Person, Someone, run

from singr_auth.accounts import (
    Accounts,
    CodeByEmail,
    CodeBySms,
    CodeRefusedError,
    ConfirmNewEmail,
    ConflictError,
    EmailMoved,
    InvalidCredentialsError,
    InvalidValueError,
    NewAccount,
    NotAllowedError,
    ReauthenticationRequiredError,
    ResetPassword,
    SecurityNotice,
    SessionEndedError,
    SignedIn,
    TokenRefusedError,
    VerifyEmail,
)
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_db import Database

pytestmark = pytest.mark.usefixtures("notices_at_once")


# ---- asked for and confirmed in one session -----------------------------------------------------------------------


async def test_link_of_a_change_verifies_nothing_without_its_session(someone: Someone) -> None:
    """The typo: a stranger gets the mail and clicks."""
    mail, before = await ask(someone), await address_of(someone)
    with pytest.raises(TokenRefusedError, match="change of address"):
        await someone.accounts.email_verification.verify_link(mail.token, someone.clients())
    assert await address_of(someone) == before


async def test_message_to_the_new_address_names_the_account_masked_and_is_of_its_own_kind(someone: Someone) -> None:
    mail = await ask(someone)
    assert (mail.to.email, mail.to.name, mail.account) == (NEW_ADDRESS, "", "p***@example.org")
    assert someone.notifier.of(VerifyEmail) == []
    assert someone.told() == ["email_change_requested"]


@pytest.mark.parametrize("by", ["link", "code"])
async def test_reader_of_the_mailbox_confirms_nothing_from_an_account_of_their_own(
    someone: Someone, accounts: Accounts, person: Person, client: Clients, by: str
) -> None:
    mail, before, reader = await ask(someone), await address_of(someone), await person()
    theirs = await accounts.completion.complete(reader.id, first_factor="password", client=client())
    assert isinstance(theirs, SignedIn)
    who = (reader.id, theirs.session_id)
    if by == "link":
        with pytest.raises(NotAllowedError, match="session that asked"):
            await accounts.email_change.confirm_link(*who, mail.token, client())
    else:
        with pytest.raises(CodeRefusedError):
            await accounts.email_change.confirm(*who, mail.code.reveal(), client())
    assert await address_of(someone) == before


@pytest.mark.parametrize("by", ["link", "code"])
async def test_another_session_of_the_same_account_confirms_nothing(someone: Someone, by: str) -> None:
    mail, before, other = await ask(someone), await address_of(someone), await someone.begin()
    assert isinstance(other, SignedIn)
    who, change = (someone.user_id, other.session_id), someone.accounts.email_change
    proof: dict[str, Any] = {"link": (change.confirm_link, mail.token), "code": (change.confirm, mail.code.reveal())}
    confirm, shown = proof[by]
    with pytest.raises(NotAllowedError, match="session that asked"):
        await confirm(*who, shown, someone.client)
    assert await address_of(someone) == before
    await change.confirm_link(someone.user_id, someone.session_id, mail.token, someone.client)
    assert await address_of(someone) == NEW_ADDRESS


async def test_victim_who_clicks_the_wrong_mail_keeps_their_own_registration(
    someone: Someone, db: Database, notifier: RecordingNotifier
) -> None:
    """The trojan: an attacker asks for a change to the address that a victim is registering with."""
    accounts = someone.accounts
    victim = NewAccount(NEW_ADDRESS, "Grace Hopper", OTHER_PASSWORD, "singer")
    await accounts.registration.register(victim, someone.clients())
    mail = await ask(someone)
    with pytest.raises(TokenRefusedError):
        await accounts.email_verification.verify_link(mail.token, someone.clients())
    assert await run(db, "SELECT status FROM users WHERE email = :email", email=NEW_ADDRESS) == [("pending",)]
    await accounts.email_verification.verify_link(notifier.last(VerifyEmail).token, someone.clients())
    result = await accounts.password_sign_in.sign_in(NEW_ADDRESS, OTHER_PASSWORD, someone.clients())
    assert isinstance(result, SignedIn)
    assert result.user_id != someone.user_id
    with pytest.raises(ConflictError):
        await accounts.email_change.confirm_link(someone.user_id, someone.session_id, mail.token, someone.client)


async def test_link_of_a_registration_confirms_no_change(someone: Someone, notifier: RecordingNotifier) -> None:
    await someone.accounts.registration.register(
        NewAccount(NEW_ADDRESS, "Grace Hopper", OTHER_PASSWORD, "singer"), someone.clients()
    )
    with pytest.raises(TokenRefusedError):
        await someone.accounts.email_change.confirm_link(
            someone.user_id, someone.session_id, notifier.last(VerifyEmail).token, someone.client
        )


@pytest.mark.parametrize("how", ["sign_out", "sign_out_everywhere", "revoked", "operator"])
async def test_change_of_address_ends_with_the_session_that_asked_for_it(
    someone: Someone, db: Database, how: str
) -> None:
    mail, accounts = await ask(someone), someone.accounts
    if how == "sign_out":
        await accounts.sessions.sign_out(someone.user_id, someone.session_id, someone.client)
    elif how == "sign_out_everywhere":
        await accounts.sessions.sign_out_everywhere(someone.user_id, someone.client)
    elif how == "revoked":
        await accounts.sessions.revoke(someone.user_id, someone.session_id, someone.client)
    else:
        async with db.platform() as session:
            await accounts.administration.revoke_sessions(session, someone.user_id, actor=ADMIN)
    other = await someone.begin()
    assert isinstance(other, SignedIn)
    for session_id in (someone.session_id, other.session_id):
        with pytest.raises((SessionEndedError, TokenRefusedError, NotAllowedError)):
            await accounts.email_change.confirm_link(someone.user_id, session_id, mail.token, someone.client)
    assert await address_of(someone) != NEW_ADDRESS


async def test_second_factor_that_was_turned_on_since_is_asked_for(someone: Someone) -> None:
    mail, other = await ask(someone), await someone.begin()
    assert isinstance(other, SignedIn)
    mine, someone.session_id = someone.session_id, other.session_id
    await someone.add_totp()
    with pytest.raises(ReauthenticationRequiredError, match="second factor"):
        await someone.accounts.email_change.confirm_link(someone.user_id, mine, mail.token, someone.client)


async def test_old_address_stays_until_the_new_one_is_confirmed_and_hears_of_both(
    someone: Someone, notifier: RecordingNotifier, password: Secret
) -> None:
    accounts, old = someone.accounts, await address_of(someone)
    await accounts.recovery.forgot(old, someone.clients())
    old_link = notifier.last(ResetPassword).token
    mail = await ask(someone, "New@example.org")
    told = notifier.last(SecurityNotice)
    assert (told.event, told.to.email) == ("email_change_requested", old)
    await accounts.password_sign_in.sign_in(old, password, someone.clients())
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in("new@example.org", password, someone.clients())
    who = (someone.user_id, someone.session_id)
    with pytest.raises(CodeRefusedError):
        await accounts.email_change.confirm(*who, "000000", someone.client)
    await accounts.email_change.confirm(*who, mail.code.reveal(), someone.client)
    moved = notifier.last(EmailMoved)
    assert (moved.to.email, moved.new_email, moved.expires_in) == (old, "N***@example.org", 7 * 86_400)
    assert isinstance(await accounts.password_sign_in.sign_in("new@example.org", password, someone.clients()), SignedIn)
    with pytest.raises(TokenRefusedError):  # what lay in the old mailbox before opens nothing
        await accounts.recovery.reset(old_link, OTHER_PASSWORD, someone.clients())


async def test_change_asks_for_a_recent_proof_and_refuses_the_address_that_is_there(someone: Someone) -> None:
    with pytest.raises(InvalidValueError):
        await ask(someone, (await address_of(someone)).upper())
    await someone.grow_old()
    with pytest.raises(ReauthenticationRequiredError):
        await ask(someone)


async def test_address_of_somebody_else_is_asked_for_in_vain_and_says_nothing(
    someone: Someone, person: Person, notifier: RecordingNotifier
) -> None:
    await person("taken@example.org")
    await someone.accounts.email_change.request(
        someone.user_id, someone.session_id, "taken@example.org", someone.client
    )
    assert notifier.of(ConfirmNewEmail) == []


async def test_address_that_somebody_else_takes_meanwhile_stays_theirs(someone: Someone, person: Person) -> None:
    mail = await ask(someone)
    await person(NEW_ADDRESS)
    with pytest.raises(ConflictError):
        await someone.accounts.email_change.confirm_link(
            someone.user_id, someone.session_id, mail.token, someone.client
        )
    assert await address_of(someone) != NEW_ADDRESS


async def test_pending_registration_does_not_keep_an_address_from_its_proved_owner(
    someone: Someone, person: Person, db: Database
) -> None:
    await person(NEW_ADDRESS, verified=False)
    await move(someone)
    assert await run(db, "SELECT email FROM users") == [(NEW_ADDRESS,)]


async def test_code_that_went_to_the_address_of_before_opens_nothing(someone: Someone) -> None:
    await someone.add("email")
    challenge = await someone.challenge()
    await someone.accounts.second_factor_sign_in.send(challenge, "email", someone.client)
    code = someone.notifier.last(CodeByEmail).code.reveal()
    await move(someone)
    with pytest.raises(CodeRefusedError):
        await someone.verify(challenge, "email", code)


async def test_phone_is_verified_in_the_session_that_asked_for_it_only(someone: Someone) -> None:
    await someone.accounts.phones.add(someone.user_id, someone.session_id, "+15555550100", someone.client)
    other = await someone.begin()
    assert isinstance(other, SignedIn)
    code = someone.notifier.last(CodeBySms).code.reveal()
    with pytest.raises(NotAllowedError, match="session that asked"):
        await someone.accounts.phones.verify(someone.user_id, code, someone.client, session_id=other.session_id)
    await someone.accounts.phones.verify(someone.user_id, code, someone.client, session_id=someone.session_id)


# ---- one address, one account --------------------------------------------------------------------------------------


async def test_two_accounts_that_confirm_one_address_at_once_leave_no_address_in_a_log(
    someone: Someone, accounts: Accounts, person: Person, client: Clients, database_log: Any
) -> None:
    mails = []
    for _ in range(3):
        user = await person()
        theirs = await accounts.completion.complete(user.id, first_factor="password", client=client())
        assert isinstance(theirs, SignedIn)
        await accounts.email_change.request(user.id, theirs.session_id, NEW_ADDRESS, client())
        mails.append((user.id, theirs.session_id, someone.notifier.last(ConfirmNewEmail).token))
    done = await asyncio.gather(
        *(accounts.email_change.confirm_link(*mail, client()) for mail in mails), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["ConflictError", "ConflictError", "NoneType"]
    assert NEW_ADDRESS not in database_log()
