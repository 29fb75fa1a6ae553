"""Statistics over HTTP: what is told apart, of the own organization, and every fault by its field."""

from datetime import timedelta
from typing import Any

import pytest
from api_callers import OTHER

from singr_comms.notifications import count_deliveries
from singr_config.clock import clock
from singr_db import Database

AT = "/v1/statistics/deliveries"


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


async def test_messages_are_told_apart_and_another_organizations_are_none(
    owner: Any, world: Any, db: Database, standing_url: str, client: Any, someone: Any
) -> None:
    for _ in range(2):
        assert (await owner.post("/v1/jobs", json=world.sms(), headers=world.key())).status_code == 202
    await count_deliveries(db)
    told = (await owner.get(AT, params={"by": "type,channel"})).json()
    [group] = told["items"]
    assert (group["type"], group["channel"], group["messages"], group["states"]["queued"]) == ("plain", "sms", 2, 2)
    assert (group["rates"], group["seconds_to_delivered"], told["is_whole"]) == (None, None, True)
    assert told["counted_at"] is not None
    stranger = client(standing_url, await someone(member="customer_owner", of=OTHER))
    assert (await stranger.get(AT)).json()["items"] == []


async def test_a_persons_messages_are_counted_for_their_organization_alone_and_not_once_erased(
    owner: Any, world: Any, standing_url: str, client: Any, someone: Any
) -> None:
    at = "/v1/recipients/u-17/statistics"
    world.problem(await owner.get(at), 404, "not-found")
    assert (await owner.put("/v1/recipients/u-17", json={"phone": "+15555550100"})).status_code == 201
    assert (await owner.post("/v1/jobs", json=world.sms(), headers=world.key())).status_code == 202
    [group] = (await owner.get(at)).json()["items"]
    assert (group["channel"], group["messages"], group["states"]["queued"]) == ("sms", 1, 1)
    stranger = client(standing_url, await someone(member="customer_owner", of=OTHER))
    world.problem(await stranger.get(at), 404, "not-found")
    wrong = world.problem(await owner.get(at, params={"by": "user", "from": "soon"}), 422, "invalid")
    assert [one["field"] for one in wrong["errors"]] == ["from", "by"]
    world.problem(await owner.get("/v1/recipients/%00/statistics"), 404, "not-found")
    assert (await owner.post("/v1/recipients/u-17/erase", headers=world.key())).status_code == 202
    world.problem(await owner.get(at), 404, "not-found")


async def test_every_fault_is_named_at_once(owner: Any, world: Any) -> None:
    async def fields(**given: str) -> list[str]:
        errors = world.problem(await owner.get(AT, params=given), 422, "invalid")["errors"]
        return [one["field"] for one in errors]

    now = clock.now()
    naive, earlier = "2026-11-20T00:00:00", (now - timedelta(days=100)).isoformat()
    assert await fields(by="month", **{"from": naive, "to": "soon"}) == ["from", "to", "by"]
    assert await fields(by="type,type", **{"from": now.isoformat(), "to": earlier}) == ["by", "from"]
    assert await fields(**{"from": earlier}) == ["from"]
    assert await fields(by="user", **{"from": (now - timedelta(days=8)).isoformat()}) == ["from"]
    assert await fields(since=naive) == ["since"]
    ends_of_time = ("9999-12-31T23:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00")
    for moment in ends_of_time:
        assert await fields(to=moment) == ["to"]
        assert await fields(**{"from": moment}) == ["from"]
        assert await fields(**{"from": moment, "to": moment}) == ["from", "to"]
        at = "/v1/recipients/u-17/statistics"
        errors = world.problem(await owner.get(at, params={"to": moment}), 422, "invalid")["errors"]
        assert [(one["field"], one["code"]) for one in errors] == [("to", "out_of_range")]
