"""Addresses that no mail reaches: refused wherever mail is about to go, and no bar to who has had one all along."""

from collections.abc import Callable
from typing import Any

import pytest
from factors_support import Clients, Person, Someone
from organizations_support import House

from singr_auth.accounts import Accounts, ConfirmNewEmail, InvalidValueError, NewAccount, SecurityNotice, SignedIn
from singr_auth.accounts.testing import RecordingNotifier
from singr_config import Secret
from singr_db import Database

ADDRESS = "joe@a"
WRONG = "must be an address that mail can reach"
PASSWORD = Secret("a long road to the microphone")
Asks = Callable[[Someone], Any]

ASKED: dict[str, Asks] = {
    "registration": lambda one: one.accounts.registration.register(
        NewAccount(email=f" {ADDRESS} ", name="Joe", password=PASSWORD, account_type="singer"), one.client
    ),
    "change": lambda one: one.accounts.email_change.request(one.user_id, one.session_id, ADDRESS, one.client),
    "magic link": lambda one: one.accounts.magic_links.request_by_email(ADDRESS, one.client),
    "forgot": lambda one: one.accounts.recovery.forgot(ADDRESS, one.client),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_address_that_no_mail_reaches_is_refused_in_the_words_of_the_notifier(
    someone: Someone, asked: Asks
) -> None:
    someone.notifier.wrong_emails[ADDRESS] = WRONG
    with pytest.raises(InvalidValueError, match=WRONG) as caught:
        await asked(someone)
    assert (caught.value.field, caught.value.code) == ("email", "malformed")
    assert someone.notifier.notices == []


async def test_nobody_is_invited_at_an_address_that_no_mail_reaches(house: House) -> None:
    owner = await house.person()
    organization = await house.organization(owner)
    house.notifier.wrong_emails[ADDRESS] = WRONG
    with pytest.raises(InvalidValueError, match=WRONG) as caught:
        await house.invite(organization, owner, ADDRESS)
    assert caught.value.field == "email"


@pytest.mark.usefixtures("notices_at_once")
async def test_who_has_had_such_an_address_all_along_signs_in_and_moves_to_another(
    accounts: Accounts, db: Database, notifier: RecordingNotifier, person: Person, client: Clients
) -> None:
    joe = await person(ADDRESS, password=PASSWORD)
    notifier.wrong_emails[ADDRESS] = WRONG
    signed_in = await accounts.password_sign_in.sign_in(ADDRESS, PASSWORD, client())
    assert isinstance(signed_in, SignedIn)
    await accounts.email_change.request(joe.id, signed_in.session_id, "joe@example.org", client())
    assert notifier.of(SecurityNotice)
    mail = notifier.last(ConfirmNewEmail)
    await accounts.email_change.confirm_link(joe.id, signed_in.session_id, mail.token, client())
    assert isinstance(await accounts.password_sign_in.sign_in("joe@example.org", PASSWORD, client()), SignedIn)
