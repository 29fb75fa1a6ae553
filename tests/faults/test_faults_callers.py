"""Callers that repeat themselves, share their keys or go away, over several processes: rows R9, R10, R11 and R16."""

import asyncio
import hashlib
import json
import random
from uuid import UUID, uuid4

import httpx
import pytest
from faults.harness import ORGANIZATION, Site, until
from faults.site_callers import OTHER, Callers, client, sms
from faults.test_faults_stores import ingest, whole

SCOPES = ("jobs:read", "jobs:write", "notifications:read", "notifications:write")


@pytest.mark.full
async def test_one_key_at_once_over_several_processes_makes_one_job_and_identical_answers(site: Site):
    """R10: 20 keys, each 100 times at once over 4 processes; then with another body, and while it is still running."""
    key = await Callers(site).make(SCOPES)
    keys = [uuid4().hex for _ in range(20)]
    with site.api(processes=4) as api:
        async with client(api.address, key) as caller:
            for name in keys:
                headers = {"idempotency-key": name}
                sends = [caller.post("/v1/jobs", json=sms(), headers=headers) for _ in range(100)]
                answers = await asyncio.gather(*sends)
                assert {answer.status_code for answer in answers} == {202}
                assert len({answer.content for answer in answers}) == 1
                assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
                other = await caller.post("/v1/jobs", json=sms("You were next."), headers=headers)
                assert (other.status_code, "idempotency-key" in other.text) == (422, True)
            running = json.dumps(sms()).encode()
            site.sql(
                "INSERT INTO idempotency_records (organization_id, key, method, path, body_hash, state, expires_at)"
                " VALUES (%s, 'running', 'POST', '/v1/jobs', %s, 'running', now() + interval '1 hour')",
                (ORGANIZATION, hashlib.sha256(running).digest()),
            )
            headers = {"idempotency-key": "running", "content-type": "application/json"}
            assert (await caller.post("/v1/jobs", content=running, headers=headers)).status_code == 409
    assert site.count("jobs") == site.count("messages") == len(keys)
    assert site.count("request_keys") == len(keys) + 1


@pytest.mark.full
async def test_two_organizations_that_share_their_keys_see_nothing_of_each_other(site: Site):
    """R11: 400 keys used by both at once; then each tries to read, list and cancel what the other has."""
    callers = Callers(site)
    ours, theirs = await callers.make(SCOPES), await callers.make(SCOPES, organization_id=OTHER)
    keys = [uuid4().hex for _ in range(400)]
    with site.api(processes=4) as api:
        async with client(api.address, ours) as us, client(api.address, theirs) as them:
            both = ((us, ORGANIZATION), (them, OTHER))
            jobs: dict[UUID, list[dict[str, object]]] = {ORGANIZATION: [], OTHER: []}
            for name in keys:
                sends = [
                    caller.post("/v1/jobs", json=sms(organization_id=own), headers={"idempotency-key": name})
                    for caller, own in (*both, *both)
                ]
                answers = [answer.raise_for_status().json() for answer in await asyncio.gather(*sends)]
                assert answers[:2] == answers[2:]
                for (_, own), answer in zip(both, answers, strict=False):
                    assert answer["organization_id"] == str(own)
                    jobs[own].append(answer)
            for caller, own, others in ((us, ORGANIZATION, jobs[OTHER]), (them, OTHER, jobs[ORGANIZATION])):
                assert {job["id"] for job in await listed(caller)} == {job["id"] for job in jobs[own]}
                await nothing_seen(caller, others)
                for path in ("/v1/jobs", "/v1/deliveries"):
                    named = await caller.get(path, params={"organization_id": str(others[0]["organization_id"])})
                    assert named.status_code == 403
    assert site.count("jobs WHERE status = 'pending' AND NOT cancel_requested") == 2 * len(keys)


async def listed(caller: httpx.AsyncClient) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    query: dict[str, str] = {"limit": "100"}
    while True:
        page = (await caller.get("/v1/jobs", params=query)).raise_for_status().json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        query["cursor"] = page["next_cursor"]


async def nothing_seen(caller: httpx.AsyncClient, jobs: list[dict[str, object]]) -> None:
    """Assert that none of these jobs can be read or cancelled."""

    async def one(job: dict[str, object]) -> None:
        path = f"/v1/jobs/{job['id']}"
        payload = job["payload"]
        assert isinstance(payload, dict)
        for answer in (
            await caller.get(path),
            await caller.post(f"{path}/cancel", headers={"idempotency-key": uuid4().hex}),
            await caller.get(f"/v1/deliveries/{payload['message_id']}"),
        ):
            assert answer.status_code == 404
            assert str(job["organization_id"]) not in answer.text

    await asyncio.gather(*(one(job) for job in jobs))


# At the end of each transaction that stores a key, inside its COMMIT: one in three is cut.
CUT_COMMITS = """
CREATE SEQUENCE commits;
CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF nextval('commits') % 3 = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON request_keys DEFERRABLE INITIALLY DEFERRED
   FOR EACH ROW EXECUTE FUNCTION cut();
"""


@pytest.mark.full
async def test_commits_that_are_cut_off_and_retried_make_one_job_each(site: Site):
    """R9: 300 keys, over two processes whose connections end inside their COMMIT; callers retry with the same key."""
    site.sql(CUT_COMMITS)
    keys = [uuid4().hex for _ in range(300)]
    with site.api(processes=2) as api:
        # Two at a time, so that few share a commit: those who do are cut off together, again and again.
        for start in range(0, len(keys), 2):
            whole_so_far = await ingest(api.address, keys[start : start + 2])
            assert len(set(whole_so_far.values())) == 2
        cut = site.sql("SELECT last_value FROM commits")[0][0] - len(keys)
        assert cut > len(keys) / 4, "few commits were cut: this has shown nothing"
        whole(site, await ingest(api.address, keys))  # who asks again is answered as before


@pytest.mark.full
async def test_requests_that_are_cancelled_in_flight_leave_no_transaction_and_no_connection_behind(site: Site):
    """R16: 1,000 callers hang up at any moment; what each asked for is there whole or not at all."""
    key = await Callers(site).make(SCOPES)
    chance = random.Random(16)
    with site.api(processes=2) as api:
        async with client(api.address, key) as caller:

            async def hang_up() -> None:
                headers = {"idempotency-key": uuid4().hex}
                asking = asyncio.create_task(caller.post("/v1/jobs", json=sms(), headers=headers))
                await asyncio.sleep(chance.uniform(0, 0.05))
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)

            for _ in range(20):
                await asyncio.gather(*(hang_up() for _ in range(50)))
            until(lambda: not site.count(IN_TRANSACTION), within=10, what="no transaction is left open")
            headers = [{"idempotency-key": uuid4().hex} for _ in range(200)]
            sends = [caller.post("/v1/jobs", json=sms(), headers=one) for one in headers]
            assert {answer.status_code for answer in await asyncio.gather(*sends)} == {202}
    until(lambda: not site.count(OF_THE_API), within=10, what="no connection is left behind")
    assert site.count("jobs") == site.count("messages") == site.count("request_keys") >= 200


IN_TRANSACTION = "pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()"
OF_THE_API = "pg_stat_activity WHERE application_name LIKE '%api%' AND datname = current_database()"
