"""People whom an organization reaches, over HTTP: kept, imported, found, taken off; of another organization none."""

from typing import Any

import pytest
from api_callers import OTHER
from sqlalchemy import text

AT = "/v1/recipients"
ADA = {
    "name": "Ada",
    "email": "ada@example.org",
    "phone": "+15555550100",
    "locale": "de-at",
    "time_zone": "Europe/Vienna",
    "tags": ["newsletter"],
    "quiet_hours": {"from": "22:00", "to": "07:30"},
    "digest": {"at": "08:00"},
}


def codes(problem: dict[str, Any]) -> dict[str, str]:
    """What is wrong, by field."""
    return {one["field"]: one["code"] for one in problem["errors"]}


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


async def test_a_person_is_kept_masked_found_and_taken_off_and_no_strangers(
    owner: Any, world: Any, standing_url: str, client: Any, someone: Any
) -> None:
    made = await owner.put(f"{AT}/u-17", json=ADA)
    assert made.status_code == 201
    assert (await owner.put(f"{AT}/u-17", json=ADA)).status_code == 200
    told = (await owner.get(f"{AT}/u-17")).json()
    assert (told["email"], told["phone"], told["locale"]) == ("a***@example.org", "+1******0100", "de-AT")
    assert told["quiet_hours"] == {"from": "22:00", "to": "07:30", "days": None}
    for found in ({"address": "ADA@example.org"}, {"address": "+15555550100"}, {"tag": "newsletter"}):
        assert [one["id"] for one in (await owner.get(AT, params=found)).json()["items"]] == [told["id"]]
    assert (await owner.get(AT, params={"tag": "other"})).json()["items"] == []
    stranger = client(standing_url, await someone(member="customer_owner", of=OTHER))
    assert (await stranger.get(AT)).json()["items"] == []
    world.problem(await stranger.get(f"{AT}/u-17"), 404, "not-found")
    world.problem(await stranger.delete(f"{AT}/u-17"), 404, "not-found")
    staff = client(standing_url, await someone(member="customer_staff"))
    world.problem(await staff.put(f"{AT}/u-18", json=ADA), 403, "scope-missing")
    assert (await owner.delete(f"{AT}/u-17")).status_code == 204
    world.problem(await owner.delete(f"{AT}/u-17"), 404, "not-found")


async def test_a_member_is_named_by_their_account(owner: Any, world: Any, someone: Any) -> None:
    member = await someone(member="customer_staff")
    told = (await owner.put(f"{AT}/staff", json={"user_id": str(member.user_id)})).json()
    assert told["email"] is not None
    foreign = await someone(member="customer_owner", of=OTHER)
    answer = world.problem(await owner.put(f"{AT}/x", json={"user_id": str(foreign.user_id)}), 422, "invalid")
    assert codes(answer) == {"user_id": "not_found"}


async def test_an_import_tells_all_that_is_wrong_and_keeps_nothing(owner: Any, world: Any) -> None:
    people: list[dict[str, Any]] = [{"external_id": f"u-{number}", **ADA} for number in range(4)]
    people[1]["email"] = "ada@nowhere.invalid"
    people[3] |= {"phone": "+1555555", "time_zone": "Mars/Base"}
    refused = await owner.post(f"{AT}/import", json={"recipients": people}, headers=world.key())
    assert codes(world.problem(refused, 422, "invalid")) == {
        "recipients[1].email": "malformed",
        "recipients[3].phone": "malformed",
        "recipients[3].time_zone": "unknown_value",
    }
    assert (await owner.get(AT)).json()["items"] == []
    key = world.key()
    for _ in range(2):
        done = await owner.post(f"{AT}/import", json={"recipients": [people[0], people[2]]}, headers=key)
        assert (done.status_code, done.json()) == (200, {"created": 2, "updated": 0})
    form = await owner.post(f"{AT}/import", json={"recipients": [{"email": "x"}]}, headers=world.key())
    assert {"recipients[0].external_id", "recipients[0].email"} <= codes(world.problem(form, 422, "invalid")).keys()
    many = [{"external_id": f"u-{number}"} for number in range(1001)]
    answer = await owner.post(f"{AT}/import", json={"recipients": many}, headers=world.key())
    assert codes(world.problem(answer, 422, "invalid")) == {"recipients": "too_many_items"}


async def test_an_id_may_be_encoded_as_clients_do_or_not(owner: Any) -> None:
    assert (await owner.put(f"{AT}/auth0%7Cjo%40example.org", json=ADA)).status_code == 201
    for spelling in ("auth0%7cjo@example.org", "auth0%7Cjo%40example.org"):
        assert (await owner.get(f"{AT}/{spelling}")).json()["external_id"] == "auth0|jo@example.org"


@pytest.mark.parametrize("wrong", ["a%2Fb", "%00", "..%20", "x" * 129, "%E2%82%AC"])
async def test_what_is_no_id_is_told_or_found_by_nobody(owner: Any, world: Any, wrong: str) -> None:
    assert (await owner.put(f"{AT}/{wrong}", json={})).status_code in {404, 422}
    assert (await owner.get(f"{AT}/{wrong}")).status_code == 404


async def test_who_is_erased_is_gone_at_once_and_a_job_blanks_the_rest(
    owner: Any, world: Any, standing_url: str, client: Any, someone: Any
) -> None:
    assert (await owner.put(f"{AT}/u-17", json=ADA)).status_code == 201
    manager = client(standing_url, await someone(member="customer_manager"))
    world.problem(await manager.post(f"{AT}/u-17/erase", headers=world.key()), 403, "scope-missing")
    stranger = client(standing_url, await someone(member="customer_owner", of=OTHER))
    world.problem(await stranger.post(f"{AT}/u-17/erase", headers=world.key()), 404, "not-found")
    key = world.key()
    first, again = [await owner.post(f"{AT}/u-17/erase", headers=key) for _ in range(2)]
    assert (first.status_code, first.content) == (202, again.content)
    job = (await owner.get(f"/v1/jobs/{first.json()['job_id']}")).json()
    assert (job["type"], job["status"]) == ("recipient.erase_by_key", "pending")
    world.problem(await owner.get(f"{AT}/u-17"), 404, "not-found")
    world.problem(await owner.post(f"{AT}/u-17/erase", headers=world.key()), 404, "not-found")


async def test_own_table_that_refers_to_a_person_is_named_where_they_are_to_go(
    owner: Any, world: Any, someone: Any
) -> None:
    member = {"user_id": str((await someone(member="customer_staff")).user_id)}
    other = {"user_id": str((await someone(member="customer_staff")).user_id)}
    made = await owner.put(f"{AT}/u-17", json=member)
    async with world.db.platform() as session:
        await session.execute(text("CREATE TABLE loans (lent_to uuid REFERENCES recipients)"))
        await session.execute(text("INSERT INTO loans VALUES (:id)"), {"id": made.json()["id"]})
    try:
        for refused in (
            await owner.delete(f"{AT}/u-17"),
            await owner.post(f"{AT}/u-17/erase", headers=world.key()),
            await owner.put(f"{AT}/u-17", json=other),
            await owner.post(
                f"{AT}/import", json={"recipients": [{"external_id": "u-17"} | other]}, headers=world.key()
            ),
        ):
            assert "loans" in world.problem(refused, 409, "conflict")["detail"]
        assert (await owner.get(f"{AT}/u-17")).json()["user_id"] == member["user_id"]
    finally:
        async with world.db.platform() as session:
            await session.execute(text("DROP TABLE loans"))
    assert (await owner.delete(f"{AT}/u-17")).status_code == 204
