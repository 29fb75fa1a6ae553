"""S20 and S22 over HTTP: the proof of a mailbox acts for nobody who did not ask; asking closes no way for an owner."""

from collections.abc import Callable

import httpx
import pytest
from people import PASSWORD, Person, Town, some_address, token_in

pytestmark = pytest.mark.xdist_group("security-town")

NEW_PASSWORD = "quite another road to the microphone"


def asked_to_move(town: Town, person: Person, address: str) -> tuple[str, dict[str, str]]:
    """An access token of the session that asked for another address, and the mail that went there."""
    token = person.signed_in()["access_token"]
    answer = town.client().send_json("/v1/auth/email/change", {"email": address}, token=token)
    assert answer.status_code == 202, answer.text
    return token, town.letters.last(address, "email_change")


def address_of(town: Town, token: str) -> str:
    return str(town.client().read("/v1/me", token=token).json()["email"])


# ---- S20 -----------------------------------------------------------------------------------------------------------


def test_stranger_who_clicks_the_mail_of_a_mistyped_address_gets_no_account(town: Town):
    """S20, typo: the link verifies nothing, and the stranger's reset reaches nobody's account."""
    person, stranger = town.person(), town.someone()
    token, mail = asked_to_move(town, person, stranger)
    link = token_in(mail["confirm_link"])
    for path, body in (
        ("/v1/auth/email/verify", {"token": link}),
        ("/v1/auth/email/verify", {"email": stranger, "code": mail["code"]}),
        ("/v1/auth/email/change/confirm", {"token": link}),
        ("/v1/auth/email/change/confirm", {"code": mail["code"]}),
        ("/v1/auth/magic-link/redeem", {"token": link}),
        ("/v1/auth/password/reset", {"token": link, "password": NEW_PASSWORD}),
        ("/v1/auth/email/change/undo", {"token": link}),
    ):
        answer = town.client().send_json(path, body)
        assert answer.status_code in {400, 401, 404, 410}, (path, answer.text)
    town.client().send_json("/v1/auth/password/forgot", {"email": stranger})
    assert town.letters.to(stranger, "password_reset") == []
    assert address_of(town, token) == person.email


def test_victim_of_a_trojan_mail_keeps_their_registration_and_shares_no_account(town: Town):
    """S20, trojan: an attacker asks for a change to the address that a victim is registering with."""
    attacker = town.person()
    victim = town.registered()
    _, mail = asked_to_move(town, attacker, victim.email)
    assert mail.keys().isdisjoint({"user_name", "verification_link", "verification_code"}), "a message of its own"
    link = token_in(mail["confirm_link"])
    assert town.client().send_json("/v1/auth/email/verify", {"token": link}).status_code == 400
    own = token_in(town.letters.last(victim.email, "verification")["verification_link"])
    assert town.client().send_json("/v1/auth/email/verify", {"token": own}).status_code == 200
    tokens = victim.signed_in()
    for body in ({"token": link}, {"code": mail["code"]}):
        answer = town.client().send_json("/v1/auth/email/change/confirm", body, token=tokens["access_token"])
        assert answer.status_code in {400, 403}, answer.text
    assert address_of(town, tokens["access_token"]) == victim.email
    assert address_of(town, attacker.signed_in()["access_token"]) == attacker.email


def test_session_that_asked_confirms_and_the_old_address_takes_the_account_back(town: Town):
    """S20: the way that is open, and the way back for a week."""
    person, address = town.person(), town.someone()
    token, mail = asked_to_move(town, person, address)
    link = {"token": token_in(mail["confirm_link"])}
    other = person.signed_in()["access_token"]
    assert town.client().send_json("/v1/auth/email/change/confirm", link, token=other).status_code == 403
    assert town.client().send_json("/v1/auth/email/change/confirm", link, token=token).status_code == 200
    moved = town.letters.last(person.email, "email_changed")
    assert moved["new_email"] == f"{address[0]}***@example.org"
    undo = {"token": token_in(moved["undo_link"])}
    for method in ("GET", "HEAD"):
        town.client().request(method, "/undo-email-change", params=undo)
    assert address_of(town, token) == address
    answer = town.client().send_json("/v1/auth/email/change/undo", undo)
    assert answer.status_code == 200, answer.text
    assert Person(town, address).sign_in().status_code == 401
    assert person.sign_in().status_code == 401, "the password is dropped"
    reset = token_in(town.letters.last(person.email, "password_reset")["reset_link"])
    answer = town.client().send_json("/v1/auth/password/reset", {"token": reset, "password": NEW_PASSWORD})
    assert answer.status_code == 200, answer.text
    person.password = NEW_PASSWORD
    assert person.signed_in()


@pytest.mark.parametrize("holder", ["nobody", "somebody else"])
def test_invitation_joins_nobody_but_its_addressee(town: Town, holder: str):
    """S20, invitation: the link proves a mailbox, and does nothing for an account of another address."""
    owner, guest, other = town.person(), town.person(), town.person()
    token = owner.signed_in()["access_token"]
    organization = town.founded(token)
    town.invite(token, organization, guest.email)
    link = token_in(town.letters.last(guest.email, "invitation")["invitation_link"])
    theirs = other.signed_in()["access_token"] if holder == "somebody else" else ""
    answer = town.client().send_json("/v1/invitations/accept", {"token": link}, token=theirs)
    assert answer.status_code == (403 if theirs else 401), answer.text
    body = {"token": link, "name": "Guest", "password": PASSWORD}
    assert town.client().send_json("/v1/invitations/register", body).status_code == 409, "the address has an account"
    mine = guest.signed_in()["access_token"]
    assert town.client().send_json("/v1/invitations/accept", {"token": link}, token=mine).status_code == 200


# ---- S22 -----------------------------------------------------------------------------------------------------------


def refused_at_last(ask: Callable[[], httpx.Response], most: int = 40) -> None:
    """Ask, each time from another address, until it is too often."""
    assert any(ask().status_code == 429 for _ in range(most))


def test_strangers_who_ask_for_everything_leave_the_owner_a_way_in(town: Town):
    """S22: wrong passwords, links, resets and registrations from many addresses; the owner from a clean one."""
    person = town.person()
    wrong = {"email": person.email, "password": "not the password of anybody"}
    refused_at_last(lambda: town.client().send_json("/v1/auth/sign-in", wrong))
    refused_at_last(lambda: town.client().send_json("/v1/auth/password/forgot", {"email": person.email}))
    account = {"account_type": "singer", "email": person.email, "password": NEW_PASSWORD, "name": "Thief"}
    refused_at_last(lambda: town.client().send_json("/v1/auth/register", account))
    for _ in range(5):
        town.client().send_json("/v1/auth/magic-link", {"email": person.email})
    assert person.sign_in().status_code == 429
    answer = town.client().send_json("/v1/auth/magic-link/redeem", {"token": town.magic_token(person)})
    assert (answer.status_code, answer.json()["status"]) == (200, "signed_in"), answer.text


def test_strangers_who_register_an_address_leave_its_owner_a_way_in(town: Town):
    """S22: an address without an account."""
    person = Person(town, town.someone())
    account = {"account_type": "singer", "email": person.email, "password": NEW_PASSWORD, "name": "Thief"}
    refused_at_last(lambda: town.client().send_json("/v1/auth/register", account))
    answer = town.client().send_json("/v1/auth/magic-link/redeem", {"token": town.magic_token(person)})
    assert (answer.status_code, answer.json()["status"]) == (200, "signed_in"), answer.text
    person.password = NEW_PASSWORD
    assert person.sign_in().status_code == 401, "the strangers' password is not in force"


@pytest.mark.full
def test_strangers_without_number_keep_no_link_from_the_owners_mailbox(town: Town):
    """S22: forty addresses ask in vain; the newest link in the mailbox works all the same."""
    person = town.person()
    refused_at_last(lambda: town.client().send_json("/v1/auth/magic-link", {"email": person.email}))
    newest = token_in(town.letters.last(person.email, "magic_link")["magic_link"])
    answer = town.client().send_json("/v1/auth/magic-link/redeem", {"token": newest})
    assert (answer.status_code, answer.json()["status"]) == (200, "signed_in"), answer.text


def test_guests_of_a_venue_register_and_sign_in_from_one_address(town: Town):
    """A bar's Wi-Fi, which made four guests too many."""
    bar = some_address()
    for _ in range(4):
        guest = Person(town, town.someone())
        account = {"account_type": "singer", "email": guest.email, "password": guest.password, "name": "Guest"}
        assert town.client(address=bar).send_json("/v1/auth/register", account).status_code == 202
        link = token_in(town.letters.last(guest.email, "verification")["verification_link"])
        assert town.client(address=bar).send_json("/v1/auth/email/verify", {"token": link}).status_code == 200
        assert guest.sign_in(town.client(address=bar)).status_code == 200
        asked = town.client(address=bar).send_json("/v1/auth/magic-link", {"email": guest.email})
        assert asked.status_code == 202


@pytest.mark.full
def test_no_token_of_any_kind_does_anything_for_another_purpose(town: Town):
    """S20: each kind of token at each route that takes one, by nobody and by somebody else; then it still works."""
    person, other, address = town.person(), town.person(), town.someone()
    pending = town.registered()
    token, mail = asked_to_move(town, person, address)
    tokens = {
        "/v1/auth/email/verify": token_in(town.letters.last(pending.email, "verification")["verification_link"]),
        "/v1/auth/email/change/confirm": token_in(mail["confirm_link"]),
        "/v1/auth/magic-link/redeem": town.magic_token(other),
        "/v1/auth/password/reset": town.reset_token(other),
        "/v1/auth/email/change/undo": "seu_" + "0" * 49,
    }
    theirs = other.signed_in()["access_token"]
    for path in tokens:
        more = {"password": NEW_PASSWORD} if path.endswith("reset") else {}
        for home, foreign in tokens.items():
            if home == path:
                continue
            for bearer in ("", theirs):
                answer = town.client().send_json(path, {"token": foreign, **more}, token=bearer)
                assert answer.status_code in {400, 401, 403}, (path, home, answer.text)
    confirmed = town.client().send_json(
        "/v1/auth/email/change/confirm", {"token": tokens["/v1/auth/email/change/confirm"]}, token=token
    )
    assert confirmed.status_code == 200, confirmed.text
    for path in ("/v1/auth/email/verify", "/v1/auth/magic-link/redeem"):
        assert town.client().send_json(path, {"token": tokens[path]}).status_code == 200
