"""R11: another organization with our keys and ids sees nothing of ours, and changes nothing."""

from typing import Any

import httpx
import pytest

from acceptance.system import Caller, System, address, song

pytestmark = pytest.mark.xdist_group("acceptance")


@pytest.fixture
def ours(system: System) -> Caller:
    return system.caller()


@pytest.fixture
def theirs(system: System) -> Caller:
    return system.caller()


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


def test_our_idempotency_key_gives_them_a_job_of_their_own(system: System, ours: Caller, theirs: Caller) -> None:
    to, key = address(), {"idempotency-key": "tenants-shared-key"}
    body: dict[str, Any] = {"to": {"email": to}, "message": song()}
    first = ours.post("email.send", body, headers=key)
    second = theirs.post("email.send", body, headers=key)
    assert (first.status_code, second.status_code) == (202, 202)
    assert "idempotency-replayed" not in second.headers
    assert second.json()["id"] != first.json()["id"]
    assert second.json()["organization_id"] == str(theirs.organization_id)
    for caller, answer in ((ours, first), (theirs, second)):
        assert caller.ended(answer.json())["status"] == "completed"
        [only] = caller.deliveries(recipient=to)
        assert only["job_id"] == answer.json()["id"]
    assert [received.message["To"][0]["Email"] for received in system.mailjet.received].count(to) == 2


def test_our_ids_are_unknown_to_them(ours: Caller, theirs: Caller) -> None:
    to = address()
    job = ours.email(to, delay=3600)
    message = ours.delivery(job)
    ways = [f"/v1/jobs/{job['id']}", f"/v1/deliveries/{message['id']}"]
    for path in ways:
        assert problem(theirs.http.get(path)) == (404, "not-found")
        named = theirs.http.get(path, params={"organization_id": str(ours.organization_id)})
        assert problem(named)[0] in {403, 404}
        assert job["correlation_id"] not in named.text.replace(named.headers["x-request-id"], "")
    cancelled = theirs.http.post(f"/v1/jobs/{job['id']}/cancel", headers={"idempotency-key": "tenants-cancel"})
    assert problem(cancelled) == (404, "not-found")
    assert ours.job(job["id"])["status"] == "pending"
    for filters in ({}, {"job_id": job["id"]}, {"recipient": to}):
        assert theirs.deliveries(**filters) == []
    assert theirs.http.get("/v1/jobs").json()["items"] == []


def test_they_cannot_act_in_our_name(system: System, ours: Caller, theirs: Caller) -> None:
    job = ours.email(address(), delay=3600)
    before = system.site.count("jobs")
    payload = {"to": {"email": address()}, "message": song()}
    refused = theirs.post("email.send", payload, organization_id=str(ours.organization_id))
    assert problem(refused)[0] == 403
    listed = theirs.http.get("/v1/jobs", params={"organization_id": str(ours.organization_id)})
    assert problem(listed)[0] == 403
    cancelled = theirs.http.post(
        f"/v1/jobs/{job['id']}/cancel",
        params={"organization_id": str(ours.organization_id)},
        headers={"idempotency-key": "tenants-cancel-in-our-name"},
    )
    assert problem(cancelled)[0] in {403, 404}
    assert system.site.count("jobs") == before
    assert ours.job(job["id"])["status"] == "pending"


def test_their_request_with_the_id_of_our_job_tells_nothing_of_it(ours: Caller, theirs: Caller) -> None:
    job = ours.email(address(), delay=3600)
    payload = {"to": {"email": address()}, "message": song()}
    refused = theirs.post("email.send", payload, id=job["id"])
    assert refused.status_code == 409, refused.text
    for secret in (str(ours.organization_id), job["correlation_id"], job["created_at"]):
        assert secret not in refused.text
