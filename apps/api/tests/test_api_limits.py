"""Limits by key over HTTP: seen and set by operators of the platform alone, with a line in the operation log."""

from typing import Any

import pytest
from sqlalchemy import text

_DECLARE = "INSERT INTO job_limits (type, concurrency, rate_count, rate_seconds) VALUES ('test.charge', 1, 100, 60)"
_RATE = {"count": 100, "seconds": 60.0}


@pytest.fixture
async def admin(standing_url: str, client: Any, someone: Any, world: Any) -> Any:
    async with world.db.platform() as session:
        await session.execute(text(_DECLARE))
    return client(standing_url, await someone(platform="admin"))


async def test_operators_read_and_set_limits_and_the_log_says_who(admin: Any) -> None:
    declared = {"type": "test.charge", "declared_concurrency": 1, "declared_rate": _RATE}
    assert (await admin.get("/v1/limits")).json() == {"items": [declared | {"concurrency": None, "rate": None}]}
    why = {"concurrency": 3, "reason": "The provider allows it now."}
    answer = await admin.patch("/v1/limits/test.charge", json=why)
    assert (answer.status_code, answer.json()) == (200, declared | {"concurrency": 3, "rate": None})
    [line] = (await admin.get("/v1/operation-log", params={"target": "test.charge"})).json()["items"]
    assert (line["kind"], line["after"], line["reason"]) == ("limits.set", {"set_concurrency": 3}, why["reason"])
    assert line["actor"].startswith("user:")


async def test_what_is_left_out_stays_and_null_is_what_is_declared(admin: Any) -> None:
    await admin.patch("/v1/limits/test.charge", json={"concurrency": 0})
    both = (await admin.patch("/v1/limits/test.charge", json={"rate": {"count": 10}})).json()
    assert (both["concurrency"], both["rate"]) == (0, {"count": 10, "seconds": 60.0})
    left = (await admin.patch("/v1/limits/test.charge", json={"concurrency": None})).json()
    assert (left["concurrency"], left["rate"]) == (None, both["rate"])
    assert (await admin.get("/v1/limits")).json()["items"] == [left]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"concurrency": -1}, "concurrency"),
        ({"concurrency": 100_001}, "concurrency"),
        ({"rate": {"count": 0}}, "rate.count"),
        ({"rate": {"count": 2**40}}, "rate.count"),
        ({"rate": {"count": 1, "seconds": 1e-9}}, "rate.seconds"),
        ({"rate": {"count": 1, "seconds": 0}}, "rate.seconds"),
        ({"weight": 3}, "weight"),
    ],
)
async def test_what_cannot_be_set_is_refused_by_its_field(admin: Any, world: Any, body: Any, field: str) -> None:
    answer = await admin.patch("/v1/limits/test.charge", json=body)
    assert field in world.fields(world.problem(answer, 422, "invalid"))


@pytest.mark.parametrize("name", ["test.none", "NoType", "test.steer" * 50])
async def test_a_type_without_limits_is_refused(admin: Any, world: Any, name: str) -> None:
    world.problem(await admin.patch(f"/v1/limits/{name}", json={"concurrency": 1}), 404, "limits-unknown")


async def test_limits_are_nobodys_business_but_the_platforms(standing_url: str, client: Any, someone: Any) -> None:
    for person in (await someone(member="customer_owner"), await someone(member="customer_owner", platform="admin")):
        owner = client(standing_url, person)
        assert (await owner.get("/v1/limits")).status_code == 403
        assert (await owner.patch("/v1/limits/test.charge", json={"concurrency": 1})).status_code == 403
