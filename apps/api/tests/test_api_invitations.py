"""Invitations over HTTP: how many go out, who sees and declines them, and that none outlives its sender's standing."""

from typing import Any

import pytest
from sqlalchemy import text

from singr_auth.accounts import InvitePerson
from singr_auth.accounts.organizations import Actor
from singr_config import Secret
from singr_config.constants import RATE_LIMITS, ROLE_PERMISSIONS


class Street:
    """An API with two organizations, each with an owner."""

    def __init__(self, url: str, client: Any, world: Any, owner: Any, neighbour: Any) -> None:
        self.url, self.client, self.world, self.owner, self.neighbour = url, client, world, owner, neighbour

    def as_(self, person: Any) -> Any:
        return self.client(self.url, person)

    @staticmethod
    def path(person: Any) -> str:
        """Where the invitations of this owner's organization are."""
        return f"/v1/organizations/{person.organization}/invitations"

    async def invite(self, owner: Any, email: str, **headers: str) -> Any:
        body = {"email": email, "role": "customer_staff"}
        return await self.as_(owner).post(self.path(owner), json=body, headers=headers or self.world.key())

    async def resend(self, owner: Any, invitation: str) -> Any:
        return await self.as_(owner).post(f"{self.path(owner)}/{invitation}/resend", headers=self.world.key())


@pytest.fixture
async def street(api_url: str, client: Any, someone: Any, world: Any) -> Street:
    owner = await someone(member="customer_owner")
    return Street(api_url, client, world, owner, await someone(member="customer_owner", of=world.other))


async def test_address_is_written_to_five_times_an_hour_by_all_organizations_together(street: Street) -> None:
    made = await street.invite(street.owner, "guest@example.org")
    assert made.status_code == 201, made.text
    for _ in range(RATE_LIMITS.magic_link.limit - 1):
        assert (await street.resend(street.owner, made.json()["id"])).status_code == 200
    key = street.world.key()
    for refused in (
        await street.resend(street.owner, made.json()["id"]),
        await street.invite(street.neighbour, "GUEST@example.org", **key),
    ):
        street.world.problem(refused, 429, "rate-limited")
        assert int(refused.headers["retry-after"]) > 60
    assert await mails(street) == RATE_LIMITS.magic_link.limit
    assert (await street.invite(street.neighbour, "other@example.org", **key)).status_code == 201  # the key is free


async def test_organization_sends_no_more_than_its_invitations_of_a_day(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = type(RATE_LIMITS.magic_link)(3, 86_400)
    monkeypatch.setattr("singr_auth.accounts.organizations._limits.INVITATIONS_A_DAY", few)
    for number in range(3):
        assert (await street.invite(street.owner, f"guest-{number}@example.org")).status_code == 201
    street.world.problem(await street.invite(street.owner, "guest@example.org"), 429, "rate-limited")
    assert (await street.invite(street.neighbour, "guest@example.org")).status_code == 201


async def test_refused_form_is_not_counted(street: Street) -> None:
    for _ in range(RATE_LIMITS.magic_link.limit + 1):
        refused = await street.as_(street.owner).post(
            street.path(street.owner), json={"email": "nobody", "role": "customer_staff"}, headers=street.world.key()
        )
        assert "email" in street.world.fields(street.world.problem(refused, 422, "invalid"))
        nobody = await street.resend(street.owner, "019ab2c0-7f00-7000-8000-00000000dead")
        street.world.problem(nobody, 404, "not-found")


async def test_invited_person_lists_and_declines_their_own(street: Street, someone: Any) -> None:
    guest, thief = await someone(), await someone()
    made = (await street.invite(street.owner, guest.email)).json()
    other = (await street.invite(street.neighbour, guest.email.upper())).json()
    caller = street.as_(guest)
    listed = await caller.get("/v1/me/invitations", params={"limit": 1})
    assert [one["id"] for one in listed.json()["items"]] == [other["id"]]
    rest = await caller.get(listed.headers["link"].split(">")[0].removeprefix("<"))
    [one] = rest.json()["items"]
    assert (one["id"], one["role"], one["expires_at"]) == (made["id"], "customer_staff", made["expires_at"])
    assert set(one) == {"id", "organization_name", "role", "inviter_name", "created_at", "expires_at"}
    path = f"/v1/me/invitations/{made['id']}/decline"
    street.world.problem(await street.as_(thief).post(path), 404, "not-found")
    assert (await street.as_(thief).get("/v1/me/invitations")).json() == {"items": [], "next_cursor": None}
    declined = await caller.post(path)
    assert (declined.status_code, declined.content) == (204, b"")
    street.world.problem(await caller.post(path), 404, "not-found")
    street.world.problem(await caller.post("/v1/me/invitations/x/decline"), 404, "not-found")
    assert [one["id"] for one in (await caller.get("/v1/me/invitations")).json()["items"]] == [other["id"]]
    shown = (await street.as_(street.owner).get(street.path(street.owner))).json()["items"]
    assert [one["status"] for one in shown] == ["revoked"]
    events = f"/v1/organizations/{street.owner.organization}/security-events"
    [last, *_] = (await street.as_(street.owner).get(events)).json()["items"]
    assert (last["kind"], last["actor"]) == ("invitation.declined", f"user:{guest.user_id}")


async def test_address_that_is_not_verified_shows_nothing(street: Street, someone: Any) -> None:
    guest = await someone()
    made = (await street.invite(street.owner, guest.email)).json()
    async with street.world.db.platform() as session:
        await session.execute(text("UPDATE users SET email_verified_at = NULL WHERE id = :id"), {"id": guest.user_id})
    assert (await street.as_(guest).get("/v1/me/invitations")).json()["items"] == []
    refused = await street.as_(guest).post(f"/v1/me/invitations/{made['id']}/decline")
    street.world.problem(refused, 404, "not-found")


async def test_demoted_owner_does_not_come_back_through_an_invitation_of_theirs(
    street: Street, someone: Any, accounts: Any
) -> None:
    traitor, accomplice = await someone(member="customer_owner"), await someone()
    organization = street.owner.organization
    async with accounts.db.tenant(organization) as session:
        await accounts.invitations.create(
            session,
            organization,
            email=accomplice.email,
            role="customer_owner",
            actor=Actor(
                f"user:{traitor.user_id}", ROLE_PERMISSIONS["customer_owner"], user_id=traitor.user_id, whole=True
            ),
        )
    token: Secret = accounts.notifier.last(InvitePerson).token
    member = f"/v1/organizations/{organization}/members/{traitor.user_id}"
    changed = await street.as_(street.owner).patch(member, json={"role": "customer_staff"})
    assert changed.status_code == 200, changed.text
    late = await street.as_(accomplice).post("/v1/invitations/accept", json={"token": token.reveal()})
    street.world.problem(late, 400, "one-time-token-refused")


async def mails(street: Street) -> int:
    async with street.world.db.platform() as session:
        return int(await session.scalar(text("SELECT count(*) FROM messages WHERE kind = 'invitation'")) or 0)


async def test_repeated_invitation_gets_its_first_answer_and_uses_nothing_up(street: Street) -> None:
    key = street.world.key()
    first = await street.invite(street.owner, "guest@example.org", **key)

    for _ in range(RATE_LIMITS.magic_link.limit + 1):
        again = await street.invite(street.owner, "guest@example.org", **key)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["idempotency-replayed"] == "true"
    assert (await street.resend(street.owner, first.json()["id"])).status_code == 200


async def test_repeated_resend_gets_its_first_answer_when_the_limit_is_used_up(street: Street) -> None:
    made = (await street.invite(street.owner, "guest@example.org")).json()["id"]
    path, key = f"{street.path(street.owner)}/{made}/resend", street.world.key()
    first = await street.as_(street.owner).post(path, headers=key)
    for _ in range(RATE_LIMITS.magic_link.limit - 2):
        await street.resend(street.owner, made)
    street.world.problem(await street.resend(street.owner, made), 429, "rate-limited")

    again = await street.as_(street.owner).post(path, headers=key)

    assert (again.status_code, again.content) == (200, first.content)
