"""Messages in doubt over HTTP: declared sent, or sent again, by those who found out."""

from typing import Any

import pytest
from api_callers import OTHER
from sqlalchemy import text

from singr_db import Database

CODE = {"kind": "verification_code", "code": "481516", "expiry_minutes": 5}


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


async def in_doubt(db: Database, caller: Any, world: Any, *, job: str = "failed") -> dict[str, Any]:
    """A message whose one attempt nobody knows the outcome of; its job waits (`pending`), or has failed for it."""
    made = (await caller.post("/v1/jobs", json=world.sms(), headers=world.key())).json()
    [delivery] = (await caller.get("/v1/deliveries", params={"job_id": made["id"]})).json()["items"]
    which = {"id": delivery["id"], "job": made["id"]}
    async with db.platform() as session:
        await session.execute(
            text(
                "UPDATE messages SET status = 'unknown', attempts = 1, provider = 'twilio',"
                ' error = \'{"code": "outcome_unknown", "message": "m"}\' WHERE id = :id'
            ),
            which,
        )
        await session.execute(
            text(
                "INSERT INTO message_attempts (message_id, attempt, organization_id, provider, status,"
                " idempotency_token, started_at)"
                " SELECT id, 1, organization_id, 'twilio', 'unknown', 't', now() FROM messages WHERE id = :id"
            ),
            which,
        )
        if job != "pending":
            await session.execute(text("DELETE FROM job_ready WHERE id = :job"), which)
            await session.execute(text("UPDATE jobs SET status = 'failed', finished_at = now() WHERE id = :job"), which)
    return {"job": made["id"], "at": f"/v1/deliveries/{delivery['id']}", "id": delivery["id"]}


async def jobs_status(caller: Any, one: dict[str, Any]) -> str:
    return str((await caller.get(f"/v1/jobs/{one['job']}")).json()["status"])


async def test_what_somebody_found_at_the_provider_is_declared_sent(owner: Any, world: Any, db: Database) -> None:
    one = await in_doubt(db, owner, world)
    body = {"outcome": "sent", "reason": "Twilio lists it."}
    answer = await owner.post(f"{one['at']}/resolve", json=body, headers=world.key())
    told = answer.json()
    assert (answer.status_code, told["status"], told["error"]) == (200, "sent", None), answer.text
    assert told["sent_at"] is not None
    assert [each["status"] for each in told["attempts"]] == ["sent"]
    async with db.platform() as session:
        line = (await session.execute(text("SELECT kind, target, reason FROM operation_log"))).one()
    assert tuple(line) == ("delivery.resolve", one["id"], "Twilio lists it.")
    again = await owner.post(f"{one['at']}/resolve", json=body, headers=world.key())
    assert "sent already" in world.problem(again, 409, "delivery-settled")["detail"]


@pytest.mark.parametrize("job", ["failed", "pending"])
async def test_what_was_not_sent_is_sent_again_by_its_job(owner: Any, world: Any, db: Database, job: str) -> None:
    one = await in_doubt(db, owner, world, job=job)
    answer = await owner.post(f"{one['at']}/resolve", json={"outcome": "send_again"}, headers=world.key())
    told = answer.json()
    assert (answer.status_code, told["status"]) == (200, "queued"), answer.text
    assert [(each["status"], each["error"]["code"]) for each in told["attempts"]] == [("failed", "declared_unsent")]
    assert await jobs_status(owner, one) == "pending"
    async with db.platform() as session:
        ready = text("SELECT count(*) FROM job_ready WHERE id = :job")
        assert await session.scalar(ready, {"job": one["job"]}) == 1, "it is due"


async def test_a_code_whose_words_are_erased_is_not_sent_again(owner: Any, world: Any, db: Database) -> None:
    one = await in_doubt(db, owner, world)
    async with db.platform() as session:
        await session.execute(text("UPDATE messages SET content_sealed = ''"))
    answer = await owner.post(f"{one['at']}/resolve", json={"outcome": "send_again"}, headers=world.key())
    world.problem(answer, 409, "words-gone")
    assert (await owner.get(one["at"])).json()["status"] == "unknown", "nothing is half done"


async def test_a_message_whose_job_is_gone_is_not_queued_for_nobody(owner: Any, world: Any, db: Database) -> None:
    one = await in_doubt(db, owner, world)
    async with db.platform() as session:
        await session.execute(text("DELETE FROM jobs"))
    answer = await owner.post(f"{one['at']}/resolve", json={"outcome": "send_again"}, headers=world.key())
    world.problem(answer, 404, "not-found")
    assert (await owner.get(one["at"])).json()["status"] == "unknown"
    answer = await owner.post(f"{one['at']}/resolve", json={"outcome": "sent"}, headers=world.key())
    assert (answer.status_code, answer.json()["status"]) == (200, "sent")


async def test_bad_words_are_refused_by_field(owner: Any, world: Any, db: Database) -> None:
    one = await in_doubt(db, owner, world)
    for body, field in (({"outcome": "maybe"}, "outcome"), ({"outcome": "sent", "reason": "two\nlines"}, "reason")):
        answer = await owner.post(f"{one['at']}/resolve", json=body, headers=world.key())
        assert [each["field"] for each in world.problem(answer, 422, "invalid")["errors"]] == [field]


async def test_another_organization_resolves_nothing_of_ours(
    owner: Any, world: Any, db: Database, standing_url: str, client: Any, someone: Any
) -> None:
    one = await in_doubt(db, owner, world)
    stranger = client(standing_url, await someone(member="customer_owner", of=OTHER))
    answer = await stranger.post(f"{one['at']}/resolve", json={"outcome": "sent"}, headers=world.key())
    world.problem(answer, 404, "not-found")
    assert (await owner.get(one["at"])).json()["status"] == "unknown"
