"""S4, S6, S7, S8 and S17 over HTTP, against the API in several processes. No test looks into its code."""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from people import Person, Town, some_address, token_in, totp
from sites import until

from security.attempts import NEW_PASSWORD, at_once, statuses, verify

full = pytest.mark.full
pytestmark = pytest.mark.xdist_group("security-town")


# ---- S6: time-based codes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [12, pytest.param(50, marks=full)])
def test_a_time_step_is_accepted_once_however_often_at_once(town: Town, number):
    """S6: in one challenge and over several, the code of one step opens one session."""
    person = town.person()
    person.enable_totp()
    challenges = [person.challenged() for _ in range(3)]
    code = totp(person.secret)
    answers = at_once(number, lambda index: verify(town, challenges[index % 3], code))
    assert statuses(answers).count(200) == 1, statuses(answers)
    assert not any(answer.status_code >= 500 for answer in answers)


def test_codes_of_other_alphabets_and_far_steps_are_refused(town: Town):
    """S6: full-width and Arabic digits are no digits; two steps off is too far; one step off is near enough."""
    person = town.person()
    person.enable_totp()
    challenge = person.challenged()
    now = time.time()
    wrong = [
        totp(person.secret, digits="".join(chr(0xFF10 + digit) for digit in range(10))),  # full width
        totp(person.secret, digits="٠١٢٣٤٥٦٧٨٩"),
        totp(person.secret, at=now - 90),
        totp(person.secret, at=now + 90),
    ]
    for code in wrong:
        assert verify(town, challenge, code).status_code in {400, 422}, code
    assert verify(town, challenge, totp(person.secret, at=time.time() + 30)).status_code == 200


# ---- S7: guessing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["behind-a-proxy", pytest.param("without-one", marks=full)])
def test_guesses_are_bounded_over_processes_and_forwarded_addresses_and_the_victim_gets_in(
    town: Town, where: str, request: pytest.FixtureRequest
):
    """S7: four times the budget is tried; what is processed stays within it. A device that is known is not shut out."""
    proxied = where == "behind-a-proxy"
    attacked: Town = town if proxied else request.getfixturevalue("fortress")
    person = Person(attacked, town.person().email)
    known = person.signed_in()
    address = itertools.count()
    mine = f", {some_address()}" if proxied else ""  # what the proxy adds to whatever it is told

    def guess(index: int) -> httpx.Response:
        client = attacked.client(address=f"203.0.113.{next(address) % 250}{mine}")
        return client.send_json("/v1/auth/sign-in", {"email": person.email, "password": f"wrong guess number {index}"})

    answers = at_once(20, guess)
    processed = statuses(answers).count(401)
    assert processed <= 5, statuses(answers)
    assert statuses(answers).count(429) == 20 - processed
    assert all(int(answer.headers["retry-after"]) <= 900 for answer in answers if answer.status_code == 429)
    assert person.sign_in().status_code == 429, "a stranger's device has to wait, even with the password"
    again = person.sign_in(device=known["device_token"])
    assert again.status_code == 200, again.text


def test_codes_of_a_challenge_can_be_guessed_five_times(town: Town):
    """S7: 40 guesses at once on one challenge: at most five are looked at, and the right code is then too late."""
    person = town.person()
    person.enable_totp()
    challenge = person.challenged()
    right = totp(person.secret)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    answers = at_once(24, lambda _: verify(town, challenge, wrong))
    assert 200 not in statuses(answers)
    [(attempts,)] = town.site.sql("SELECT max(attempts) FROM auth_challenges")
    assert attempts == 5, "no more are counted, and each is counted before it is looked at"
    assert verify(town, challenge, totp(person.secret)).status_code != 200


# ---- S8: one-time things ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [12, pytest.param(50, marks=full)])
def test_link_used_many_times_at_once_has_one_winner_and_get_uses_up_nothing(town: Town, number):
    """S8: magic link and reset."""
    person = town.person()
    token = town.magic_token(person)
    for path in ("/auth/magic", "/v1/auth/magic-link/redeem"):
        town.client().get(path, params={"token": token})
    answers = at_once(number, lambda _: town.client().send_json("/v1/auth/magic-link/redeem", {"token": token}))
    assert statuses(answers).count(200) == 1, statuses(answers)
    assert not any(answer.status_code >= 500 for answer in answers)
    token = town.reset_token(person)
    town.client().get("/reset-password", params={"token": token})
    answers = at_once(
        number,
        lambda index: town.client().send_json(
            "/v1/auth/password/reset", {"token": token, "password": f"{NEW_PASSWORD} {index}"}
        ),
    )
    assert statuses(answers).count(200) == 1, statuses(answers)
    [winner] = [index for index, answer in enumerate(answers) if answer.status_code == 200]
    person.password = f"{NEW_PASSWORD} {winner}"
    assert person.signed_in()


@pytest.mark.parametrize("number", [12, pytest.param(50, marks=full)])
def test_backup_code_opens_once(town: Town, number):
    """S8: and says so by mail."""
    person = town.person()
    person.enable_totp()
    challenges = [person.challenged() for _ in range(3)]
    code = person.backup_codes[0]
    answers = at_once(number, lambda index: verify(town, challenges[index % 3], code, "backup_code"))
    assert statuses(answers).count(200) == 1, statuses(answers)
    assert town.letters.last(person.email, "security_notice")["event"] in {"backup_code_used", "new_device"}


@pytest.mark.parametrize("number", [12, pytest.param(50, marks=full)])
def test_invitation_is_accepted_once(town: Town, number):
    """S8: 50 times by the one it was sent to."""
    owner, guest = town.person(), town.person()
    token = owner.signed_in()["access_token"]
    organization = town.founded(token)
    invited = town.invite(token, organization, guest.email)
    assert invited.status_code in {201, 202}, invited.text
    secret = token_in(town.letters.last(guest.email, "invitation")["invitation_link"])
    town.client().get("/invitation", params={"token": secret})
    mine = guest.signed_in()["access_token"]
    answers = at_once(
        number, lambda _: town.client().send_json("/v1/invitations/accept", {"token": secret}, token=mine)
    )
    assert statuses(answers).count(200) == 1, statuses(answers)
    assert not any(answer.status_code >= 500 for answer in answers)


# ---- S17: the second factor stands behind every first one ---------------------------------------------------------


@pytest.mark.parametrize("factor", ["totp", pytest.param("email", marks=full), pytest.param("sms", marks=full)])
def test_no_first_factor_signs_in_alone_once_a_second_one_is_on(town: Town, factor):
    """S17: password, magic link, reset; and the way through is open with the second factor."""
    person = town.person()
    second = enabled(town, person, factor)
    person.challenged()
    link = town.client().send_json("/v1/auth/magic-link/redeem", {"token": town.magic_token(person)})
    assert (link.status_code, link.json()["status"]) == (200, "second_factor_required"), link.text
    token = town.reset_token(person)
    reset = town.client().send_json("/v1/auth/password/reset", {"token": token, "password": NEW_PASSWORD})
    assert reset.status_code == 200, reset.text
    assert "access_token" not in reset.text
    assert "set-cookie" not in reset.headers
    person.password = NEW_PASSWORD
    challenge = person.challenged()
    answer = verify(town, challenge, second(challenge), factor)
    assert (answer.status_code, answer.json()["status"]) == (200, "signed_in"), answer.text


def enabled(town: Town, person: Person, factor: str) -> Callable[[dict[str, Any]], str]:
    """Put a second factor behind the account; returns what gives the code for a challenge."""
    if factor == "totp":
        person.enable_totp()
        return lambda _: totp(person.secret)
    client = town.client()
    token = person.signed_in(client)["access_token"]
    bearer = {"authorization": f"Bearer {token}"}
    phone = f"+1555{time.time_ns() % 10**7:07d}"
    if factor == "sms":
        assert client.put("/v1/me/phone", json={"phone": phone}, headers=bearer).is_success
        code = town.letters.last(phone, "verification_code")["code"]
        answer = client.send_json("/v1/me/phone/verify", {"code": code}, token=token)
        assert answer.is_success, answer.text
    answer = client.send_json(f"/v1/me/second-factors/{factor}", token=token)
    assert answer.is_success, answer.text
    recipient = phone if factor == "sms" else person.email

    def code_for(challenge: dict[str, Any]) -> str:
        known = len(town.letters.to(recipient, "two_factor_code"))
        body = {"challenge_token": challenge["challenge_token"], "method": factor}
        assert town.client().send_json("/v1/auth/second-factor/send", body).status_code == 202
        return str(town.letters.last(recipient, "two_factor_code", number=known + 1)["code"])

    return code_for


def test_remembered_device_skips_the_second_factor_until_the_password_changes(town: Town):
    """S17, its one exception: and only with a token of that person."""
    person, other = town.person(), town.person()
    person.enable_totp()
    answer = verify(town, person.challenged(), totp(person.secret), remember_device=True)
    assert answer.status_code == 200, answer.text
    device = answer.json()["device_token"]
    assert person.signed_in(device=device)
    other.enable_totp()
    other.challenged(device=device)
    token = town.reset_token(person)
    town.client().send_json("/v1/auth/password/reset", {"token": token, "password": NEW_PASSWORD})
    person.password = NEW_PASSWORD
    person.challenged(device=device)


# ---- S4: accounts that nobody may find out about ------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/v1/auth/sign-in", "/v1/auth/password/forgot", "/v1/auth/magic-link", "/v1/auth/register"]
)
def test_answer_does_not_tell_whether_an_account_exists(town: Town, path):
    """S4: known, unknown, disabled, password-less and unverified, in the same words (the times: `make security`)."""
    shown = {}
    for kind, email in accounts(town).items():
        body = {"email": email}
        if path.endswith("sign-in"):
            body["password"] = "not the password of anybody"
        if path.endswith("register"):
            body |= {"password": "yet another long password", "name": "Ada", "account_type": "singer"}
        answer = town.client().send_json(path, body)
        document = answer.json()
        document.pop("request_id", None)
        names = sorted(set(answer.headers) - {"date", "x-request-id"})
        shown[kind] = (answer.status_code, document, names)
    assert len({repr(answer) for answer in shown.values()}) == 1, shown


def accounts(town: Town) -> dict[str, str]:
    """One address of each kind."""
    known, disabled, passwordless = town.person(), town.person(), town.person()
    town.site.sql("UPDATE users SET status = 'disabled', disabled_at = now() WHERE email = %s", (disabled.email,))
    town.site.sql("UPDATE users SET password_hash = NULL WHERE email = %s", (passwordless.email,))
    return {
        "known": known.email,
        "unknown": town.someone(),
        "disabled": disabled.email,
        "password-less": passwordless.email,
        "unverified": town.registered().email,
    }


# ---- callers that hang up ----


async def test_sign_in_cut_off_in_the_middle_leaves_nothing_locked(town: Town):
    """Callers that hang up while their password is checked."""
    person = town.person()
    body = {"email": person.email, "password": person.password}
    cut_off = 0
    for _ in range(3):
        caller = {"x-forwarded-for": some_address()}
        async with httpx.AsyncClient(base_url=town.base, headers=caller, timeout=0.01, trust_env=False) as client:
            try:
                await client.post("/v1/auth/sign-in", json=body)
            except httpx.TimeoutException:
                cut_off += 1
        await asyncio.sleep(0.1)
    assert cut_off, "a hash takes longer than this caller waits"
    idle = "pg_stat_activity WHERE state LIKE 'idle in transaction%%' AND datname = current_database()"
    until(lambda: town.site.count(idle) == 0, within=5, what="no transaction is left open")
    assert await asyncio.to_thread(person.signed_in)
