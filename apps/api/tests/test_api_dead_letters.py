"""Dead letters over HTTP: seen and settled by their own organization, and by operators for all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from singr_auth import SigningKey
from singr_auth.accounts import ServiceCredentials
from singr_config import Settings
from singr_db import Database, Sealer
from singr_db.ending import SETTLE

ERROR = '{"code": "provider_unavailable", "message": "the provider answers 503 for message 17"}'


async def die(db: Database, *ids: str) -> None:
    """Let jobs fail for good, as a worker writes it down."""
    async with db.psycopg.connection() as connection, connection.transaction():
        await connection.execute("DELETE FROM job_ready WHERE id = ANY (%s::uuid[])", (list(ids),))
        await connection.execute(
            "INSERT INTO job_tickets (token, queue, ids, state, leased_until, worker, started_at)"
            " VALUES (1, 'sms', %s::uuid[], 'working', now() + interval '1 hour', 'w', now())",
            (list(ids),),
        )
        given = {"ids": "{" + ",".join(ids) + "}", "tokens": [1], "spent": [1], "worker": "w", "holding": []}
        each: dict[str, list[Any]] = {
            "statuses": ["failed"],
            "outcomes": ["failed"],
            "errors": [ERROR],
            "delays": [0.0],
        }
        await connection.execute(SETTLE.followed, {**given, **{name: one * len(ids) for name, one in each.items()}})


async def dead(db: Database, caller: Any, world: Any, **changed: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A job that failed for good, as it was answered, and its letter as it is listed."""
    answer = await caller.post("/v1/jobs", json=world.sms(**changed), headers=world.key())
    assert answer.status_code in {200, 202}, answer.text
    job = answer.json()
    await die(db, job["id"])
    [letter] = (await caller.get("/v1/dead-letters", params={"job_id": job["id"], "state": "open"})).json()["items"]
    return job, letter


@pytest.fixture
async def owner(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(member="customer_owner"))


@pytest.fixture
async def operator(standing_url: str, client: Any, someone: Any) -> Any:
    return client(standing_url, await someone(platform="admin"))


async def test_a_failure_is_listed_grouped_read_and_requeued(owner: Any, world: Any, db: Database) -> None:
    job, letter = await dead(db, owner, world)
    assert (letter["job_id"], letter["type"], letter["state"]) == (job["id"], "sms.send", "open")
    told = (await owner.get("/v1/dead-letters/groups", params={"type": "sms.send"})).json()
    assert [(one["fingerprint"], one["count"], one["counted"]) for one in told["groups"]] == [
        (letter["fingerprint"], 1, "exact")
    ]
    at = f"/v1/dead-letters/{letter['id']}"
    one = (await owner.get(at)).json()
    assert (one["payload"], [each["outcome"] for each in one["history"]]) == (job["payload"], ["failed"])
    answer = await owner.post(f"{at}/requeue", json={"reason": "it is back"}, headers=world.key())
    assert (answer.status_code, answer.json()["state"]) == (200, "requeued")
    again = (await owner.get(f"/v1/jobs/{job['id']}")).json()
    assert (again["status"], again["attempt"], len(again["attempts"])) == ("pending", 0, 1)
    refused = world.problem(await owner.post(f"{at}/discard", headers=world.key()), 409, "dead-letter-settled")
    assert "requeued" in refused["detail"]


async def test_a_requeue_that_is_asked_for_again_is_answered_as_before(owner: Any, world: Any, db: Database) -> None:
    _, letter = await dead(db, owner, world)
    key, at = world.key(), f"/v1/dead-letters/{letter['id']}/requeue"
    first, second = [await owner.post(at, headers=key) for _ in range(2)]
    assert (second.status_code, second.content) == (200, first.content)


@asynccontextmanager
async def in_a_deadlock(db: Database, table: str, *, times: int) -> AsyncIterator[None]:
    """The first transactions that write to a table are undone, as the server ends a deadlock."""
    async with db.psycopg.connection() as connection:
        await connection.execute(f"""
            CREATE SEQUENCE tries;
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('tries') <= {times} THEN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END IF;
                RETURN NULL; END $$;
            CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse()
        """)
    try:
        yield
    finally:
        async with db.psycopg.connection() as connection:
            await connection.execute("DROP FUNCTION refuse CASCADE; DROP SEQUENCE tries")


async def test_a_requeue_that_a_deadlock_undid_is_done_the_second_time(owner: Any, world: Any, db: Database) -> None:
    job, letter = await dead(db, owner, world)
    async with in_a_deadlock(db, "dead_letters", times=1):
        answer = await owner.post(f"/v1/dead-letters/{letter['id']}/requeue", headers=world.key())
    assert (answer.status_code, answer.json()["state"]) == (200, "requeued")
    assert (await owner.get(f"/v1/jobs/{job['id']}")).json()["status"] == "pending"
    async with db.psycopg.connection() as connection:
        lines = await connection.execute("SELECT FROM operation_log WHERE kind = 'dead_letter.requeue'")
        assert lines.rowcount == 1


async def test_a_requeue_that_deadlocks_undo_twice_is_503_and_can_be_sent_again(
    owner: Any, world: Any, db: Database
) -> None:
    _, letter = await dead(db, owner, world)
    key, at = world.key(), f"/v1/dead-letters/{letter['id']}"
    async with in_a_deadlock(db, "dead_letters", times=2):
        refused = await owner.post(f"{at}/requeue", headers=key)
        assert world.problem(refused, 503, "unavailable")
        assert (await owner.get(at)).json()["state"] == "open"
        assert (await owner.post(f"{at}/requeue", headers=key)).json()["state"] == "requeued"


async def test_a_requeued_jobs_first_answer_is_given_again_to_the_byte(owner: Any, world: Any, db: Database) -> None:
    key, request = world.key(), world.sms()
    first = await owner.post("/v1/jobs", json=request, headers=key)
    await die(db, first.json()["id"])
    [letter] = (await owner.get("/v1/dead-letters")).json()["items"]
    await owner.post(f"/v1/dead-letters/{letter['id']}/requeue", headers=world.key())
    again = await owner.post("/v1/jobs", json=request, headers=key)
    assert (again.status_code, again.content) == (202, first.content)


async def test_a_held_unique_key_is_a_conflict_that_names_its_holder(owner: Any, world: Any, db: Database) -> None:
    _, letter = await dead(db, owner, world, unique_key="k")
    holder = (await owner.post("/v1/jobs", json=world.sms(unique_key="k"), headers=world.key())).json()
    answer = await owner.post(f"/v1/dead-letters/{letter['id']}/requeue", headers=world.key())
    [error] = world.problem(answer, 409, "unique-key-held")["errors"]
    assert holder["id"] in error["message"]


async def test_another_organizations_letter_is_not_there_by_any_route(
    standing_url: str, callers: Any, client: Any, owner: Any, world: Any, db: Database
) -> None:
    _, letter = await dead(db, owner, world)
    other = client(standing_url, callers.other)
    assert (await other.get("/v1/dead-letters")).json()["items"] == []
    assert (await other.get("/v1/dead-letters/groups")).json()["groups"] == []
    at = f"/v1/dead-letters/{letter['id']}"
    world.problem(await other.get(at), 404, "not-found")
    for act in ("requeue", "discard"):
        world.problem(await other.post(f"{at}/{act}", headers=world.key()), 404, "not-found")
        named = {"organization_id": str(world.organization)}
        answer = await other.post(f"{at}/{act}", params=named, headers=world.key())
        world.problem(answer, 403, "organization-forbidden")
    assert (await owner.get(at)).json()["state"] == "open"


async def test_operators_see_and_settle_those_of_all(owner: Any, operator: Any, world: Any, db: Database) -> None:
    job, letter = await dead(db, owner, world)
    assert [one["id"] for one in (await operator.get("/v1/dead-letters")).json()["items"]] == [letter["id"]]
    assert len((await operator.get("/v1/dead-letters/groups")).json()["groups"]) == 1
    answer = await operator.post(f"/v1/dead-letters/{letter['id']}/discard", headers=world.key())
    assert answer.json()["state"] == "discarded"
    [line] = (await operator.get("/v1/operation-log", params={"kind": "dead_letter.discard"})).json()["items"]
    assert (line["organization_id"], line["after"]["job_id"]) == (str(world.organization), job["id"])


async def test_a_platform_credential_needs_operations_to_mean_all(
    standing_url: str, client: Any, owner: Any, world: Any, db: Database, settings: Settings
) -> None:
    _, letter = await dead(db, owner, world)
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    credentials = ServiceCredentials(db, sealer, settings.ingestion)
    async with db.platform() as session:
        made = await credentials.create_signing_credential(
            session, name="ours", organization_id=None, scopes=("jobs:read", "jobs:write", "notifications:write")
        )
    platform = client(standing_url, SigningKey(made.key_id, made.secret))
    world.problem(await platform.get("/v1/dead-letters"), 403, "scope-missing")
    at = f"/v1/dead-letters/{letter['id']}/requeue"
    refused = world.problem(await platform.post(at, headers=world.key()), 403, "scope-missing")
    assert "operations:write" in refused["detail"]
    named = {"organization_id": str(world.organization)}
    assert (await platform.post(at, params=named, headers=world.key())).status_code == 200


async def test_whoever_may_only_read_settles_nothing(
    standing_url: str, callers: Any, client: Any, owner: Any, world: Any, db: Database
) -> None:
    _, letter = await dead(db, owner, world)
    reader = client(standing_url, callers.reader)
    assert (await reader.get(f"/v1/dead-letters/{letter['id']}")).status_code == 200
    for act in ("requeue", "discard"):
        answer = await reader.post(f"/v1/dead-letters/{letter['id']}/{act}", headers=world.key())
        world.problem(answer, 403, "scope-missing")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"state": "dead"}, "state"),
        ({"fingerprint": "x"}, "fingerprint"),
        ({"queue": "Nowhere"}, "queue"),
        ({"type": "no type"}, "type"),
        ({"job_id": "7"}, "job_id"),
        ({"failed_after": "2026-11-23T00:00:00Z", "failed_before": "2026-11-22T00:00:00Z"}, ""),
    ],
)
async def test_a_filter_that_cannot_be_is_refused_by_its_name(
    owner: Any, world: Any, query: dict[str, str], field: str
) -> None:
    answer = await owner.get("/v1/dead-letters", params=query)
    assert field in world.fields(world.problem(answer, 422, "invalid"))


async def test_a_letter_that_is_none_is_not_found(owner: Any, world: Any) -> None:
    world.problem(await owner.get(f"/v1/dead-letters/{UUID(int=7)}"), 404, "not-found")


async def test_nobody_steers_what_they_could_not_create(
    owner: Any, world: Any, db: Database, settings: Settings, client: Any, standing_url: str
) -> None:
    job, letter = await dead(db, owner, world)
    credentials = ServiceCredentials(db, Sealer(settings.auth.secret), settings.ingestion)
    async with db.platform() as session:
        key = await credentials.create_api_key(
            session, name="x", organization_id=UUID(letter["organization_id"]), scopes=["jobs:read", "jobs:write"]
        )
    api, at = client(standing_url, key.secret.reveal()), f"/v1/jobs/{job['id']}"
    bulk = {"action": "requeue", "filter": {"error_code": "provider_unavailable"}}
    for answer in (
        await api.post(f"/v1/dead-letters/{letter['id']}/requeue", headers=world.key()),
        await api.post(f"/v1/dead-letters/{letter['id']}/discard", headers=world.key()),
        await api.post(f"{at}/cancel", headers=world.key()),
        await api.post(f"{at}/retry", headers=world.key()),
        await api.post(f"{at}/run-now", headers=world.key()),
        await api.patch(at, json={"priority": "high"}),
        await api.post("/v1/bulk-actions", json=bulk, headers=world.key()),
        await api.post("/v1/bulk-actions", json={**bulk, "action": "discard"}, headers=world.key()),
    ):
        assert "notifications:write" in world.problem(answer, 403, "scope-missing")["detail"]
    assert (await owner.get(f"/v1/dead-letters/{letter['id']}")).json()["state"] == "open"
