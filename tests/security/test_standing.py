"""S19 over HTTP, against the API in several processes: what somebody set in motion ends with their standing."""

import time
from typing import Any

import pytest
from people import Person, Town, new_key, token_in, totp

from security.attempts import administrator
from singr_config.constants import ROLE_PERMISSIONS

full = pytest.mark.full
pytestmark = pytest.mark.xdist_group("security-town")
POWERS = sorted(ROLE_PERMISSIONS["customer_owner"])


class Fall:
    """Mallory, an owner beside another one, with a key of theirs and an invitation by it; and how they fall."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.owner, self.mallory = town.person(), town.person()
        self.boss = self.owner.signed_in()["access_token"]
        self.organization = town.founded(self.boss)
        self.path = f"/v1/organizations/{self.organization}"
        town.invite(self.boss, self.organization, self.mallory.email, "customer_owner")
        secret = token_in(town.letters.last(self.mallory.email, "invitation")["invitation_link"])
        self.token = self.mallory.signed_in()["access_token"]
        self.joined = self.accept(secret, self.token)
        assert self.joined.status_code == 200, self.joined.text
        self.id = town.client().read("/v1/me", token=self.token).json()["id"]
        self.acting = {"x-singr-organization": self.organization}
        made = town.client().send_json(
            "/v1/api-keys",
            {"name": "till", "scopes": POWERS},
            token=self.token,
            headers={**new_key(), **self.acting},
        )
        assert made.status_code == 201, made.text
        self.key = {"x-api-key": made.json()["secret"]}
        self.friend = town.person()
        assert self.with_key("POST", f"{self.path}/roles", {"name": "Friend", "permissions": ["jobs:read"]}) == 201
        body = {"email": self.friend.email, "role": "Friend"}
        assert self.with_key("POST", f"{self.path}/invitations", body) == 201

    def accept(self, secret: str, token: str) -> Any:
        return self.town.client().send_json("/v1/invitations/accept", {"token": secret}, token=token)

    def with_key(self, method: str, path: str, body: Any = None) -> int:
        """What the key is answered, on a connection of its own."""
        headers = {**self.key, **(new_key() if method == "POST" else {})}
        return self.town.client().request(method, path, json=body, headers=headers).status_code

    def as_owner(self, method: str, path: str, body: Any = None, *, token: str = "") -> None:
        headers = {"authorization": f"Bearer {token or self.boss}", **new_key()}
        answer = self.town.client().request(method, path, json=body, headers=headers)
        assert answer.is_success, answer.text

    def fall(self, way: str) -> None:
        member = f"{self.path}/members/{self.id}"
        if way == "removed":
            self.as_owner("DELETE", member)
        elif way == "demoted":
            self.as_owner("PATCH", member, {"role": "customer_staff"})
        elif way == "left":
            self.as_owner("POST", f"{self.path}/leave", token=self.token)
        elif way == "handed over":
            heir = self.town.person()
            self.join(heir)
            to = self.town.client().read("/v1/me", token=heir.signed_in()["access_token"]).json()["id"]
            self.as_owner("POST", f"{self.path}/transfer-ownership", {"user_id": to}, token=self.token)
        elif way == "disabled":
            self.as_owner("POST", f"/v1/users/{self.id}/disable", token=administrator(self.town))
        elif way == "deleted":
            self.as_owner("DELETE", "/v1/me", token=self.token)
        else:
            self.town.site.sql("DELETE FROM memberships WHERE user_id = %s", (self.id,))

    def join(self, person: Person) -> None:
        self.town.invite(self.boss, self.organization, person.email)
        secret = token_in(self.town.letters.last(person.email, "invitation")["invitation_link"])
        assert self.accept(secret, person.signed_in()["access_token"]).status_code == 200


@pytest.mark.parametrize(
    "way",
    ["demoted", "removed", *(pytest.param(way, marks=full) for way in ("left", "handed over", "disabled", "deleted"))],
)
def test_key_and_invitation_of_whoever_fell_do_no_more_than_they_may(town: Town, way: str):
    """S19: on every process within a second; and the key neither brings them back nor makes another."""
    fallen = Fall(town)
    assert {fallen.with_key("GET", f"{fallen.path}/members") for _ in range(12)} == {200}
    fallen.fall(way)
    time.sleep(1.0)
    refused = {401, 403}
    for _ in range(6):
        assert fallen.with_key("PATCH", f"{fallen.path}/members/{fallen.id}", {"role": "customer_manager"}) in refused
        body = {"name": "again", "scopes": ["jobs:read"]}
        assert fallen.with_key("POST", "/v1/api-keys", body) in refused
        invitation = {"email": fallen.mallory.email, "role": "customer_staff"}
        assert fallen.with_key("POST", f"{fallen.path}/invitations", invitation) in refused
    link = token_in(town.letters.last(fallen.friend.email, "invitation")["invitation_link"])
    accepted = fallen.accept(link, fallen.friend.signed_in()["access_token"])
    assert accepted.status_code == 400, f"the invitation still opens: {accepted.text}"


def test_key_that_an_owner_gave_to_the_organization_outlives_them(town: Town):
    """S19: the other side: what is to outlive people is said so, and does."""
    fallen = Fall(town)
    made = town.client().send_json(
        "/v1/api-keys",
        {"name": "till", "scopes": ["jobs:read"], "holder": "organization"},
        token=fallen.token,
        headers={**new_key(), **fallen.acting},
    )
    assert made.status_code == 201, made.text
    fallen.fall("removed")
    time.sleep(1.0)
    lasting = {"x-api-key": made.json()["secret"]}
    assert town.client().get("/v1/jobs", headers=lasting).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/api-keys", {"name": "till", "scopes": ["jobs:read"], "holder": "organization"}),
        ("/v1/organizations/{}/invitations", {"email": "accomplice@example.org", "role": "customer_owner"}),
    ],
    ids=["key", "invitation"],
)
def test_session_from_before_the_second_factor_hands_no_power_on_until_it_proves_it(
    town: Town, path: str, body: dict[str, Any]
):
    """S19, S17: as an owner is asked before an organization is handed over; then the same request is done."""
    owner, client = town.person(), town.client()
    old = owner.signed_in(client)["access_token"]
    organization = town.founded(old)
    owner.enable_totp()
    headers = {**new_key(), "x-singr-organization": organization}
    refused = client.send_json(path.format(organization), body, token=old, headers=headers)
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (403, "reauthentication-required")
    code = {"method": "totp", "code": totp(owner.secret)}
    assert client.send_json("/v1/auth/reauthenticate", code, token=old).status_code == 200
    done = client.send_json(path.format(organization), body, token=old, headers=headers)
    assert done.status_code == 201, done.text
