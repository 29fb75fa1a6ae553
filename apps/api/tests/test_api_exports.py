"""Everything that is kept about a person is asked for by who may, once, and by people about themselves."""

from typing import Any

import pytest
from api_callers import OTHER

AT = "/v1/recipients/u-17/export"


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


async def test_owner_has_a_persons_data_sent_to_them_once_at_a_time(
    owner: Any, world: Any, standing_url: str, client: Any, someone: Any
) -> None:
    world.problem(await owner.post(AT, headers=world.key()), 404, "not-found")
    await owner.put("/v1/recipients/u-18", json={"phone": "+15555550100"})
    world.problem(await owner.post("/v1/recipients/u-18/export", headers=world.key()), 409, "conflict")
    await owner.put("/v1/recipients/u-17", json={"email": "ada@example.org"})
    manager = client(standing_url, await someone(member="customer_manager"))
    world.problem(await manager.post(AT, headers=world.key()), 403, "scope-missing")
    stranger = client(standing_url, await someone(member="customer_owner", of=OTHER))
    world.problem(await stranger.post(AT, headers=world.key()), 404, "not-found")
    key = world.key()
    first, again = [await owner.post(AT, headers=key) for _ in range(2)]
    assert (first.status_code, first.content) == (202, again.content)
    job = (await owner.get(f"/v1/jobs/{first.json()['job_id']}")).json()
    assert (job["type"], job["status"]) == ("person.export", "pending")
    refused = await owner.post(AT, headers=world.key())
    world.problem(refused, 429, "rate-limited")
    assert 80_000 < int(refused.headers["retry-after"]) <= 86_400
    assert (await owner.post("/v1/recipients/u-17/erase", headers=world.key())).status_code == 202


async def test_nobody_has_an_export_sent_to_an_address_of_their_own_choice(owner: Any, world: Any) -> None:
    for address in ("eve@example.org", "owner@example.org"):
        await owner.put("/v1/recipients/u-19", json={"email": address})
    refused = await owner.post("/v1/recipients/u-19/export", headers=world.key())
    assert "within the last 24 hours" in world.problem(refused, 429, "rate-limited")["detail"]
    assert 86_000 < int(refused.headers["retry-after"]) <= 86_400


async def test_people_ask_for_their_own_in_an_organization_of_theirs(
    world: Any, standing_url: str, client: Any, someone: Any
) -> None:
    member = client(standing_url, await someone(member="customer_staff"))
    world.problem(await member.post("/v1/me/export", params={"organization_id": str(OTHER)}), 404, "not-found")
    assert (await member.post("/v1/me/export")).status_code == 202
    world.problem(await member.post("/v1/me/export"), 429, "rate-limited")
    alone = client(standing_url, await someone())
    assert (await alone.post("/v1/me/export")).status_code == 202
