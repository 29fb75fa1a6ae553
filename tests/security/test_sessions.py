"""S5, S9 and S10 over HTTP, against the API in several processes. No test looks into its code."""

import base64
import time

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from faults.harness import Site
from people import Town, new_key, token_in
from sites import until

from security.attempts import NEW_PASSWORD, administrator, at_once, statuses

full = pytest.mark.full
pytestmark = pytest.mark.xdist_group("security-town")


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
    age = "UPDATE refresh_tokens SET used_at = used_at - interval '1 hour' WHERE session_id = %s"
    town.site.sql(age, (tokens["session_id"],))  # the grace window is long over
    answer = town.refresh(late)
    assert answer.status_code == 401, answer.text
    for token in (newest, second, first, newest):
        assert town.refresh(token).status_code == 401, "the family stays dead"
    until(
        lambda: town.refused_everywhere(tokens["access_token"], tries=8), within=1.5, what="the access token is refused"
    )
    assert town.letters.last(person.email, "security_notice")["event"] == "refresh_token_reused"
    assert person.signed_in()["refresh_token"], "its owner signs in again"


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
