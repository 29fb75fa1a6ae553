"""Links that sign in, passwords forgotten and changed: one winner, no way past the second factor, no word too many."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from singr_auth import WeakPasswordError
from singr_auth.accounts import (
    Accounts,
    ClientInfo,
    ConflictError,
    GuardLimitedError,
    InvalidCredentialsError,
    InvalidValueError,
    MagicLinkByEmail,
    MagicLinkBySms,
    NewAccount,
    ResetPassword,
    SecurityNotice,
    SignedIn,
    TokenRefusedError,
    WelcomeUser,
)
from singr_auth.accounts.people._users import PHONE_CONTEXT
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_db import Database, Sealer
from singr_dev.clock import VirtualClock

MakeClient = Callable[..., ClientInfo]
NEW_PASSWORD = Secret("quite another road to the microphone")
PHONE = "+15555550142"


async def signed_in(accounts: Accounts, email: str, password: Secret, caller: ClientInfo) -> SignedIn:
    result = await accounts.password_sign_in.sign_in(email, password, caller)
    assert isinstance(result, SignedIn)
    return result


async def living_sessions(db: Database) -> int:
    async with db.platform() as session:
        return int(await session.scalar(text("SELECT count(*) FROM auth_sessions WHERE revoked_at IS NULL")) or 0)


async def give_phone(db: Database, sealer: Sealer, user_id: Any, *, verified: bool = True) -> None:
    async with db.platform() as session:
        await session.execute(
            text(
                "UPDATE users SET phone_sealed = :sealed, phone_hash = :hash, phone_masked = '+1***42',"
                " phone_verified_at = CASE WHEN :verified THEN now() END WHERE id = :id"
            ),
            {
                "sealed": sealer.seal(PHONE.encode(), context=PHONE_CONTEXT),
                "hash": sealer.fingerprint(PHONE, context=PHONE_CONTEXT),
                "verified": verified,
                "id": user_id,
            },
        )


# ---- magic links --------------------------------------------------------------------------------------------------


async def test_link_signs_in_once_among_fifty_at_once(
    make_accounts: Callable[..., Accounts], db: Database, notifier: RecordingNotifier, person: Any, client: MakeClient
) -> None:
    """S8."""
    processes = [make_accounts() for _ in range(2)]
    user = await person(password=None)
    caller = client()
    await processes[0].magic_links.request_by_email(user.email, caller)
    mail = notifier.last(MagicLinkByEmail)
    assert (mail.to.user_id, mail.address, mail.expires_in) == (user.id, caller.address, 900)
    results = await asyncio.gather(
        *(processes[number % 2].magic_links.redeem(mail.token, client()) for number in range(50)),
        return_exceptions=True,
    )
    assert [type(one) for one in results].count(SignedIn) == 1
    assert [type(one) for one in results].count(TokenRefusedError) == 49
    assert await living_sessions(db) == 1


async def test_link_by_sms_goes_to_a_verified_phone_only(
    accounts: Accounts, db: Database, sealer: Sealer, notifier: RecordingNotifier, person: Any, client: MakeClient
) -> None:
    user = await person(password=None)
    await give_phone(db, sealer, user.id, verified=False)
    await accounts.magic_links.request_by_sms(PHONE, client())
    assert notifier.notices == []
    await give_phone(db, sealer, user.id)
    await accounts.magic_links.request_by_sms("+1 555 555-0142", client())
    text_message = notifier.last(MagicLinkBySms)
    assert (text_message.phone, text_message.user_id) == (PHONE, user.id)
    result = await accounts.magic_links.redeem(text_message.token, client())
    assert isinstance(result, SignedIn)
    await accounts.magic_links.request_by_sms(PHONE, client())
    late = notifier.last(MagicLinkBySms).token
    async with db.platform() as session:
        await session.execute(text("UPDATE users SET phone_verified_at = NULL"))
    with pytest.raises(TokenRefusedError):
        await accounts.magic_links.redeem(late, client())
    with pytest.raises(InvalidValueError):
        await accounts.magic_links.request_by_sms("555", client())


@pytest.mark.parametrize("status", ["unknown", "disabled", "deleted"])
async def test_no_link_goes_to_who_may_not_sign_in_and_the_answer_does_not_say_so(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, person: Any, client: MakeClient, status: str
) -> None:
    user = await person()
    await accounts.magic_links.request_by_email(user.email, client())
    await accounts.recovery.forgot(user.email, client())
    link, reset = notifier.last(MagicLinkByEmail).token, notifier.last(ResetPassword).token
    notifier.clear()
    if status != "unknown":
        async with db.platform() as session:
            await session.execute(text(f"UPDATE users SET status = '{status}', {status}_at = now()"))
        with pytest.raises(TokenRefusedError):
            await accounts.magic_links.redeem(link, client())
        with pytest.raises(TokenRefusedError):
            await accounts.recovery.reset(reset, NEW_PASSWORD, client())
    email = "nobody@example.org" if status == "unknown" else user.email
    await accounts.magic_links.request_by_email(email, client())
    await accounts.recovery.forgot(email, client())
    await accounts.email_verification.resend(email, client())
    assert notifier.notices == []


async def test_asking_costs_the_same_statements_for_known_and_unknown_addresses(
    accounts: Accounts, person: Any, client: MakeClient, noting: Any
) -> None:
    """S4: what differs is whether the savepoint stays."""
    user = await person()
    flows: dict[str, Callable[[str], Any]] = {
        "forgot": lambda email: accounts.recovery.forgot(email, client()),
        "magic link": lambda email: accounts.magic_links.request_by_email(email, client()),
        "register": lambda email: accounts.registration.register(
            NewAccount(email, "Ada", NEW_PASSWORD, "singer"), client()
        ),
    }
    for name, flow in flows.items():
        counts = {}
        for email in (user.email, f"nobody-{name.replace(' ', '-')}@example.org"):
            with noting() as statements:
                await flow(email)
            counts[email] = [line.replace("ROLLBACK TO", "RELEASE") for line in statements]
        assert len({tuple(lines) for lines in counts.values()}) == 1, (name, counts)


async def test_link_verifies_a_pending_account_and_drops_the_password_of_whoever_registered_it(
    accounts: Accounts, notifier: RecordingNotifier, client: MakeClient
) -> None:
    """Somebody who registers another's address must not find themselves in that other's account later."""
    attacker = NewAccount("victim@example.org", "Mallory", NEW_PASSWORD, "customer")
    await accounts.registration.register(attacker, client())
    await accounts.magic_links.request_by_email("victim@example.org", client())
    assert isinstance(await accounts.magic_links.redeem(notifier.last(MagicLinkByEmail).token, client()), SignedIn)
    assert len(notifier.of(WelcomeUser)) == 1
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in("victim@example.org", NEW_PASSWORD, client())


async def test_links_asked_for_are_limited_alike_for_all(accounts: Accounts, person: Any, client: MakeClient) -> None:
    user = await person()
    for email in (user.email, "nobody@example.org"):
        mine = client()
        await accounts.magic_links.request_by_email(email, mine)
        for _ in range(4):
            await accounts.magic_links.request_by_email(email, client())
        for _ in range(5):
            await accounts.recovery.forgot(email, client())
        await accounts.magic_links.request_by_email(email, mine)  # a renewal: what was sent may not last much longer
        with pytest.raises(GuardLimitedError):
            await accounts.magic_links.request_by_email(email, mine)
        with pytest.raises(GuardLimitedError):
            await accounts.recovery.forgot(email, client())


async def test_one_caller_may_not_ask_for_many_addresses(accounts: Accounts, client: MakeClient) -> None:
    caller = client()
    for number in range(50):
        await accounts.recovery.forgot(f"nobody-{number}@example.org", caller)
    with pytest.raises(GuardLimitedError):
        await accounts.recovery.forgot("nobody-5@example.org", caller)


async def test_expired_link_opens_nothing(
    clock: VirtualClock, accounts: Accounts, db: Database, notifier: RecordingNotifier, person: Any, client: MakeClient
) -> None:
    user = await person()
    await accounts.magic_links.request_by_email(user.email, client())
    await accounts.recovery.forgot(user.email, client())
    clock.advance(days=1)
    with pytest.raises(TokenRefusedError):
        await accounts.magic_links.redeem(notifier.last(MagicLinkByEmail).token, client())
    with pytest.raises(TokenRefusedError):
        await accounts.recovery.reset(notifier.last(ResetPassword).token, NEW_PASSWORD, client())


# ---- reset and change ---------------------------------------------------------------------------------------------


async def test_reset_has_one_winner_ends_all_sessions_and_signs_nobody_in(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, person: Any, client: MakeClient, password: Secret
) -> None:
    """S8, S10, S17."""
    user = await person()
    await signed_in(accounts, user.email, password, client())
    async with db.platform() as session:
        await session.execute(text("UPDATE devices SET trusted_until = now() + interval '1 day'"))
    await accounts.magic_links.request_by_email(user.email, client())
    await accounts.recovery.forgot(user.email, client())
    token = notifier.last(ResetPassword).token
    passwords = [Secret(f"{NEW_PASSWORD.reveal()} {number}") for number in range(10)]
    results = await asyncio.gather(
        *(accounts.recovery.reset(token, one, client()) for one in passwords), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in results) == ["NoneType", *["TokenRefusedError"] * 9]
    assert await living_sessions(db) == 0
    async with db.platform() as session:
        assert await session.scalar(text("SELECT count(*) FROM devices WHERE trusted_until IS NOT NULL")) == 0
    told = notifier.last(SecurityNotice)
    assert (told.event, told.to.user_id) == ("password_changed", user.id)
    with pytest.raises(TokenRefusedError):  # what was sent before is worthless
        await accounts.magic_links.redeem(notifier.last(MagicLinkByEmail).token, client())
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in(user.email, password, client())
    await signed_in(accounts, user.email, passwords[results.index(None)], client())


async def test_refused_password_leaves_the_reset_link_in_force(
    accounts: Accounts, notifier: RecordingNotifier, person: Any, client: MakeClient
) -> None:
    user = await person(name="Wilhelmina Featherstone")
    await accounts.recovery.forgot(user.email, client())
    token = notifier.last(ResetPassword).token
    for weak in ("short", "eleven char", "wilhelmina featherstone"):
        with pytest.raises(WeakPasswordError):
            await accounts.recovery.reset(token, Secret(weak), client())
    await accounts.recovery.reset(token, NEW_PASSWORD, client())
    await signed_in(accounts, user.email, NEW_PASSWORD, client())


async def test_password_may_be_shorter_where_a_second_factor_stands_behind_it(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, person: Any, client: MakeClient
) -> None:
    user = await person()
    async with db.platform() as session:
        await session.execute(
            text("INSERT INTO second_factors (user_id, method, confirmed_at) VALUES (:id, 'email', now())"),
            {"id": user.id},
        )
    await accounts.recovery.forgot(user.email, client())
    await accounts.recovery.reset(notifier.last(ResetPassword).token, Secret("xk3!wq9z"), client())


async def test_reset_lets_a_locked_out_owner_in_and_sets_a_first_password(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, person: Any, client: MakeClient
) -> None:
    user = await person(password=None)
    with pytest.raises(InvalidCredentialsError):
        await accounts.password_sign_in.sign_in(user.email, NEW_PASSWORD, client())
    async with db.platform() as session:
        await session.execute(text("UPDATE sign_in_failures SET locked_until = now() + interval '10 minutes'"))
    await accounts.recovery.forgot(user.email, client())
    await accounts.recovery.reset(notifier.last(ResetPassword).token, NEW_PASSWORD, client())
    await signed_in(accounts, user.email, NEW_PASSWORD, client())


async def test_reset_proves_a_pending_address(
    accounts: Accounts, notifier: RecordingNotifier, person: Any, client: MakeClient
) -> None:
    user = await person(verified=False)
    await accounts.recovery.forgot(user.email, client())
    await accounts.recovery.reset(notifier.last(ResetPassword).token, NEW_PASSWORD, client())
    await signed_in(accounts, user.email, NEW_PASSWORD, client())


async def test_change_wants_the_password_of_now_keeps_this_session_and_ends_the_others(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person()
    mine = await signed_in(accounts, user.email, password, client())
    await signed_in(accounts, user.email, password, client())
    with pytest.raises(InvalidCredentialsError):
        await accounts.recovery.change(
            user.id, mine.session_id, current=Secret("wrong"), new=NEW_PASSWORD, client=client()
        )
    with pytest.raises(WeakPasswordError):
        await accounts.recovery.change(user.id, mine.session_id, current=password, new=Secret("short"), client=client())
    assert await living_sessions(db) == 2
    await accounts.recovery.change(user.id, mine.session_id, current=password, new=NEW_PASSWORD, client=client())
    async with db.platform() as session:
        [left] = await session.scalars(text("SELECT id FROM auth_sessions WHERE revoked_at IS NULL"))
    assert left == mine.session_id
    assert notifier.last(SecurityNotice).event == "password_changed"


async def test_guesses_at_the_password_of_now_are_bounded_too(
    accounts: Accounts, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person()
    mine = await signed_in(accounts, user.email, password, client())

    async def guess() -> None:
        await accounts.recovery.change(
            user.id, mine.session_id, current=Secret("wrong"), new=NEW_PASSWORD, client=client()
        )

    results = await asyncio.gather(*(guess() for _ in range(12)), return_exceptions=True)
    assert [type(one) for one in results].count(InvalidCredentialsError) == 5
    assert [type(one) for one in results].count(GuardLimitedError) == 7


async def test_two_changes_at_once_have_one_winner(
    accounts: Accounts, person: Any, client: MakeClient, password: Secret
) -> None:
    user = await person()
    mine = await signed_in(accounts, user.email, password, client())
    others = [Secret(f"{NEW_PASSWORD.reveal()} {number}") for number in range(3)]
    results = await asyncio.gather(
        *(
            accounts.recovery.change(user.id, mine.session_id, current=password, new=one, client=client())
            for one in others
        ),
        return_exceptions=True,
    )
    assert results.count(None) == 1
    assert {type(one) for one in results if one is not None} <= {ConflictError, InvalidCredentialsError}
    await signed_in(accounts, user.email, others[results.index(None)], client())
