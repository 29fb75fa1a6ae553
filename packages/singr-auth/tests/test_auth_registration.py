"""Registration and the proof of an address: nobody learns who has an account, and nobody proves what is not theirs."""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import text

from singr_auth import WeakPasswordError
from singr_auth.accounts import (
    Accounts,
    ClientInfo,
    CodeRefusedError,
    EmailUnverifiedError,
    GuardLimitedError,
    InvalidCredentialsError,
    InvalidValueError,
    ResetPassword,
    SecurityNotice,
    SignedIn,
    TokenRefusedError,
    VerifyEmail,
    WelcomeUser,
)
from singr_auth.accounts.people._registration import NewAccount
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_db import Database
from singr_dev.clock import VirtualClock

MakeClient = Callable[..., ClientInfo]
ADDRESS = "grace@example.org"
PASSWORD = Secret("a long road to the microphone")


def account(**changed: Any) -> NewAccount:
    return NewAccount(
        **{"email": ADDRESS, "name": "Grace Hopper", "password": PASSWORD, "account_type": "singer", **changed}
    )


async def users(db: Database) -> list[Any]:
    async with db.platform() as session:
        return list((await session.execute(text("SELECT * FROM users ORDER BY id"))).all())


async def test_new_account_is_pending_until_its_link_is_used(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, client: MakeClient
) -> None:
    await accounts.registration.register(account(name="  Grace Hopper "), client())
    [user] = await users(db)
    assert (user.status, user.name, user.account_type) == ("pending", "Grace Hopper", "singer")
    [mail] = notifier.notices
    assert isinstance(mail, VerifyEmail)
    assert (mail.to.email, mail.expires_in) == (ADDRESS, 86_400)
    with pytest.raises(EmailUnverifiedError):
        await accounts.password_sign_in.sign_in(ADDRESS, PASSWORD, client())
    await accounts.email_verification.verify_link(mail.token, client())
    assert notifier.last(WelcomeUser).account_type == "singer"
    assert isinstance(await accounts.password_sign_in.sign_in(ADDRESS, PASSWORD, client()), SignedIn)
    with pytest.raises(TokenRefusedError):
        await accounts.email_verification.verify_link(mail.token, client())


async def test_weak_password_or_bad_form_is_refused_before_anything_is_done(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, client: MakeClient
) -> None:
    caller = client()
    for weak in ("short", "passwordpassword", "grace hopper grace hopper"):
        with pytest.raises(WeakPasswordError):
            await accounts.registration.register(account(password=Secret(weak)), caller)
    for field, wrong in (("email", "nobody"), ("email", "a@b\nc.org"), ("name", ""), ("name", "a\nb"), ("name", "a\0")):
        with pytest.raises(InvalidValueError) as refused:
            await accounts.registration.register(account(**{field: wrong}), caller)
        assert refused.value.field == field
    assert (await users(db), notifier.notices) == ([], [])
    await accounts.registration.register(account(), caller)  # and none of it was counted


async def test_newest_registration_of_a_pending_address_counts_and_older_links_are_worthless(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, client: MakeClient
) -> None:
    await accounts.registration.register(account(password=Secret("the password of somebody else")), client())
    await accounts.registration.register(account(name="Admiral Hopper"), client())
    [user] = await users(db)
    assert user.name == "Admiral Hopper"
    old, new = notifier.of(VerifyEmail)
    with pytest.raises(TokenRefusedError):
        await accounts.email_verification.verify_link(old.token, client())
    with pytest.raises(CodeRefusedError):
        await accounts.email_verification.verify_code(ADDRESS, old.code.reveal(), client())
    assert not await accounts.email_verification.verify_link(new.token, client())


async def test_password_that_a_stranger_put_on_a_pending_address_does_not_come_into_force(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, client: MakeClient
) -> None:
    """The owner registers; before they click, a stranger registers the same address; they click the newest mail."""
    strangers = Secret("the password of somebody else")
    await accounts.registration.register(account(), client())
    await accounts.registration.register(account(password=strangers), client())
    assert not await accounts.email_verification.verify_link(notifier.last(VerifyEmail).token, client())
    for password in (strangers, PASSWORD):
        with pytest.raises(InvalidCredentialsError):
            await accounts.password_sign_in.sign_in(ADDRESS, password, client())
    await accounts.recovery.reset(notifier.last(ResetPassword).token, PASSWORD, client())
    assert isinstance(await accounts.password_sign_in.sign_in(ADDRESS, PASSWORD, client()), SignedIn)


@pytest.mark.parametrize("by", ["link", "code"])
async def test_registration_that_is_sent_again_for_want_of_an_answer_keeps_its_password(
    accounts: Accounts, notifier: RecordingNotifier, client: MakeClient, by: str
) -> None:
    for _ in range(2):
        await accounts.registration.register(account(), client())
    mail = notifier.last(VerifyEmail)
    if by == "link":
        assert await accounts.email_verification.verify_link(mail.token, client())
    else:
        assert await accounts.email_verification.verify_code(ADDRESS, mail.code.reveal(), client())
    assert notifier.of(ResetPassword) == []
    assert isinstance(await accounts.password_sign_in.sign_in(ADDRESS, PASSWORD, client()), SignedIn)


@pytest.mark.parametrize("status", ["active", "disabled"])
async def test_owner_of_an_address_is_told_and_nothing_else_changes(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, person: Any, client: MakeClient, status: str
) -> None:
    user = await person(ADDRESS)
    async with db.platform() as session:
        await session.execute(text("UPDATE users SET status = :status"), {"status": status})
    before = await users(db)
    await accounts.registration.register(account(), client())
    assert await users(db) == before
    told = [(type(notice), notice.event, notice.to.user_id) for notice in notifier.notices]  # type: ignore[union-attr] # all are
    assert told == ([(SecurityNotice, "registration_attempted", user.id)] if status == "active" else [])
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM one_time_tokens")) == 0


async def test_registrations_of_one_address_at_once_make_one_account_with_one_valid_link(
    make_accounts: Callable[..., Accounts], db: Database, notifier: RecordingNotifier, client: MakeClient
) -> None:
    processes = [make_accounts() for _ in range(3)]
    await asyncio.gather(*(one.registration.register(account(), client()) for one in processes))
    assert len(await users(db)) == 1
    tried = await asyncio.gather(
        *(processes[0].email_verification.verify_link(mail.token, client()) for mail in notifier.of(VerifyEmail)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in tried) == ["TokenRefusedError", "TokenRefusedError", "bool"]


async def test_registrations_are_limited_by_caller_and_by_address_alike_for_all(
    accounts: Accounts, person: Any, client: MakeClient
) -> None:
    caller = client()
    for _ in range(30):
        await accounts.guard.limit_address("register", caller, accounts.guard.rates.register)
    with pytest.raises(GuardLimitedError):
        await accounts.registration.register(account(email="new-3@example.org"), caller)
    await person("taken@example.org")
    for email in ("taken@example.org", "free@example.org"):
        for _ in range(3):
            await accounts.registration.register(account(email=email), client())
        with pytest.raises(GuardLimitedError):
            await accounts.registration.register(account(email=email.upper()), client())


@pytest.mark.parametrize(
    ("names", "other"),
    [
        (("victim+0@example.org", "Victim+1@example.org", "victim@example.org"), "vic.tim@example.org"),
        (("v.ictim+0@gmail.com", "vic.tim@googlemail.com", "VICTIM@gmail.com"), "victims@gmail.com"),
    ],
)
async def test_registrations_of_one_mailbox_by_several_names_are_limited_together(
    accounts: Accounts, db: Database, client: MakeClient, names: tuple[str, ...], other: str
) -> None:
    for email in names:
        await accounts.registration.register(account(email=email), client())
    domain = names[0].partition("@")[2]
    with pytest.raises(GuardLimitedError):
        await accounts.registration.register(account(email=f"victim+another@{domain}"), client())
    await accounts.registration.register(account(email=other), client())
    assert len(await users(db)) == 4, "they are accounts of their own"


async def test_mails_to_verify_several_names_of_one_mailbox_are_limited_together(
    accounts: Accounts, notifier: RecordingNotifier, client: MakeClient
) -> None:
    names = ("victim+0@example.org", "victim+1@example.org", "victim@example.org")
    for email in names:
        await accounts.registration.register(account(email=email), client())
    notifier.notices.clear()
    refused = 0
    for number in range(9):
        try:
            await accounts.email_verification.resend(names[number % 3], client())
        except GuardLimitedError:
            refused += 1
    assert (refused, len(notifier.of(VerifyEmail))) == (4, 5)
    await accounts.email_verification.resend("vic.tim@example.org", client())


async def test_code_verifies_and_five_wrong_ones_make_it_worthless_although_tried_at_once(
    accounts: Accounts, notifier: RecordingNotifier, client: MakeClient
) -> None:
    await accounts.registration.register(account(), client())
    right = notifier.last(VerifyEmail).code.reveal()
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    tries = await asyncio.gather(
        *(accounts.email_verification.verify_code(ADDRESS, wrong, client()) for _ in range(12)),
        return_exceptions=True,
    )
    assert all(isinstance(one, CodeRefusedError) and one.attempts_left is None for one in tries)
    with pytest.raises(CodeRefusedError):
        await accounts.email_verification.verify_code(ADDRESS, right, client())
    await accounts.email_verification.resend(ADDRESS, client())
    code = notifier.last(VerifyEmail).code.reveal()
    await accounts.email_verification.verify_code(ADDRESS, f"{code[:3]} {code[3:]}", client())
    assert isinstance(await accounts.password_sign_in.sign_in(ADDRESS, PASSWORD, client()), SignedIn)


async def test_failed_codes_are_counted_in_the_database_before_they_are_compared(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, client: MakeClient
) -> None:
    await accounts.registration.register(account(), client())
    for code in ("000000", "\uff11\uff12\uff13\uff14\uff15\uff16", "", "not a code", "0" * 500):
        with pytest.raises(CodeRefusedError):
            await accounts.email_verification.verify_code(ADDRESS, code, client())
    async with db.platform() as session:
        assert await session.scalar(text("SELECT failed_codes FROM one_time_tokens")) == 5


async def test_codes_of_one_address_are_bounded_a_day_however_many_mails_are_asked_for(
    accounts: Accounts, notifier: RecordingNotifier, client: MakeClient
) -> None:
    await accounts.registration.register(account(), client())
    for _ in range(20):
        with pytest.raises(CodeRefusedError):
            await accounts.email_verification.verify_code(ADDRESS, "000000", client())
    with pytest.raises(GuardLimitedError):
        await accounts.email_verification.verify_code(ADDRESS, "000000", client())
    await accounts.email_verification.verify_link(notifier.last(VerifyEmail).token, client())  # the link still works


@pytest.mark.parametrize("email", ["nobody@example.org", "active@example.org", "no address"])
async def test_resend_and_code_say_nothing_about_other_addresses(
    accounts: Accounts, notifier: RecordingNotifier, person: Any, client: MakeClient, email: str
) -> None:
    await person("active@example.org")
    await accounts.email_verification.resend(email, client())
    with pytest.raises(CodeRefusedError):
        await accounts.email_verification.verify_code(email, "123456", client())
    assert notifier.notices == []


async def test_link_is_used_once_among_many_at_once_and_foreign_ones_open_nothing(
    accounts: Accounts, notifier: RecordingNotifier, client: MakeClient
) -> None:
    await accounts.registration.register(account(), client())
    token = notifier.last(VerifyEmail).token
    tries = await asyncio.gather(
        *(accounts.email_verification.verify_link(token, client()) for _ in range(20)), return_exceptions=True
    )
    assert tries.count(True) == 1
    assert len(notifier.of(WelcomeUser)) == 1
    await accounts.recovery.forgot(ADDRESS, client())
    for foreign in (token.reveal()[:-1], "", "sev_", notifier.notices[-1].token.reveal()):  # type: ignore[union-attr] # ResetPassword
        with pytest.raises(TokenRefusedError):
            await accounts.email_verification.verify_link(Secret(foreign), client())


async def test_expired_link_and_code_open_nothing(
    clock: VirtualClock, accounts: Accounts, db: Database, notifier: RecordingNotifier, client: MakeClient
) -> None:
    await accounts.registration.register(account(), client())
    clock.advance(days=1)
    mail = notifier.last(VerifyEmail)
    with pytest.raises(TokenRefusedError):
        await accounts.email_verification.verify_link(mail.token, client())
    with pytest.raises(CodeRefusedError):
        await accounts.email_verification.verify_code(ADDRESS, mail.code.reveal(), client())


async def test_mail_that_cannot_be_queued_undoes_the_registration(
    make_accounts: Callable[..., Accounts], db: Database, notifier: RecordingNotifier, client: MakeClient
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("no queue")

    notifier.notify = broken  # type: ignore[method-assign,assignment] # stands for any notifier that fails
    with pytest.raises(RuntimeError):
        await make_accounts().registration.register(account(), client())
    assert await users(db) == []


async def test_code_is_no_piece_of_the_link_that_it_is_sent_beside(
    accounts: Accounts, notifier: RecordingNotifier, client: MakeClient
) -> None:
    """Cut from the link's token, it would make both weaker: it is made apart."""
    await accounts.registration.register(account(), client())
    mail = notifier.last(VerifyEmail)
    token, code = mail.token.reveal(), mail.code.reveal()
    assert code not in token
    assert code not in "".join(character for character in token if character.isdigit())
    assert code != f"{int.from_bytes(sha256(token.encode()).digest()) % 1_000_000:06}"


async def test_database_holds_no_usable_token_code_or_password(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, client: MakeClient
) -> None:
    """S13."""
    await accounts.registration.register(account(), client())
    mail = notifier.last(VerifyEmail)
    async with db.platform() as session:
        rows = ""
        for table in ("users", "one_time_tokens", "security_events", "sign_in_failures"):
            rows += str((await session.execute(text(f"SELECT t::text FROM {table} t"))).all())
    for secret in (mail.token.reveal(), mail.code.reveal(), PASSWORD.reveal()):
        assert f'"{secret}"' not in rows
        assert f",{secret}," not in rows
        assert secret.encode().hex() not in rows
    assert mail.token.reveal() not in rows
    assert PASSWORD.reveal() not in rows
