"""What people may ask for: little in one person's name, much from one place, and never so that an owner is shut out."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from factors_support import Clients, Person, run

from singr_auth.accounts import (
    Accounts,
    AccountSettings,
    GuardLimitedError,
    InvalidCredentialsError,
    MagicLinkByEmail,
    NewAccount,
    SignedIn,
)
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import LimitSettings, Secret, Settings
from singr_config.constants import RATE_LIMITS, RateLimit
from singr_db import Database

pytestmark = pytest.mark.usefixtures("notices_at_once")

WRONG = Secret("not the password of anybody")
STRONG = Secret("a long road to the microphone")
_guests = itertools.count(1)


async def until_refused(ask: Callable[[], Any], most: int = 60) -> int:
    """How often it could be asked."""
    for number in range(most):
        try:
            await ask()
        except GuardLimitedError:
            return number
    raise AssertionError(f"{most} were not too many")


async def test_owner_gets_a_link_that_works_after_strangers_asked_for_everything(
    accounts: Accounts, person: Person, client: Clients, password: Secret, notifier: RecordingNotifier
) -> None:
    """S22: each stranger from another address; the owner from a clean one, without a known device."""
    user = await person()
    for _ in range(5):
        with pytest.raises(InvalidCredentialsError):
            await accounts.password_sign_in.sign_in(user.email, WRONG, client())
    await until_refused(lambda: accounts.recovery.forgot(user.email, client()))
    for _ in range(5):
        await accounts.magic_links.request_by_email(user.email, client())
    with pytest.raises(GuardLimitedError):
        await accounts.password_sign_in.sign_in(user.email, password, client())
    before = len(notifier.of(MagicLinkByEmail))
    await accounts.magic_links.request_by_email(user.email, client())
    assert len(notifier.of(MagicLinkByEmail)) == before + 1
    result = await accounts.magic_links.redeem(notifier.last(MagicLinkByEmail).token, client())
    assert isinstance(result, SignedIn)


async def test_owner_of_an_address_that_strangers_register_gets_in_by_a_link(
    accounts: Accounts, client: Clients, notifier: RecordingNotifier
) -> None:
    """S22: nobody's password comes into force, and nobody is shut out."""
    account = NewAccount("grace@example.org", "Grace Hopper", STRONG, "singer")
    await until_refused(lambda: accounts.registration.register(account, client()))
    await accounts.magic_links.request_by_email("grace@example.org", client())
    assert isinstance(await accounts.magic_links.redeem(notifier.last(MagicLinkByEmail).token, client()), SignedIn)


async def test_mailbox_holds_a_link_in_force_or_gets_one_however_many_ask(
    accounts: Accounts, person: Person, client: Clients, notifier: RecordingNotifier, db: Database
) -> None:
    """S22: a botnet uses the reserve up, too; the mailbox gets a bounded number of links, each of them good."""
    user = await person()
    sent = await until_refused(lambda: accounts.magic_links.request_by_email(user.email, client()))
    assert sent == 5 + 6 + 1
    [(in_force,)] = await run(db, "SELECT count(*) FROM one_time_tokens WHERE used_at IS NULL AND expires_at > now()")
    assert in_force == sent
    last = notifier.last(MagicLinkByEmail)
    assert last.expires_in == 900  # and one is let through every 900 seconds
    assert isinstance(await accounts.magic_links.redeem(last.token, client()), SignedIn)


async def test_links_beyond_the_limit_do_not_count_as_the_users_messages(
    accounts: Accounts, person: Person, client: Clients, notifier: RecordingNotifier
) -> None:
    """What sends messages lets a user have so many in an hour: others must not use that up either."""
    user = await person()
    for _ in range(6):
        await accounts.magic_links.request_by_email(user.email, client())
    assert [notice.to.user_id for notice in notifier.of(MagicLinkByEmail)] == [user.id] * 5 + [None]


async def test_caller_who_asked_lately_has_no_part_in_the_reserve(
    accounts: Accounts, person: Person, client: Clients
) -> None:
    user, stranger = await person(), client()
    assert await until_refused(lambda: accounts.magic_links.request_by_email(user.email, stranger)) == 5 + 1


async def test_redeeming_is_never_closed_by_asking(
    accounts: Accounts, person: Person, client: Clients, notifier: RecordingNotifier
) -> None:
    user = await person()
    await accounts.magic_links.request_by_email(user.email, client())
    link = notifier.last(MagicLinkByEmail).token
    await until_refused(lambda: accounts.magic_links.request_by_email(user.email, client()))
    assert isinstance(await accounts.magic_links.redeem(link, client()), SignedIn)


async def test_guests_of_a_venue_register_and_sign_in_from_one_address(
    accounts: Accounts, person: Person, client: Clients, password: Secret
) -> None:
    """A bar's Wi-Fi: twenty people within a minute, all of them from one address."""
    bar = client()
    for _ in range(20):
        guest = NewAccount(f"guest-{next(_guests)}@example.org", "Guest", STRONG, "singer")
        await accounts.guard.limit_address("sign_in", bar, accounts.guard.rates.sign_in)
        await accounts.registration.register(guest, bar)
        await accounts.magic_links.request_by_email(guest.email, bar)
    for _ in range(6):
        user = await person()
        assert isinstance(await accounts.password_sign_in.sign_in(user.email, password, bar), SignedIn)


@pytest.mark.parametrize(
    ("ask", "limit"),
    [
        (lambda accounts, number, bar: accounts.recovery.forgot(f"x{number}@example.org", bar), "password_reset"),
        (
            lambda accounts, number, bar: accounts.magic_links.request_by_email(f"x{number}@example.org", bar),
            "magic_link",
        ),
        (lambda accounts, number, bar: accounts.email_verification.resend(f"x{number}@example.org", bar), "magic_link"),
    ],
)
async def test_one_place_may_ask_for_ten_times_as_much_as_one_person(
    accounts: Accounts, client: Clients, ask: Any, limit: str
) -> None:
    bar, numbers = client(), itertools.count()
    most: RateLimit = getattr(RATE_LIMITS, limit)
    assert await until_refused(lambda: ask(accounts, next(numbers), bar), most.limit * 10 + 1) == most.limit * 10


async def test_limits_are_what_the_settings_say(
    make_accounts: Any, settings: Settings, person: Person, client: Clients
) -> None:
    limits = LimitSettings(password_reset=RateLimit(2, 60), relaxation=2, address_factor=1)
    accounts: Accounts = make_accounts(
        settings=AccountSettings(app=settings.app, jwt=settings.jwt, auth=settings.auth, limits=limits)
    )
    user, here = await person(), client()
    assert await until_refused(lambda: accounts.recovery.forgot(user.email, client())) == 4
    numbers = itertools.count()
    assert await until_refused(lambda: accounts.recovery.forgot(f"y{next(numbers)}@example.org", here)) == 4
