"""S5 to S10, S12, S13 and S17 over HTTP, against the API in several processes. No test looks into its code."""

import asyncio
import base64
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from faults.harness import Site
from people import Person, Town, new_key, some_address, token_in, totp
from sites import until

full = pytest.mark.full
pytestmark = pytest.mark.xdist_group("security-town")
GRACE = 2
NEW_PASSWORD = "quite another road to the microphone"


def at_once(number: int, work: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """Do it that many times at the same moment."""
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(work, range(number)))


def statuses(answers: list[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


# ---- S5: refresh tokens -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [12, pytest.param(50, marks=full)])
def test_refreshes_at_once_give_one_lineage(town: Town, number):
    """S5: all get the same successor, and it goes on from there."""
    first = town.person().signed_in()["refresh_token"]
    answers = at_once(number, lambda _: town.refresh(first))
    assert statuses(answers) == [200] * number
    [successor] = {answer.json()["refresh_token"] for answer in answers}
    assert town.refreshed(successor) != successor


def test_two_tabs_inside_the_grace_window_both_stay_signed_in(town: Town):
    """S5: the second tab's late refresh, or a repeat after a lost answer, gets the same successor."""
    tokens = town.person().signed_in()
    mine = town.refreshed(tokens["refresh_token"])
    theirs = town.refresh(tokens["refresh_token"])
    assert theirs.status_code == 200, theirs.text
    assert theirs.json()["refresh_token"] == mine
    for answer in (theirs.json()["access_token"], tokens["access_token"]):
        assert town.client().read("/v1/me", token=answer).status_code == 200
    assert town.refresh(mine).status_code == 200


@pytest.mark.parametrize("reused", ["previous", "orphaned branch", "stale lineage"])
def test_reused_refresh_token_ends_its_family_for_good(town: Town, reused):
    """S5: whichever copy comes late, thief and owner are both out, and the owner is told."""
    person = town.person()
    tokens = person.signed_in()
    first = tokens["refresh_token"]
    second = town.refreshed(first)
    late = first
    newest = second
    if reused != "previous":
        newest = town.refreshed(second)
        late = second if reused == "orphaned branch" else first
    time.sleep(GRACE + 0.5)
    answer = town.refresh(late)
    assert answer.status_code == 401, answer.text
    for token in (newest, second, first, newest):
        assert town.refresh(token).status_code == 401, "the family stays dead"
    until(
        lambda: town.refused_everywhere(tokens["access_token"], tries=8), within=1.5, what="the access token is refused"
    )
    assert town.letters.last(person.email, "security_notice")["event"] == "refresh_token_reused"
    assert person.signed_in()["refresh_token"], "its owner signs in again"


# ---- S6: time-based codes -----------------------------------------------------------------------------------------


def verify(town: Town, challenge: dict[str, Any], code: str, method: str = "totp", **options: Any) -> httpx.Response:
    body = {"challenge_token": challenge["challenge_token"], "method": method, "code": code} | options
    return town.client().send_json("/v1/auth/second-factor/verify", body)


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


def test_guesses_are_bounded_over_processes_and_forwarded_addresses_and_the_victim_gets_in(fortress: Town, town: Town):
    """S7: four times the budget is tried; what is processed stays within it. A device that is known is not shut out."""
    person = Person(fortress, town.person().email)
    known = person.signed_in()
    address = itertools.count()

    def guess(index: int) -> httpx.Response:
        client = fortress.client(address=f"203.0.113.{next(address) % 250}")
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


# ---- S9: forged access tokens -------------------------------------------------------------------------------------


def test_tokens_of_another_kind_or_altered_are_no_access_tokens(town: Town):
    """S9 over HTTP (the forgeries one by one: singr_auth's own tests)."""
    tokens = town.person().signed_in()
    head, body, signature = tokens["access_token"].split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    forged = [
        tokens["refresh_token"],
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
        f"{head}.{body}.{base64.urlsafe_b64encode(bytes(64)).rstrip(b'=').decode()}",
        f"{head}.{body}.{signed_by_another_key(f'{head}.{body}')}",
        f"{head}.{body}",
        ".",
        "a" * 10_000,
    ]
    for token in forged:
        answer = town.client().get("/v1/me", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401, (token[:40], answer.text)
        assert answer.headers["www-authenticate"]
    assert town.client().read("/v1/me", token=tokens["access_token"]).status_code == 200


def signed_by_another_key(text: str) -> str:
    """A signature that is as it should be, but for whose it is."""
    key = ec.generate_private_key(ec.SECP256R1())
    r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return base64.urlsafe_b64encode(r.to_bytes(32) + s.to_bytes(32)).rstrip(b"=").decode()


@full
def test_no_altered_character_of_an_access_token_passes(town: Town):
    """S9: every character of header, claims and signature, changed to others."""
    token = town.person().signed_in()["access_token"]
    letters = "AQgw_-09"
    with httpx.Client(base_url=town.base, timeout=30, trust_env=False) as client:

        def status(text: str) -> int:
            return client.get("/v1/me", headers={"authorization": f"Bearer {text}"}).status_code

        for place, letter in enumerate(token):
            other = letters[place % len(letters)]
            if letter == other:
                continue
            altered = token[:place] + other + token[place + 1 :]
            # The last character of a part may have bits that say nothing, and must be refused all the same.
            assert status(altered) == 401, (place, letter, other)
        assert status(token) == 200


# ---- S10: revocation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["sign-out", "sign-out-everywhere", "password change", "disable", "session revoked"])
def test_old_access_token_is_refused_by_every_process_within_a_second(town: Town, by):
    """S10."""
    person = town.person()
    tokens, other = person.signed_in(), person.signed_in()
    old, client = tokens["access_token"], town.client()
    assert client.read("/v1/me", token=old).status_code == 200
    if by == "sign-out":
        answer = client.send_json("/v1/auth/sign-out", token=old)
    elif by == "sign-out-everywhere":
        answer = client.send_json("/v1/auth/sign-out-everywhere", token=other["access_token"])
    elif by == "password change":
        answer = client.send_json(
            "/v1/auth/password/change",
            {"current_password": person.password, "new_password": NEW_PASSWORD},
            token=other["access_token"],
        )
    elif by == "session revoked":
        path = f"/v1/auth/sessions/{tokens['session_id']}"
        answer = client.delete(path, headers={"authorization": f"Bearer {other['access_token']}"})
    else:
        user = client.read("/v1/me", token=old).json()["id"]
        admin = administrator(town)
        answer = client.send_json(f"/v1/users/{user}/disable", token=admin, headers=new_key())
    assert answer.is_success, answer.text
    time.sleep(1.0)
    assert town.refused_everywhere(old)
    assert town.refresh(tokens["refresh_token"]).status_code == 401


def administrator(town: Town) -> str:
    """An access token of somebody who runs the platform."""
    person = town.person()
    town.site.sql(
        "UPDATE users SET role_id = (SELECT id FROM roles WHERE name = 'admin' AND is_system) WHERE email = %s",
        (person.email,),
    )
    return person.signed_in()["access_token"]


def test_role_that_was_taken_away_opens_nothing_a_second_later(town: Town):
    """S10: permissions are remembered for half an hour, and forgotten at once."""
    owner, guest = town.person(), town.person()
    token = owner.signed_in()["access_token"]
    organization = town.founded(token)
    town.invite(token, organization, guest.email, "customer_manager")
    secret = token_in(town.letters.last(guest.email, "invitation")["invitation_link"])
    tokens = guest.signed_in()
    mine = tokens["access_token"]
    assert town.client().send_json("/v1/invitations/accept", {"token": secret}, token=mine).status_code == 200
    path = f"/v1/organizations/{organization}/members"
    until(lambda: all(town.client().read(path, token=mine).status_code == 200 for _ in range(12)), within=2, what="in")
    me = town.client().read("/v1/me", token=mine).json()["id"]
    gone = town.client().delete(f"{path}/{me}", headers={"authorization": f"Bearer {token}"})
    assert gone.is_success, gone.text
    time.sleep(1.0)
    assert town.refused_everywhere(mine, path=path, status=403)


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


# ---- stores that go away ------------------------------------------------------------------------------------------


@full
def test_without_redis_nothing_that_guards_a_secret_opens_and_the_rest_goes_on(site: Site):
    """Limits that guard passwords and codes fail closed, others open."""
    with site.api(processes=2) as api:
        town = Town(site, api.address)
        person = town.person()
        tokens = person.signed_in()
        site.servers.valkey.kill()
        for _ in range(5):
            answer = person.sign_in()
            assert answer.status_code == 503, answer.text
            assert answer.json()["type"].endswith("/guard-unavailable")
        assert town.client().read("/v1/me", token=tokens["access_token"]).status_code == 200
        assert town.refresh(tokens["refresh_token"]).status_code == 200
        site.servers.valkey.start()
        until(lambda: person.sign_in().status_code == 200, within=15, what="sign-in is open again")


@full
def test_without_postgres_tokens_are_refused_service_not_believed(site: Site):
    """A revocation cannot be known, so nobody is let in; afterwards the same token opens again."""
    with site.api(processes=2) as api:
        town = Town(site, api.address)
        token = town.person().signed_in()["access_token"]
        site.servers.postgres.stop()
        time.sleep(1.0)
        assert {town.client().read("/v1/me", token=token).status_code for _ in range(5)} == {503}
        site.servers.postgres.start()
        until(lambda: town.client().read("/v1/me", token=token).status_code == 200, within=20, what="open again")


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
