"""Organizations over HTTP: each sees and changes its own, answers come once, and roles decide."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest
from api_town import Town
from sqlalchemy import text

from singr_auth import SigningKey
from singr_auth.accounts import ServiceCredentials
from singr_config.constants import ROLE_PERMISSIONS
from singr_db import Sealer


async def test_made_organization_is_owned_listed_read_and_renamed(town: Town) -> None:
    owner = await town.someone()
    path = await town.venue(owner, "Blue Note")
    listed = (await town.as_(owner).get("/v1/organizations")).json()["items"]
    assert [(one["name"], one["slug"], one["role"]) for one in listed] == [("Blue Note", "blue-note", "customer_owner")]
    assert set(listed[0]["permissions"]) == ROLE_PERMISSIONS["customer_owner"]
    renamed = await town.as_(owner).patch(path, json={"name": "Red Note"})
    assert (renamed.status_code, renamed.json()["name"], renamed.json()["slug"]) == (200, "Red Note", "blue-note")
    assert (await town.as_(owner).get(path)).json() == renamed.json()
    events = (await town.as_(owner).get(f"{path}/security-events")).json()["items"]
    assert [event["kind"] for event in events] == ["organization.renamed", "organization.created"]
    assert {event["actor"] for event in events} == {f"user:{owner.user_id}"}


@pytest.mark.parametrize(
    ("name", "code"),
    [("Singr", "taken"), ("Singr Security", "taken"), ("\ua4e2ingr", "taken"), ("Blue\u2060", "malformed")],
)
async def test_no_organization_goes_by_the_platforms_name_or_one_with_unseen_characters(
    town: Town, name: str, code: str
) -> None:
    owner = await town.someone()
    renamed = await town.as_(owner).patch(await town.venue(owner), json={"name": name})
    made = await town.as_(owner).post("/v1/organizations", json={"name": name}, headers=town.world.key())
    for refused in (renamed, made):
        [fault] = town.world.problem(refused, 422, "invalid")["errors"]
        assert (fault["field"], fault["code"]) == ("name", code)


async def test_one_key_makes_one_organization_and_is_the_persons_own(town: Town) -> None:
    one, other = await town.someone(), await town.someone()
    headers = town.world.key()
    sends = [town.as_(one).post("/v1/organizations", json={"name": "Blue"}, headers=headers) for _ in range(10)]
    answers = await asyncio.gather(*sends)
    done = [answer for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in done}) == 1
    again = await town.as_(one).post("/v1/organizations", json={"name": "Blue"}, headers=headers)
    assert (again.content, again.headers["location"]) == (done[0].content, done[0].headers["location"])
    assert again.headers["idempotency-replayed"] == "true"
    # the same key in another person's hand is another key
    theirs = await town.as_(other).post("/v1/organizations", json={"name": "Blue"}, headers=headers)
    assert theirs.status_code == 201
    assert theirs.json()["id"] != again.json()["id"]
    assert len((await town.as_(one).get("/v1/organizations")).json()["items"]) == 1
    changed = await town.as_(one).post("/v1/organizations", json={"name": "Red"}, headers=headers)
    town.world.problem(changed, 422, "idempotency-key-reused")


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "  "}, {"name": "a\nb"}, {"name": 5}, {"name": "x", "y": 1}]
)
async def test_bad_body_names_the_field(town: Town, body: dict[str, Any]) -> None:
    person = await town.someone()
    answer = await town.as_(person).post("/v1/organizations", json=body, headers=town.world.key())
    assert town.world.fields(town.world.problem(answer, 422, "invalid"))


async def test_service_cannot_make_or_list_a_persons_organizations(town: Town, callers: Any) -> None:
    for method in ("POST", "GET"):
        answer = await town.as_(callers.own).request(
            method, "/v1/organizations", json={"name": "x"}, headers=town.world.key()
        )
        town.world.problem(answer, 403, "person-required")


def inside(path: str, user_id: Any) -> list[tuple[str, str, Any]]:
    """Every route within an organization, with a body that its owner could send."""
    nobody = "019ab2c0-7f00-7000-8000-00000000dead"
    return [
        ("GET", path, None),
        ("PATCH", path, {"name": "Mine"}),
        ("DELETE", path, None),
        ("GET", f"{path}/members", None),
        ("PATCH", f"{path}/members/{user_id}", {"role": "customer_staff"}),
        ("DELETE", f"{path}/members/{user_id}", None),
        ("POST", f"{path}/leave", None),
        ("POST", f"{path}/transfer-ownership", {"user_id": str(user_id)}),
        ("GET", f"{path}/invitations", None),
        ("POST", f"{path}/invitations", {"email": "x@example.org", "role": "customer_staff"}),
        ("POST", f"{path}/invitations/{nobody}/resend", None),
        ("DELETE", f"{path}/invitations/{nobody}", None),
        ("GET", f"{path}/roles", None),
        ("POST", f"{path}/roles", {"name": "r", "permissions": ["venues:read"]}),
        ("PATCH", f"{path}/roles/{nobody}", {"name": "r"}),
        ("DELETE", f"{path}/roles/{nobody}", None),
        ("GET", f"{path}/security-events", None),
    ]


async def test_nobody_reaches_into_another_organization(town: Town, settings: Any) -> None:
    """S3: a member of another, nobody's member, and the credentials of another organization, on every route."""
    owner, neighbour, stranger = await town.someone(), await town.someone(), await town.someone()
    path, theirs = await town.venue(owner, "Ours"), await town.venue(neighbour, "Theirs")
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    credentials = ServiceCredentials(town.accounts.db, sealer, settings.ingestion)
    async with town.accounts.db.platform() as session:
        foreign = await credentials.create_signing_credential(
            session,
            name="foreign",
            organization_id=UUID(theirs.rpartition("/")[2]),
            scopes=ROLE_PERMISSIONS["customer_owner"],
        )
    service = SigningKey(foreign.key_id, foreign.secret)
    for method, target, body in inside(path, owner.user_id):
        for caller in (neighbour, stranger, service):
            answer = await town.as_(caller).request(method, target, json=body, headers=town.world.key())
            slug = answer.json()["type"].rpartition("/")[2]
            assert (answer.status_code, slug) in {(403, "organization-forbidden"), (403, "person-required")}, target
            assert slug != "person-required" or caller is service
    everybody = (await town.as_(owner).get(f"{path}/members")).json()["items"]
    assert [member["user_id"] for member in everybody] == [str(owner.user_id)]
    assert (await town.as_(owner).get(path)).json()["name"] == "Ours"


async def test_what_belongs_to_another_organization_is_not_found_through_ones_own(town: Town) -> None:
    owner, neighbour = await town.someone(), await town.someone()
    path, theirs = await town.venue(owner, "Ours"), await town.venue(neighbour, "Theirs")
    invited = await town.as_(owner).post(
        f"{path}/invitations", json={"email": "x@example.org", "role": "customer_staff"}, headers=town.world.key()
    )
    role = await town.as_(owner).post(
        f"{path}/roles", json={"name": "Door", "permissions": ["venues:read"]}, headers=town.world.key()
    )
    thief = town.as_(neighbour)
    for method, target, body in (
        ("PATCH", f"{theirs}/members/{owner.user_id}", {"role": "customer_staff"}),
        ("DELETE", f"{theirs}/members/{owner.user_id}", None),
        ("POST", f"{theirs}/invitations/{invited.json()['id']}/resend", None),
        ("DELETE", f"{theirs}/invitations/{invited.json()['id']}", None),
        ("PATCH", f"{theirs}/roles/{role.json()['id']}", {"permissions": []}),
        ("DELETE", f"{theirs}/roles/{role.json()['id']}", None),
    ):
        town.world.problem(await thief.request(method, target, json=body, headers=town.world.key()), 404, "not-found")
    for name in ("members", "invitations", "roles"):
        document = (await thief.get(f"{theirs}/{name}")).text
        assert str(owner.user_id) not in document
        assert "x@example.org" not in document
        assert "Door" not in document
    given = await thief.post(
        f"{theirs}/invitations", json={"email": "y@example.org", "role": "Door"}, headers=town.world.key()
    )
    assert "role" in town.world.fields(town.world.problem(given, 422, "invalid"))


async def test_role_decides_what_a_member_may_do(town: Town) -> None:
    path = await town.venue(await town.someone())
    staff, manager = [
        await town.joins(await town.someone(), path, role) for role in ("customer_staff", "customer_manager")
    ]
    assert (await town.as_(manager).get(f"{path}/members")).status_code == 200
    for caller, targets in (
        (staff, inside(path, staff.user_id)),
        (manager, [one for one in inside(path, staff.user_id) if one[0] != "GET"]),
    ):
        for method, target, body in targets:
            if target.endswith(("/leave", "/transfer-ownership")) or (method, target) == ("DELETE", path):
                continue  # a person's own doing
            answer = await town.as_(caller).request(method, target, json=body, headers=town.world.key())
            town.world.problem(answer, 403, "scope-missing")
    handed = await town.as_(manager).post(f"{path}/transfer-ownership", json={"user_id": str(manager.user_id)})
    town.world.problem(handed, 403, "not-allowed")


async def test_nobody_gives_themselves_more_than_they_hold(town: Town) -> None:
    owner = await town.someone()
    path = await town.venue(owner)
    made = await town.as_(owner).post(
        f"{path}/roles",
        json={"name": "People", "permissions": ["organization:read", "organization:write"]},
        headers=town.world.key(),
    )
    people = await town.joins(await town.someone(), path, "People")
    caller = town.as_(people)
    refusals = [
        await caller.patch(f"{path}/members/{people.user_id}", json={"role": "customer_owner"}),
        await caller.patch(f"{path}/members/{owner.user_id}", json={"role": "People"}),
        await caller.delete(f"{path}/members/{owner.user_id}"),
        await caller.patch(f"{path}/roles/{made.json()['id']}", json={"permissions": ["billing:write"]}),
        await caller.post(
            f"{path}/roles", json={"name": "x", "permissions": ["billing:write"]}, headers=town.world.key()
        ),
        await caller.post(
            f"{path}/invitations",
            json={"email": "accomplice@example.org", "role": "customer_owner"},
            headers=town.world.key(),
        ),
    ]
    for refused in refusals:
        town.world.problem(refused, 403, "not-allowed")
    for permission in ("operations:write", "users:read", "everything"):
        answer = await town.as_(owner).post(
            f"{path}/roles", json={"name": "x", "permissions": [permission]}, headers=town.world.key()
        )
        town.world.problem(answer, 422, "invalid")


@pytest.mark.parametrize("way", ["demoted", "removed", "left", "role"])
async def test_lost_permission_is_refused_by_another_process_within_a_second(
    town: Town, settings: Any, serve_app: Any, way: str
) -> None:
    """S10: what one process changes, another one with a warm memory learns in time."""
    owner = await town.someone()
    path = await town.venue(owner)
    role = await town.as_(owner).post(
        f"{path}/roles", json={"name": "Reader", "permissions": ["organization:read"]}, headers=town.world.key()
    )
    member = await town.joins(await town.someone(), path, "Reader")
    async with serve_app(settings) as elsewhere:
        other = Town(elsewhere, town.client, town.someone, town.world, town.accounts)
        assert (await other.as_(member).get(f"{path}/members")).status_code == 200
        here = town.as_(owner)
        change = {
            "demoted": lambda: here.patch(f"{path}/members/{member.user_id}", json={"role": "customer_staff"}),
            "removed": lambda: here.delete(f"{path}/members/{member.user_id}"),
            "left": lambda: town.as_(member).post(f"{path}/leave"),
            "role": lambda: here.patch(f"{path}/roles/{role.json()['id']}", json={"permissions": []}),
        }[way]
        assert (await change()).is_success
        slug = "scope-missing" if way in {"demoted", "role"} else "organization-forbidden"
        await other.until_refused(member, f"{path}/members", slug)
        # and the process that made the change knows it at once
        assert (await town.as_(member).get(f"{path}/members")).status_code == 403


async def test_last_owner_stays_whatever_is_asked(town: Town) -> None:
    owner = await town.someone()
    path = await town.venue(owner)
    caller = town.as_(owner)
    for refused in (
        await caller.post(f"{path}/leave"),
        await caller.patch(f"{path}/members/{owner.user_id}", json={"role": "customer_manager"}),
        await caller.delete(f"{path}/members/{owner.user_id}"),
    ):
        town.world.problem(refused, 409, "conflict")


async def test_ownership_goes_to_one_of_many_members_at_once_and_both_sides_are_told(town: Town) -> None:
    owner = await town.someone()
    path = await town.venue(owner)
    heirs = [await town.joins(await town.someone(), path) for _ in range(5)]
    answers = await asyncio.gather(
        *(town.as_(owner).post(f"{path}/transfer-ownership", json={"user_id": str(heir.user_id)}) for heir in heirs)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 403, 403, 403, 403]
    new = next(answer.json() for answer in answers if answer.status_code == 200)
    assert new["role"] == "customer_owner"
    mine = (await town.as_(owner).get("/v1/organizations")).json()["items"][0]
    assert mine["role"] == "customer_manager"
    async with town.accounts.db.platform() as session:
        told = await session.scalar(text("SELECT count(*) FROM messages WHERE kind = 'security_notice'"))
    assert told == 2


async def test_ownership_takes_a_recent_proof_of_presence(town: Town) -> None:
    owner = await town.someone()
    path = await town.venue(owner)
    heir = await town.joins(await town.someone(), path)
    async with town.accounts.db.platform() as session:
        await session.execute(
            text("UPDATE auth_sessions SET authenticated_at = now() - interval '16 minutes' WHERE id = :id"),
            {"id": owner.session_id},
        )
    answer = await town.as_(owner).post(f"{path}/transfer-ownership", json={"user_id": str(heir.user_id)})
    town.world.problem(answer, 403, "reauthentication-required")
    assert (await town.as_(owner).get("/v1/organizations")).json()["items"][0]["role"] == "customer_owner"


async def test_pages_of_members_hold_fifty_at_most_and_lead_on(town: Town) -> None:
    owner = await town.someone()
    path = await town.venue(owner)
    for _ in range(2):
        await town.joins(await town.someone(), path)
    caller = town.as_(owner)
    town.world.problem(await caller.get(f"{path}/members", params={"limit": 51}), 422, "invalid")
    town.world.problem(await caller.get(f"{path}/members", params={"cursor": "nonsense"}), 422, "invalid")
    first = await caller.get(f"{path}/members", params={"limit": 2})
    assert 'rel="next"' in first.headers["link"]
    rest = await caller.get(first.headers["link"].split(">")[0].removeprefix("<"))
    people = {one["user_id"] for page in (first, rest) for one in page.json()["items"]}
    assert len(people) == 3
    assert rest.json()["next_cursor"] is None


async def test_browser_needs_its_csrf_token_to_change_an_organization(town: Town) -> None:
    owner = await town.someone()
    path = await town.venue(owner)
    forged = await town.as_(owner.cookie).patch(path, json={"name": "Forged"})
    town.world.problem(forged, 403, "csrf-refused")
    assert (await town.as_(owner.page).patch(path, json={"name": "Ours"})).status_code == 200


async def test_platforms_own_organization_is_nobodys_to_change(town: Town) -> None:
    admin = await town.someone(platform="admin")
    path = "/v1/organizations/01920000-0000-7000-8000-000000000000"
    caller = town.as_(admin)
    town.world.problem(await caller.get(path), 404, "not-found")
    town.world.problem(await caller.patch(path, json={"name": "Mine"}), 404, "not-found")
    body = {"email": "x@example.org", "role": "customer_owner"}
    town.world.problem(await caller.post(f"{path}/invitations", json=body, headers=town.world.key()), 404, "not-found")


async def test_no_answer_or_row_of_the_audit_trail_holds_a_token_or_a_whole_address(town: Town) -> None:
    owner, guest = await town.someone(), await town.someone()
    path = await town.venue(owner)
    member = await town.joins(guest, path)
    await town.as_(owner).patch(f"{path}/members/{member.user_id}", json={"role": "customer_manager"})
    events = (await town.as_(owner).get(f"{path}/security-events")).json()["items"]
    assert [event["kind"] for event in events][:2] == ["member.role_changed", "member.joined"]
    assert guest.email not in str(events)
    assert "sin_" not in msgspec.json.encode(events).decode()
